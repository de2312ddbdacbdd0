"""What we send to a login bridge, always signed: through the browser by redirect or form, to its server over SOAP."""

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
from auth.login.saml.metadata import BINDINGS, BridgeMetadata
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


def authn_request(ask: LoginAsk, request_id: str, settings: SamlSettings, address: str) -> etree._Element:
    """The AuthnRequest (SAML core 3.4.1): a fresh login, the level as a minimum, the way of the answer.

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
    request = message_of("AuthnRequest", request_id, settings, address)
    request.set("ForceAuthn", "true")
    request.set("ProtocolBinding", BINDINGS[settings.answers[0]])
    request.set("AssertionConsumerServiceURL", ask.callback)
    if service is not None:
        request.set("AttributeConsumingServiceIndex", str(service))
    context = etree.SubElement(request, PROTOCOL + "RequestedAuthnContext", Comparison="minimum")
    etree.SubElement(context, SAML + "AuthnContextClassRef").text = level
    return request


def through_browser(
    binding: str, message: etree._Element, relay_state: str, signing: Signing, address: str
) -> tuple[str, dict[str, str]]:
    """Where the browser goes with a message, and what it posts there: nothing when it goes by redirect."""
    name = "SAMLResponse" if message.tag == PROTOCOL + "LogoutResponse" else "SAMLRequest"
    if binding == "redirect":
        return _redirect(name, etree.tostring(message), relay_state, signing, address), {}
    state = {"RelayState": relay_state} if relay_state else {}
    return address, {name: base64.b64encode(etree.tostring(signed(message, signing))).decode(), **state}


def _redirect(name: str, message: bytes, relay_state: str, signing: Signing, address: str) -> str:
    """The address with the message in it (SAML bindings 3.4.4.1): deflated, base64, signed over the query."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(message) + packer.flush()
    state = {"RelayState": relay_state} if relay_state else {}
    query = urlencode({name: base64.b64encode(packed).decode(), **state, "SigAlg": RSA_SHA256})
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
    message = message_of("ArtifactResolve", request_id, settings, address)
    etree.SubElement(message, PROTOCOL + "Artifact").text = artifact
    return in_envelope(message, signing)


def in_envelope(message: etree._Element, signing: Signing) -> bytes:
    """A signed message in a SOAP envelope (SAML bindings 3.2)."""
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


def message_of(name: str, request_id: str, settings: SamlSettings, address: str) -> etree._Element:
    """A message without its signature: id, moment, destination and issuer."""
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
