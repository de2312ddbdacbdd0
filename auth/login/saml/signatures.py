"""Whether the bridge signed something: an element, or the query of a redirect. Only what a signature covers is read."""

import base64
import binascii
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.verifier import SignatureConfiguration, XMLVerifier

from auth.login.port import LoginFailed
from auth.login.saml.reading import SIGNATURE, parsed

_METHODS = frozenset(
    method for method in SignatureMethod if "SHA1" not in method.name and not method.name.startswith(("HMAC", "DSA"))
)
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
QUERY_METHODS: dict[str, hashes.HashAlgorithm] = {
    _MORE + "rsa-sha256": hashes.SHA256(),
    _MORE + "rsa-sha384": hashes.SHA384(),
    _MORE + "rsa-sha512": hashes.SHA512(),
}


def verified(element: etree._Element, signing: tuple[x509.Certificate, ...], now: datetime) -> etree._Element:
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
            result: Any = XMLVerifier().verify(data, x509_cert=certificate, id_attribute="ID", expect_config=config)
        except Exception as error:  # the libraries' exceptions have no common base; whatever it is, it is not verified
            failure = error
            continue
        signed = result.signed_xml
        if signed is None or signed.tag != element.tag or signed.get("ID") != element.get("ID"):
            raise LoginFailed("saml-signature-of-something-else")
        return parsed(etree.tostring(signed))
    raise LoginFailed("saml-signature") from failure


def verify_query(query: bytes, message: str, signing: tuple[x509.Certificate, ...], now: datetime) -> None:
    """The signature over the query of a redirect (SAML bindings 3.4.4.1). Raises LoginFailed.

    `message` is SAMLRequest or SAMLResponse. What is signed are the parameters as they were written, in the order of
    the standard; each may be there once, so that nobody signs one and reads another. The certificate must be in force.
    """
    raw: dict[str, str] = {}
    for pair in query.decode("ascii", "replace").split("&"):
        name, _, value = pair.partition("=")
        if name in raw:
            raise LoginFailed("saml-query-twice")
        raw[name] = value
    algorithm = QUERY_METHODS.get(unquote_plus(raw.get("SigAlg", "")))
    if "Signature" not in raw or algorithm is None:
        raise LoginFailed("saml-unsigned")
    told = "&".join(f"{name}={raw[name]}" for name in (message, "RelayState", "SigAlg") if name in raw).encode()
    try:
        signature = base64.b64decode(unquote_plus(raw["Signature"]), validate=False)
    except (binascii.Error, ValueError) as error:
        raise LoginFailed("saml-signature") from error
    for certificate in signing:
        key = certificate.public_key()
        in_force = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        if not isinstance(key, RSAPublicKey) or not in_force:
            continue
        try:
            key.verify(signature, told, padding.PKCS1v15(), algorithm)
        except InvalidSignature:
            continue
        return
    raise LoginFailed("saml-signature")
