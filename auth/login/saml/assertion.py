"""What an answer to a login says: signature first, then a table of checks, then the claims (SAML core, profiles 4.1.4).

Only what the signature covers is read: the verifier hands back the signed element, and nothing else of the message is
looked at for who the person is. So an element that was wrapped, moved or added beside it says nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from lxml import etree

from auth.login.port import LoginCancelled, LoginFailed
from auth.login.saml.opening import opened
from auth.login.saml.reading import PROTOCOL, SAML, SIGNATURE, SOAP, NotReadable, moment, only, parsed, text
from auth.login.saml.signatures import verified

STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
_BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_CANCELLED = {STATUS + "AuthnFailed", STATUS + "RequestDenied"}


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
    resolve_id: str | None
    """Of the ArtifactResolve; None: the answer was posted through the browser."""
    now: datetime
    leeway: timedelta


@dataclass(frozen=True, slots=True)
class Asserted:
    """What an assertion says, once it was believed."""

    claims: dict[str, Any] = field(repr=False)
    text: str = field(repr=False)
    """The assertion itself."""
    name: str = field(repr=False)
    """The NameID as XML, for a LogoutRequest; empty when there is none."""
    session: str
    """The bridge's number of the session; empty when it gives none."""


def asserted(answer: bytes, expected: Expected, signing: tuple[x509.Certificate, ...], key: RSAPrivateKey) -> Asserted:
    """What the answer to an ArtifactResolve, or a posted Response, says. Raises LoginFailed, LoginCancelled."""
    try:
        whole = parsed(answer)
        response = (
            _posted(whole, expected, signing)
            if expected.resolve_id is None
            else _resolved(whole, expected.resolve_id, expected, signing)
        )
        assertion = verified(_assertion(_answering(response, expected), key), signing, expected.now)
        for why, check in CHECKS:
            if not check(assertion, expected):
                raise LoginFailed(f"saml-{why}")
        return _read(assertion, key)
    except NotReadable as error:
        raise LoginFailed("saml-unreadable") from error


# --- around the assertion ------------------------------------------------------------------------------------------


def _resolved(
    envelope: etree._Element, resolve_id: str, expected: Expected, signing: tuple[x509.Certificate, ...]
) -> etree._Element:
    """The Response in an ArtifactResponse, which is the answer to our ArtifactResolve."""
    resolved = only(envelope, SOAP + "Body", PROTOCOL + "ArtifactResponse")
    if resolved is None:
        raise LoginFailed("saml-soap")
    if resolved.find(SIGNATURE + "Signature") is not None:
        resolved = verified(resolved, signing, expected.now)
    _fits(resolved, resolve_id, expected)
    if statuses(resolved)[:1] != [STATUS + "Success"]:
        raise LoginFailed("saml-artifact-refused")
    response = only(resolved, PROTOCOL + "Response")
    if response is None:
        raise LoginFailed("saml-no-response")
    return response


def _posted(response: etree._Element, expected: Expected, signing: tuple[x509.Certificate, ...]) -> etree._Element:
    """A Response that came through the browser: it names us as its destination (SAML bindings 3.5.5.2)."""
    if response.tag != PROTOCOL + "Response":
        raise LoginFailed("saml-no-response")
    if response.find(SIGNATURE + "Signature") is not None:
        response = verified(response, signing, expected.now)
    if response.get("Destination") != expected.callback:
        raise LoginFailed("saml-destination")
    return response


def _answering(response: etree._Element, expected: Expected) -> etree._Element:
    """The Response, when it answers our request and says that the login succeeded."""
    _fits(response, expected.request_id, expected)
    if response.get("Destination", expected.callback) != expected.callback:
        raise LoginFailed("saml-destination")
    status = statuses(response)
    if status[:1] != [STATUS + "Success"]:
        raise LoginCancelled if _CANCELLED & set(status) else LoginFailed("saml-status")
    return response


def _fits(message: etree._Element, answers: str, expected: Expected) -> None:
    if message.get("InResponseTo") != answers:
        raise LoginFailed("saml-another-request")
    if text(only(message, SAML + "Issuer")) not in {None, expected.bridge}:
        raise LoginFailed("saml-issuer")


def statuses(message: etree._Element) -> list[str]:
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


def _read(assertion: etree._Element, key: RSAPrivateKey) -> Asserted:
    statement = only(assertion, SAML + "AuthnStatement")
    instant = None if statement is None else moment(statement.get("AuthnInstant"))
    level = only(assertion, SAML + "AuthnStatement", SAML + "AuthnContext", SAML + "AuthnContextClassRef")
    subject = only(assertion, SAML + "Subject")
    name = None if subject is None else name_of(subject, key)
    claims: dict[str, Any] = {
        **_attributes(assertion, key),
        "NameID": text(name),
        "AuthnContextClassRef": text(level),
        "auth_time": None if instant is None else instant.timestamp(),
    }
    return Asserted(
        claims,
        etree.tostring(assertion, encoding="unicode"),
        "" if name is None else etree.tostring(name, encoding="unicode", with_tail=False),
        "" if statement is None else statement.get("SessionIndex", ""),
    )


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
    return text(name_of(parent, key))


def name_of(parent: etree._Element, key: RSAPrivateKey) -> etree._Element | None:
    """A NameID, plain or encrypted for us; None when there is none, or both. Raises NotReadable."""
    sealed = only(parent, SAML + "EncryptedID")
    plain = only(parent, SAML + "NameID")
    if sealed is None:
        return plain
    name = opened(sealed, key, authenticated=False)
    return name if plain is None and name.tag == SAML + "NameID" else None
