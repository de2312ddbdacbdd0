"""What we send to a login bridge: the AuthnRequest by redirect, and the ArtifactResolve over SOAP; both signed."""

import base64
import binascii
import hashlib
import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, SignatureConstructionMethod
from signxml.signer import XMLSigner

from auth.bridges import SamlSettings
from auth.login.port import LoginAsk, LoginFailed, LoginUnavailable
from auth.login.saml.metadata import ARTIFACT, BridgeMetadata
from auth.login.saml.reading import PREFIXES, PROTOCOL, SAML, SOAP

RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"


@dataclass(frozen=True, slots=True)
class Signing:
    """Our key and its certificate."""

    key: RSAPrivateKey
    certificate: x509.Certificate


def new_id() -> str:
    """An id of a message: 160 random bits (SAML core 1.3.4), beginning as an XML name must."""
    return "_" + secrets.token_hex(20)


def authn_request(ask: LoginAsk, request_id: str, settings: SamlSettings, bridge: BridgeMetadata) -> bytes:
    """The AuthnRequest (SAML core 3.4.1): a fresh login, the level as a minimum, the answer by artifact.

    Raises LoginUnavailable when the settings know no such level or kind of representation.
    """
    level = next((name for name, found in settings.levels.items() if found >= ask.level), None)
    if level is None:
        raise LoginUnavailable("the bridge knows no level that is high enough")
    service = settings.service
    if ask.representation is not None:
        service = settings.representation_services.get(ask.representation.value)
        if service is None:
            raise LoginUnavailable("the bridge knows no such representation")
    request = _message("AuthnRequest", request_id, settings, bridge.login)
    request.set("ForceAuthn", "true")
    request.set("ProtocolBinding", ARTIFACT)
    request.set("AssertionConsumerServiceURL", ask.callback)
    if service is not None:
        request.set("AttributeConsumingServiceIndex", str(service))
    context = etree.SubElement(request, PROTOCOL + "RequestedAuthnContext", Comparison="minimum")
    etree.SubElement(context, SAML + "AuthnContextClassRef").text = level
    return etree.tostring(request)


def redirect(request: bytes, relay_state: str, signing: Signing, address: str) -> str:
    """The address with the request in it (SAML bindings 3.4.4.1): deflated, base64, signed over the query."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(request) + packer.flush()
    query = urlencode(
        {"SAMLRequest": base64.b64encode(packed).decode(), "RelayState": relay_state, "SigAlg": RSA_SHA256}
    )
    signature = signing.key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())
    joint = "&" if "?" in address else "?"
    return f"{address}{joint}{query}&{urlencode({'Signature': base64.b64encode(signature).decode()})}"


def resolution_address(artifact: str, bridge: BridgeMetadata) -> str:
    """Where an artifact is resolved (SAML bindings 3.6.4): the endpoint that it names. Raises LoginFailed.

    An artifact names who made it; one of another than our bridge is never sent anywhere.
    """
    try:
        raw = base64.b64decode(artifact, validate=True)
    except (binascii.Error, ValueError) as error:
        raise LoginFailed("saml-artifact") from error
    source = hashlib.sha1(bridge.entity_id.encode(), usedforsecurity=False).digest()
    address = bridge.resolution.get(int.from_bytes(raw[2:4], "big"))
    if len(raw) != 44 or raw[:2] != b"\x00\x04" or raw[4:24] != source or address is None:
        raise LoginFailed("saml-artifact")
    return address


def artifact_resolve(artifact: str, request_id: str, address: str, settings: SamlSettings, signing: Signing) -> bytes:
    """The ArtifactResolve in a SOAP envelope (SAML core 3.5.1, bindings 3.2)."""
    message = _message("ArtifactResolve", request_id, settings, address)
    etree.SubElement(message, PROTOCOL + "Artifact").text = artifact
    envelope = etree.Element(SOAP + "Envelope", nsmap=PREFIXES)
    etree.SubElement(envelope, SOAP + "Body").append(signed(message, signing))
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def signed(message: etree._Element, signing: Signing) -> etree._Element:
    """The message with an enveloped signature over its own id, after its issuer (SAML core 5.4)."""
    place = etree.Element("{http://www.w3.org/2000/09/xmldsig#}Signature", Id="placeholder")
    message.insert(1, place)
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    return signer.sign(message, key=signing.key, cert=[signing.certificate], reference_uri=message.get("ID"))


def _message(name: str, request_id: str, settings: SamlSettings, address: str) -> etree._Element:
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = etree.Element(
        PROTOCOL + name,
        nsmap=PREFIXES,
        ID=request_id,
        Version="2.0",
        IssueInstant=moment,
        Destination=address,
    )
    etree.SubElement(message, SAML + "Issuer").text = settings.entity_id
    return message
