"""The metadata of the login bridge (SAML metadata 2.4.3), and those that we give to it (2.4.4)."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from auth.login.saml.reading import METADATA, PREFIXES, SIGNATURE, NotReadable, only, parsed

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
ARTIFACT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"
SOAP_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"


@dataclass(frozen=True, slots=True)
class BridgeMetadata:
    """What we need of a bridge."""

    entity_id: str
    login: str
    """Where browsers go, by redirect."""
    resolution: Mapping[int, str]
    """Where artifacts are resolved, by index."""
    signing: tuple[x509.Certificate, ...]
    """Whose signatures count; several while keys are changed."""

    @classmethod
    def read(cls, file: Path, entity_id: str) -> "BridgeMetadata":
        """From a file with an EntityDescriptor, alone or in an EntitiesDescriptor. Raises OSError or ValueError."""
        root = parsed(_without_comments(file.read_bytes()))
        entity = next((e for e in root.iter(METADATA + "EntityDescriptor") if e.get("entityID") == entity_id), None)
        if entity is None:
            raise NotReadable(f"{file.name} does not hold {entity_id}")
        role = only(entity, METADATA + "IDPSSODescriptor")
        if role is None:
            raise NotReadable(f"{entity_id} is no identity provider")
        logins = [e.get("Location", "") for e in _bound(role, "SingleSignOnService", REDIRECT)]
        resolution = {
            int(e.get("index", "0")): e.get("Location", "")
            for e in _bound(role, "ArtifactResolutionService", SOAP_BINDING)
        }
        signing = tuple(_signing(role))
        for what, found in (("redirect login", logins), ("artifact resolution", resolution), ("signing key", signing)):
            if not found:
                raise NotReadable(f"{entity_id} offers no {what}")
        return cls(entity_id, logins[0], resolution, signing)


def _bound(role: etree._Element, name: str, binding: str) -> list[etree._Element]:
    return [found for found in role.findall(METADATA + name) if found.get("Binding") == binding]


def _signing(role: etree._Element) -> list[x509.Certificate]:
    found = []
    for key in role.findall(METADATA + "KeyDescriptor"):
        if key.get("use", "signing") == "signing":
            for certificate in key.iter(SIGNATURE + "X509Certificate"):
                found.append(x509.load_der_x509_certificate(base64.b64decode(certificate.text or "")))
    return found


def _without_comments(data: bytes) -> bytes:
    """Metadata are a file that people keep: comments in it are theirs."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.tostring(etree.fromstring(data, parser).getroottree())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotReadable("not well-formed") from error


def our_metadata(entity_id: str, certificate: x509.Certificate, callback: str) -> bytes:
    """Our SPSSODescriptor, to give to the bridge: signed requests, signed assertions, answers by artifact."""
    md, ds = METADATA, SIGNATURE
    root = etree.Element(md + "EntityDescriptor", nsmap=PREFIXES, entityID=entity_id)
    role = etree.SubElement(
        root,
        md + "SPSSODescriptor",
        AuthnRequestsSigned="true",
        WantAssertionsSigned="true",
        protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol",
    )
    for use in ("signing", "encryption"):
        info = etree.SubElement(etree.SubElement(role, md + "KeyDescriptor", use=use), ds + "KeyInfo")
        data = etree.SubElement(etree.SubElement(info, ds + "X509Data"), ds + "X509Certificate")
        data.text = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    etree.SubElement(
        role,
        md + "AssertionConsumerService",
        Binding=ARTIFACT,
        Location=callback,
        index="0",
        isDefault="true",
    )
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
