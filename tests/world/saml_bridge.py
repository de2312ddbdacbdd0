"""A login bridge that speaks SAML 2.0, made in the test: metadata, login by redirect and post, answers by artifact and
post, single logout by redirect, post and SOAP.

It checks the signatures of what it gets with cryptography and signxml, and lets a test bend every answer: values before
signing (`values`), the XML before signing (`before`), and the bytes after it (`after`).
"""

import base64
import hashlib
import os
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, SignatureConstructionMethod
from signxml.signer import XMLSigner
from signxml.verifier import XMLVerifier
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from auth.bridges import SamlSettings

BASE = "https://digid.example"
OUT = "https://medmij.zandoord.example/login/logout"
BRIDGE, US = "urn:example:bridge", "urn:example:gateway"
CALLBACK = "https://medmij.zandoord.example/login/callback"
MIDDEN = "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract"
OK = "urn:oasis:names:tc:SAML:2.0:status:Success"
NS = {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "soap": "http://schemas.xmlsoap.org/soap/envelope/",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}


@dataclass(frozen=True)
class Pair:
    """A key and its self-signed certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str) -> "Pair":
        key = rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=400))
        )
        return cls(key, built.sign(key, hashes.SHA256()))

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Key file and certificate file."""
        key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
        pkcs8, open_ = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key.write_bytes(self.key.private_bytes(serialization.Encoding.PEM, pkcs8, open_))
        certificate.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return key, certificate

    @property
    def base64(self) -> str:
        return base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()


KEYS, OURS, STRANGER = Pair.make("bridge"), Pair.make("gateway"), Pair.make("stranger")


def signed(xml: str, pair: Pair | None = KEYS, *, comments: bool = False) -> str:
    """The element, signed by this key over its own id; None leaves it unsigned."""
    element = etree.fromstring(xml.encode())
    if pair is None:
        return xml
    place = etree.Element(f"{{{NS['ds']}}}Signature", nsmap={"ds": NS["ds"]}, Id="placeholder")
    element.insert(1, place)
    method = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
    if comments:
        method = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0_WITH_COMMENTS
    signer = XMLSigner(method=SignatureConstructionMethod.enveloped, c14n_algorithm=method)
    done = signer.sign(element, key=pair.key, cert=[pair.certificate], reference_uri=element.get("ID"))
    return etree.tostring(done, encoding="unicode")


def from_us(message: etree._Element) -> etree._Element:
    """The message as we signed it."""
    seen: Any = XMLVerifier().verify(etree.tostring(message), x509_cert=OURS.certificate, id_attribute="ID")
    verified: etree._Element = seen.signed_xml
    return verified


def redirected(address: str, kind: str) -> tuple[etree._Element, dict[str, str]]:
    """The message in an address of ours, with its signature checked, and the other parameters."""
    query = urlsplit(address).query
    fields = {name: values[0] for name, values in parse_qs(query, strict_parsing=True).items()}
    told = query.rpartition("&Signature=")[0].encode()
    signature = base64.b64decode(fields["Signature"])
    OURS.certificate.public_key().verify(signature, told, padding.PKCS1v15(), hashes.SHA256())  # type: ignore[call-arg, union-attr]
    return etree.fromstring(zlib.decompress(base64.b64decode(fields[kind]), -15)), fields


def in_soap(xml: str) -> str:
    """A SOAP envelope around a message."""
    return f'<soap:Envelope xmlns:soap="{NS["soap"]}"><soap:Body>{xml}</soap:Body></soap:Envelope>'


def page(action: str, fields: dict[str, str]) -> Response:
    """A page of the bridge with a form that goes back to us."""
    hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())
    return HTMLResponse(f'<form id="back" method="post" action="{escape(action)}">{hidden}</form>')


def text_of(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class SamlBridge:
    """The bridge. `person` logs in by itself: there is no page to fill in."""

    person: str
    values: dict[str, Any] = field(default_factory=dict)
    before: Callable[[str], str] = lambda xml: xml
    after: Callable[[str], str] = lambda xml: xml
    whole: Callable[[str], str] = lambda xml: xml
    sign_assertion: Pair | None = KEYS
    sign_answer: Pair | None = KEYS
    status: tuple[str, ...] = (OK,)
    http_status: int = 200
    asked: list[etree._Element] = field(default_factory=list)
    resolved: list[etree._Element] = field(default_factory=list)
    handed: dict[str, str] = field(default_factory=dict)
    """Request id by artifact; an artifact works once."""
    logout_ways: tuple[str, ...] = ("SOAP", "HTTP-POST", "HTTP-Redirect")
    logout_status: str = OK
    logouts: list[etree._Element] = field(default_factory=list)
    """The LogoutRequests that came."""
    answers: list[etree._Element] = field(default_factory=list)
    """The LogoutResponses that came through the browser."""
    during_logout: Callable[[], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        routes = [
            Route("/sso", self.sso),
            Route("/post", self.sso_posted, methods=["POST"]),
            Route("/resolve", self.resolve, methods=["POST"]),
            Route("/slo", self.slo, methods=["GET", "POST"]),
            Route("/slo-soap", self.slo_soap, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)
        self.transport = httpx.ASGITransport(self.app)

    def settings(self, folder: Path, **changes: Any) -> SamlSettings:
        """Our settings for this bridge, with its metadata in a file."""
        key, certificate = OURS.write(folder, "gateway")
        metadata = folder / "bridge.xml"
        metadata.write_text(self.metadata(KEYS), "utf-8")
        given = {
            "bridge": BRIDGE,
            "entity_id": US,
            "metadata_file": metadata,
            "key_file": key,
            "certificate_file": certificate,
        }
        return SamlSettings(**{**given, **changes})

    def metadata(self, *signing: Pair) -> str:
        """The bridge's metadata, as a person keeps them."""
        keys = "".join(
            f'<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{pair.base64}'
            "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            for pair in signing
        )
        binding = "urn:oasis:names:tc:SAML:2.0:bindings:"
        return (
            '<?xml version="1.0" encoding="UTF-8"?><!-- got in person -->'
            '<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
            f'xmlns:ds="{NS["ds"]}"><md:EntityDescriptor entityID="urn:example:other"/>'
            f'<md:EntityDescriptor entityID="{BRIDGE}"><md:IDPSSODescriptor '
            f'protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{keys}'
            f'<md:ArtifactResolutionService index="0" Binding="{binding}SOAP" Location="{BASE}/resolve"/>'
            + "".join(
                f'<md:SingleLogoutService Binding="{binding}{way}" '
                f'Location="{BASE}/slo{"-soap" if way == "SOAP" else ""}"/>'
                for way in self.logout_ways
            )
            + f'<md:SingleSignOnService Binding="{binding}HTTP-POST" Location="{BASE}/post"/>'
            f'<md:SingleSignOnService Binding="{binding}HTTP-Redirect" Location="{BASE}/sso"/>'
            "</md:IDPSSODescriptor></md:EntityDescriptor></md:EntitiesDescriptor>"
        )

    # --- the front channel -----------------------------------------------------------------------------------------

    async def sso(self, request: Request) -> Response:
        """The login: the person is who they are, and the browser goes back with an artifact."""
        return RedirectResponse(self.login(str(request.url)), 302)

    async def sso_posted(self, request: Request) -> Response:
        """A request in a form, and a page with the answer in a form."""
        fields = {name: str(value) for name, value in (await request.form()).items()}
        asked = from_us(etree.fromstring(base64.b64decode(fields["SAMLRequest"])))
        assert asked.get("Destination") == f"{BASE}/post"
        self.asked.append(asked)
        return page(asked.get("AssertionConsumerServiceURL", ""), self.posted(asked, fields["RelayState"]))

    def posted(self, asked: etree._Element, state: str) -> dict[str, str]:
        """The form with the answer to a request."""
        response = self.whole(signed(self.response(asked.get("ID", "")), self.sign_answer))
        return {"SAMLResponse": base64.b64encode(response.encode()).decode(), "RelayState": state}

    def login(self, address: str) -> str:
        """Read a redirect request, check its signature, and give the callback with an artifact."""
        asked, found = redirected(address, "SAMLRequest")
        self.asked.append(asked)
        artifact = self.artifact(asked.get("ID", ""))
        back = asked.get("AssertionConsumerServiceURL")
        return f"{back}?{urlencode({'SAMLart': artifact, 'RelayState': found['RelayState']})}"

    def artifact(self, request_id: str, of: str = BRIDGE, index: int = 0) -> str:
        """A fresh artifact (type 4) for the answer to a request."""
        source = hashlib.sha1(of.encode()).digest()
        made = base64.b64encode(b"\x00\x04" + index.to_bytes(2, "big") + source + os.urandom(20)).decode()
        self.handed[made] = request_id
        return made

    # --- the back channel ------------------------------------------------------------------------------------------

    async def resolve(self, request: Request) -> Response:
        """ArtifactResolve, signed by us, to ArtifactResponse."""
        envelope = etree.fromstring(await request.body())
        asked = envelope.find("soap:Body/samlp:ArtifactResolve", NS)
        assert asked is not None
        seen: Any = XMLVerifier().verify(etree.tostring(asked), x509_cert=OURS.certificate, id_attribute="ID")
        self.resolved.append(seen.signed_xml)
        artifact = seen.signed_xml.findtext("samlp:Artifact", namespaces=NS)
        request_id = self.handed.pop(artifact, None)
        response = "" if request_id is None else self.response(request_id)
        answer = self.envelope(seen.signed_xml.get("ID"), response)
        return Response(self.whole(answer), self.http_status, media_type="text/xml")

    # --- single logout ---------------------------------------------------------------------------------------------

    async def slo(self, request: Request) -> Response:
        """A logout of ours, or the answer to one of the bridge, through the browser."""
        if request.method == "GET":
            kind = "SAMLRequest" if "SAMLRequest" in request.query_params else "SAMLResponse"
            message, fields = redirected(str(request.url), kind)
        else:
            fields = {name: str(value) for name, value in (await request.form()).items()}
            kind = "SAMLRequest" if "SAMLRequest" in fields else "SAMLResponse"
            message = from_us(etree.fromstring(base64.b64decode(fields[kind])))
        if kind == "SAMLResponse":
            self.answers.append(message)
            return Response("logged out everywhere")
        self.logouts.append(message)
        answer = self.logout_response(message.get("ID", ""), OUT)
        return RedirectResponse(self.redirect("SAMLResponse", answer, OUT, fields["RelayState"]), 302)

    async def slo_soap(self, request: Request) -> Response:
        """A logout of ours, from server to server."""
        message = etree.fromstring(await request.body()).find("soap:Body/samlp:LogoutRequest", NS)
        assert message is not None
        self.logouts.append(from_us(message))
        if self.during_logout is not None:
            await self.during_logout()
        return Response(in_soap(signed(self.logout_response(message.get("ID", ""), ""))), media_type="text/xml")

    def logout_request(self, name: str, *indexes: str, **changes: str) -> str:
        """A LogoutRequest of the bridge, not signed yet."""
        given = {
            "id": "_logout",
            "issuer": BRIDGE,
            "instant": text_of(datetime.now(UTC)),
            "destination": OUT,
            "name": f"<saml:NameID>{name}</saml:NameID>",
            **changes,
        }
        inside = "".join(f"<samlp:SessionIndex>{index}</samlp:SessionIndex>" for index in indexes)
        return (
            f'<samlp:LogoutRequest xmlns:samlp="{NS["samlp"]}" xmlns:saml="{NS["saml"]}" ID="{given["id"]}" '
            f'Version="2.0" IssueInstant="{given["instant"]}" Destination="{given["destination"]}">'
            f"<saml:Issuer>{given['issuer']}</saml:Issuer>{given['name']}{inside}</samlp:LogoutRequest>"
        )

    def logout_response(self, answers: str, destination: str) -> str:
        """The answer to a LogoutRequest of ours, not signed yet."""
        return (
            f'<samlp:LogoutResponse xmlns:samlp="{NS["samlp"]}" xmlns:saml="{NS["saml"]}" ID="_out" Version="2.0" '
            f'InResponseTo="{self.values.get("logout_to", answers)}" IssueInstant="{text_of(datetime.now(UTC))}" '
            f'Destination="{destination}"><saml:Issuer>{BRIDGE}</saml:Issuer><samlp:Status>'
            f'<samlp:StatusCode Value="{self.logout_status}"/></samlp:Status></samlp:LogoutResponse>'
        )

    def redirect(self, kind: str, xml: str, address: str, state: str = "", pair: Pair = KEYS) -> str:
        """An address with a signed message in it."""
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = base64.b64encode(packer.compress(xml.encode()) + packer.flush()).decode()
        method = {"SigAlg": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"}
        query = urlencode({kind: packed, **({"RelayState": state} if state else {}), **method})
        signature = base64.b64encode(pair.key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
        return f"{address}?{query}&{urlencode({'Signature': signature})}"

    def envelope(self, resolve_id: str, response: str) -> str:
        """The SOAP envelope with an ArtifactResponse."""
        resolve_id = self.values.get("resolve_id", resolve_id)
        inner = signed(
            f'<samlp:ArtifactResponse xmlns:samlp="{NS["samlp"]}" xmlns:saml="{NS["saml"]}" ID="_answer" Version="2.0" '
            f'InResponseTo="{resolve_id}" IssueInstant="{text_of(datetime.now(UTC))}">'
            f"<saml:Issuer>{self.values.get('answer_issuer', BRIDGE)}</saml:Issuer>"
            f'<samlp:Status><samlp:StatusCode Value="{OK}"/></samlp:Status>{response}</samlp:ArtifactResponse>',
            self.sign_answer,
        )
        return f'<soap:Envelope xmlns:soap="{NS["soap"]}"><soap:Body>{inner}</soap:Body></soap:Envelope>'

    def response(self, request_id: str) -> str:
        """The Response, with an assertion when the status is success."""
        code = ""
        for value in reversed(self.status):
            code = f'<samlp:StatusCode Value="{value}">{code}</samlp:StatusCode>'
        inner = self.after(signed(self.before(self.assertion(request_id)), self.sign_assertion))
        return (
            f'<samlp:Response xmlns:samlp="{NS["samlp"]}" xmlns:saml="{NS["saml"]}" ID="_response" Version="2.0" '
            f'InResponseTo="{self.values.get("response_to", request_id)}" '
            f'Destination="{self.values.get("destination", CALLBACK)}" IssueInstant="{text_of(datetime.now(UTC))}">'
            f"<saml:Issuer>{self.values.get('response_issuer', BRIDGE)}</saml:Issuer>"
            f"<samlp:Status>{code}</samlp:Status>{inner if self.status[0] == OK else ''}</samlp:Response>"
        )

    def assertion(self, request_id: str) -> str:
        """The assertion, before it is signed."""
        now = datetime.now(UTC) + self.values.get("skew", timedelta())
        soon = text_of(now + timedelta(minutes=2))
        given: dict[str, Any] = {
            "version": "2.0",
            "issuer": BRIDGE,
            "name": f"<saml:NameID>{self.person}</saml:NameID>",
            "recipient": CALLBACK,
            "in_response_to": request_id,
            "confirmed_until": soon,
            "method": "urn:oasis:names:tc:SAML:2.0:cm:bearer",
            "not_before": text_of(now - timedelta(seconds=5)),
            "until": soon,
            "audience": US,
            "instant": text_of(now),
            "session": soon,
            "index": "",
            "level": MIDDEN,
            "attributes": "",
            **self.values,
        }
        return ASSERTION.format_map(given)


ASSERTION = """<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_assertion" Version="{version}"
 IssueInstant="{instant}"><saml:Issuer>{issuer}</saml:Issuer><saml:Subject>{name}
<saml:SubjectConfirmation Method="{method}"><saml:SubjectConfirmationData Recipient="{recipient}"
 InResponseTo="{in_response_to}" NotOnOrAfter="{confirmed_until}"/></saml:SubjectConfirmation></saml:Subject>
<saml:Conditions NotBefore="{not_before}" NotOnOrAfter="{until}"><saml:AudienceRestriction>
<saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>
<saml:AuthnStatement AuthnInstant="{instant}" {index} SessionNotOnOrAfter="{session}"><saml:AuthnContext>
<saml:AuthnContextClassRef>{level}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>{attributes}
</saml:Assertion>"""


def sealed(tag: str, xml: str, *, reader: Pair = OURS, gcm: bool = True) -> str:
    """An EncryptedID or EncryptedAssertion around this XML, with keys for a stranger and for us."""
    content_key, nonce = os.urandom(32), os.urandom(12)
    data = nonce + AESGCM(content_key).encrypt(nonce, xml.encode(), None)
    method = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
    if not gcm:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        block, short = os.urandom(16), 16 - len(xml.encode()) % 16
        encryptor = Cipher(algorithms.AES(content_key), modes.CBC(block)).encryptor()
        data = block + encryptor.update(xml.encode() + bytes([0] * (short - 1) + [short])) + encryptor.finalize()
        method = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), label=None)
    keys = "".join(
        f'<xenc:EncryptedKey Recipient="{name}"><xenc:EncryptionMethod '
        'Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"/><xenc:CipherData><xenc:CipherValue>'
        f"{base64.b64encode(pair.certificate.public_key().encrypt(content_key, oaep)).decode()}"  # type: ignore[union-attr]
        "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>"
        for name, pair in (("urn:example:other", STRANGER), (US, reader))
    )
    return (
        f'<saml:{tag} xmlns:saml="{NS["saml"]}" xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"><xenc:EncryptedData>'
        f'<xenc:EncryptionMethod Algorithm="{method}"/><xenc:CipherData><xenc:CipherValue>'
        f"{base64.b64encode(data).decode()}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>{keys}</saml:{tag}>"
    )
