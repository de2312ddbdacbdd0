"""The metadata of the login bridge (SAML metadata 2.4.3), and those that we give to it (2.4.4)."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from auth.bridges import SamlSettings
from auth.login.leaving import LOGOUT, LOGOUT_BACK
from auth.login.saml.reading import METADATA, PREFIXES, SIGNATURE, NotReadable, only, parsed

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
ARTIFACT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
SOAP_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"
BINDINGS = {"redirect": REDIRECT, "post": POST, "artifact": ARTIFACT, "soap": SOAP_BINDING}
"""By the words of the settings."""


@dataclass(frozen=True, slots=True)
class BridgeMetadata:
    """What we need of a bridge."""

    entity_id: str
    login: Mapping[str, str]
    """Where browsers go to log in, by binding: redirect, post."""
    resolution: Mapping[int, str]
    """Where artifacts are resolved, by index."""
    logout: Mapping[str, str]
    """Where a LogoutRequest goes, by binding: redirect, post, soap."""
    logout_answers: Mapping[str, str]
    """Where a LogoutResponse goes through the browser, by binding."""
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
        resolution = {
            int(service.get("index", "0")): service.get("Location", "")
            for service in role.findall(METADATA + "ArtifactResolutionService")
            if service.get("Binding") == SOAP_BINDING
        }
        signing = tuple(_signing(role))
        if not signing:
            raise NotReadable(f"{entity_id} offers no signing key")
        login, (logout, answers) = _bound(role, "SingleSignOnService")[0], _bound(role, "SingleLogoutService")
        return cls(entity_id, login, resolution, logout, answers, signing)

    def must_offer(self, settings: SamlSettings) -> None:
        """Raises NotReadable when the bridge does not have what these settings use."""
        offered = (
            (f"{settings.request} login", settings.request in self.login),
            ("artifact resolution", bool(self.resolution) or "artifact" not in settings.answers),
            ("single logout", bool(self.logout) or not settings.single_logout),
        )
        lacking = next((what for what, there in offered if not there), None)
        if lacking is not None:
            raise NotReadable(f"{self.entity_id} offers no {lacking}")


def _bound(role: etree._Element, name: str) -> tuple[dict[str, str], dict[str, str]]:
    """The addresses of a service by binding, and those of its answers; the first of each counts."""
    places: dict[str, str] = {}
    answers: dict[str, str] = {}
    for service in role.findall(METADATA + name):
        word = next((word for word, urn in BINDINGS.items() if urn == service.get("Binding")), None)
        if word is not None and word not in places:
            places[word] = service.get("Location", "")
            answers[word] = service.get("ResponseLocation") or places[word]
    return places, answers


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


def our_metadata(settings: SamlSettings, certificate: x509.Certificate, base_url: str) -> bytes:
    """Our SPSSODescriptor, to give to the bridge: signed requests and assertions, where answers and logouts come."""
    md, ds = METADATA, SIGNATURE
    root = etree.Element(md + "EntityDescriptor", nsmap=PREFIXES, entityID=settings.entity_id)
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
    if settings.single_logout:
        for binding, path in ((SOAP_BINDING, LOGOUT_BACK), (REDIRECT, LOGOUT), (POST, LOGOUT)):
            etree.SubElement(role, md + "SingleLogoutService", Binding=binding, Location=base_url + path)
    for index, way in enumerate(settings.answers):
        consumer = etree.SubElement(role, md + "AssertionConsumerService", Binding=BINDINGS[way])
        consumer.set("Location", f"{base_url}/login/callback")
        consumer.set("index", str(index))
        consumer.set("isDefault", "true" if index == 0 else "false")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
