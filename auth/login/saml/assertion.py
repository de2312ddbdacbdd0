"""What a resolved artifact says: signature first, then a table of checks, then the claims (SAML core, profiles 4.1.4).

Only what the signature covers is read: the verifier hands back the signed element, and nothing else of the message is
looked at for who the person is. So an element that was wrapped, moved or added beside it says nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.verifier import SignatureConfiguration, XMLVerifier

from auth.login.port import LoginCancelled, LoginFailed
from auth.login.saml.opening import opened
from auth.login.saml.reading import PROTOCOL, SAML, SIGNATURE, SOAP, NotReadable, moment, only, parsed, text

_STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
_BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_CANCELLED = {_STATUS + "AuthnFailed", _STATUS + "RequestDenied"}
_METHODS = frozenset(
    method for method in SignatureMethod if "SHA1" not in method.name and not method.name.startswith(("HMAC", "DSA"))
)
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer must fit."""

    bridge: str
    """Entity id of who may answer."""
    audience: str
    """Our entity id."""
    callback: str
    request_id: str
    """Of the AuthnRequest of this visit: an assertion of another visit, or one asked by nobody, never fits."""
    resolve_id: str
    now: datetime
    leeway: timedelta


def claims_of(
    answer: bytes, expected: Expected, signing: tuple[x509.Certificate, ...], key: RSAPrivateKey
) -> tuple[dict[str, Any], str]:
    """The claims in the answer to an ArtifactResolve, and the assertion's text. Raises LoginFailed, LoginCancelled."""
    try:
        response = _response(answer, expected, signing)
        assertion = _verified(_assertion(response, key), signing, expected.now)
        for why, check in CHECKS:
            if not check(assertion, expected):
                raise LoginFailed(f"saml-{why}")
        return _claims(assertion, key), etree.tostring(assertion, encoding="unicode")
    except NotReadable as error:
        raise LoginFailed("saml-unreadable") from error


# --- around the assertion ------------------------------------------------------------------------------------------


def _response(answer: bytes, expected: Expected, signing: tuple[x509.Certificate, ...]) -> etree._Element:
    resolved = only(parsed(answer), SOAP + "Body", PROTOCOL + "ArtifactResponse")
    if resolved is None:
        raise LoginFailed("saml-soap")
    if resolved.find(SIGNATURE + "Signature") is not None:
        resolved = _verified(resolved, signing, expected.now)
    _fits(resolved, expected.resolve_id, expected)
    if _status(resolved)[:1] != [_STATUS + "Success"]:
        raise LoginFailed("saml-artifact-refused")
    response = only(resolved, PROTOCOL + "Response")
    if response is None:
        raise LoginFailed("saml-no-response")
    _fits(response, expected.request_id, expected)
    if response.get("Destination", expected.callback) != expected.callback:
        raise LoginFailed("saml-destination")
    status = _status(response)
    if status[:1] != [_STATUS + "Success"]:
        raise LoginCancelled if _CANCELLED & set(status) else LoginFailed("saml-status")
    return response


def _fits(message: etree._Element, answers: str, expected: Expected) -> None:
    if message.get("InResponseTo") != answers:
        raise LoginFailed("saml-another-request")
    if text(only(message, SAML + "Issuer")) not in {None, expected.bridge}:
        raise LoginFailed("saml-issuer")


def _status(message: etree._Element) -> list[str]:
    """The status codes, outermost first."""
    found: list[str] = []
    code = only(message, PROTOCOL + "Status", PROTOCOL + "StatusCode")
    while code is not None:
        found.append(code.get("Value", ""))
        code = only(code, PROTOCOL + "StatusCode")
    return found


def _assertion(response: etree._Element, key: RSAPrivateKey) -> etree._Element:
    plain, sealed = response.findall(SAML + "Assertion"), response.findall(SAML + "EncryptedAssertion")
    if len(plain) + len(sealed) != 1:
        raise LoginFailed("saml-assertions")
    return plain[0] if plain else opened(sealed[0], key, authenticated=True)


def _verified(element: etree._Element, signing: tuple[x509.Certificate, ...], now: datetime) -> etree._Element:
    """The element as it was signed by one of these certificates. Raises LoginFailed.

    The signature stands directly in the element, has one reference, and that is the element itself.
    """
    config = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        ignore_ambiguous_key_info=True,
        verification_time=now,
    )
    if element.find(SIGNATURE + "Signature") is None:
        raise LoginFailed("saml-unsigned")
    data, failure = etree.tostring(element), None
    for certificate in signing:
        try:
            found: Any = XMLVerifier().verify(data, x509_cert=certificate, id_attribute="ID", expect_config=config)
        except Exception as error:  # the libraries' exceptions have no common base; whatever it is, it is not verified
            failure = error
            continue
        signed = found.signed_xml
        if signed is None or signed.tag != element.tag or signed.get("ID") != element.get("ID"):
            raise LoginFailed("saml-signature-of-something-else")
        return parsed(etree.tostring(signed))
    raise LoginFailed("saml-signature") from failure


# --- what an assertion must say ------------------------------------------------------------------------------------


def _in_time(element: etree._Element, expected: Expected) -> bool:
    begins, ends = moment(element.get("NotBefore")), moment(element.get("NotOnOrAfter"))
    after = begins is None or begins <= expected.now + expected.leeway
    return after and (ends is None or expected.now - expected.leeway < ends)


def _confirmed(assertion: etree._Element, expected: Expected) -> bool:
    """A bearer confirmation for this request, this callback and this moment (profiles 4.1.4.3)."""
    for confirmation in assertion.findall(f"{SAML}Subject/{SAML}SubjectConfirmation"):
        data = only(confirmation, SAML + "SubjectConfirmationData")
        if confirmation.get("Method") != _BEARER or data is None:
            continue
        right = (data.get("Recipient"), data.get("InResponseTo")) == (expected.callback, expected.request_id)
        if right and data.get("NotOnOrAfter") is not None and _in_time(data, expected):
            return True
    return False


def _conditions(assertion: etree._Element, expected: Expected) -> bool:
    conditions = only(assertion, SAML + "Conditions")
    return conditions is not None and _in_time(conditions, expected)


def _audience(assertion: etree._Element, expected: Expected) -> bool:
    restrictions = assertion.findall(f"{SAML}Conditions/{SAML}AudienceRestriction")
    named = [{text(audience) for audience in found.findall(SAML + "Audience")} for found in restrictions]
    return bool(named) and all(expected.audience in audiences for audiences in named)


def _session(assertion: etree._Element, expected: Expected) -> bool:
    statement = only(assertion, SAML + "AuthnStatement")
    if statement is None:
        return False
    ends = moment(statement.get("SessionNotOnOrAfter"))
    return ends is None or expected.now - expected.leeway < ends


CHECKS: tuple[tuple[str, Callable[[etree._Element, Expected], bool]], ...] = (
    ("version", lambda assertion, expected: assertion.get("Version") == "2.0"),
    ("issuer", lambda assertion, expected: text(only(assertion, SAML + "Issuer")) == expected.bridge),
    ("confirmation", _confirmed),
    ("conditions", _conditions),
    ("audience", _audience),
    ("session", _session),
)
"""Each check, and the word for the log when it fails."""


# --- the claims ----------------------------------------------------------------------------------------------------


def _claims(assertion: etree._Element, key: RSAPrivateKey) -> dict[str, Any]:
    statement = only(assertion, SAML + "AuthnStatement")
    instant = None if statement is None else moment(statement.get("AuthnInstant"))
    level = only(assertion, SAML + "AuthnStatement", SAML + "AuthnContext", SAML + "AuthnContextClassRef")
    found: dict[str, Any] = dict(_attributes(assertion, key))
    subject = only(assertion, SAML + "Subject")
    found["NameID"] = None if subject is None else _identifier(subject, key)
    found["AuthnContextClassRef"] = text(level)
    found["auth_time"] = None if instant is None else instant.timestamp()
    return found


def _attributes(assertion: etree._Element, key: RSAPrivateKey) -> Mapping[str, Any]:
    """Attributes by name; one that comes twice, or with several values, is a list, which no claim is read from."""
    attributes: dict[str, list[str | None]] = {}
    for attribute in assertion.findall(f"{SAML}AttributeStatement/{SAML}Attribute"):
        values = attributes.setdefault(attribute.get("Name", ""), [])
        values += [
            _identifier(value, key) if len(value) else text(value)
            for value in attribute.findall(SAML + "AttributeValue")
        ]
    return {name: values[0] if len(values) == 1 else values for name, values in attributes.items()}


def _identifier(parent: etree._Element, key: RSAPrivateKey) -> str | None:
    """A NameID, plain or encrypted for us."""
    sealed = only(parent, SAML + "EncryptedID")
    plain = only(parent, SAML + "NameID")
    if sealed is None:
        return text(plain)
    name = opened(sealed, key, authenticated=False)
    return text(name) if plain is None and name.tag == SAML + "NameID" else None
