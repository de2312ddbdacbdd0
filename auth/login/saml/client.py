"""The SAML 2.0 client towards a login bridge: request by redirect or post, answer by artifact or post (IDN-03)."""

import base64
import binascii
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from auth.bridges import SamlSettings
from auth.login.claims import identity
from auth.login.leaving import BridgeSession
from auth.login.port import Identity, LoginAsk, LoginFailed, LoginStart, LoginUnavailable
from auth.login.saml.assertion import Asserted, Expected, asserted
from auth.login.saml.metadata import BridgeMetadata
from auth.login.saml.reading import LARGEST, parsed, text
from auth.login.saml.requests import (
    Signing,
    artifact_resolve,
    authn_request,
    new_id,
    resolution_address,
    through_browser,
)
from auth.peer.tls import client_context

log = logging.getLogger(__name__)


class SamlLogin:
    """`Login` over SAML 2.0. One per process.

    Takes the settings, and a transport in place of the network. Raises OSError or ValueError when a file cannot be
    used. The metadata are read again when their file changes; what cannot be read then leaves the old ones in force.
    """

    def __init__(self, settings: SamlSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        self.signing = signing_of(settings)
        self._transport = transport
        self._tls: Any = None
        if transport is None:
            self._tls = client_context(settings.tls_certificate, settings.tls_key, settings.tls_trust)
        self._read = -1
        self._bridge = self.metadata()

    async def start(self, ask: LoginAsk) -> LoginStart:
        """Build the authentication request. Raises LoginUnavailable when the bridge cannot give what is asked."""
        settings, request_id = self.settings, new_id()
        address = self.metadata().login[settings.request]
        request = authn_request(ask, request_id, settings, address)
        url, fields = through_browser(settings.request, request, ask.state, self.signing, address)
        return LoginStart(url, {"request": request_id}, fields)

    async def finish(
        self, answer: Mapping[str, str], kept: Mapping[str, str], ask: LoginAsk, now: datetime
    ) -> Identity:
        """Read the assertion, by artifact or posted. Raises LoginCancelled, LoginFailed or LoginUnavailable."""
        bridge, settings, request_id = self.metadata(), self.settings, kept.get("request")
        resolve_id, message = await self._message(answer, bridge) if request_id else (None, None)
        if message is None or not request_id:
            raise LoginFailed("saml-no-artifact" if "post" not in settings.answers else "saml-no-answer")
        expected = Expected(
            bridge=bridge.entity_id,
            audience=settings.entity_id,
            callback=ask.callback,
            request_id=request_id,
            resolve_id=resolve_id,
            now=now,
            leeway=timedelta(seconds=settings.clock_leeway_seconds),
        )
        said = await anyio.to_thread.run_sync(asserted, message, expected, bridge.signing, self.signing.key)
        who = identity(_for_oneself(said.claims, settings), settings, said.text, now)
        return replace(who, bridge=_session(said)) if settings.single_logout else who

    async def _message(self, answer: Mapping[str, str], bridge: BridgeMetadata) -> tuple[str | None, bytes | None]:
        """The id of our ArtifactResolve and what came for it, or None and what was posted; None twice: neither.

        A way that the settings do not name is not taken.
        """
        ways, settings = self.settings.answers, self.settings
        artifact, posted = answer.get("SAMLart"), answer.get("SAMLResponse")
        if artifact and not posted and "artifact" in ways:
            resolve_id, address = new_id(), resolution_address(artifact, bridge)
            message = artifact_resolve(artifact, resolve_id, address, settings, self.signing)
            return resolve_id, await self.post(address, message)
        if posted and not artifact and "post" in ways:
            return None, unpacked(posted)
        return None, None

    async def post(self, address: str, message: bytes) -> bytes:
        """A SOAP message to the bridge's server, and its answer. Raises LoginUnavailable."""
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": "http://www.oasis-open.org/committees/security",
        }
        try:
            async with (
                httpx.AsyncClient(
                    transport=self._transport,
                    verify=self._tls or True,
                    timeout=self.settings.timeout_seconds,
                    trust_env=False,
                ) as client,
                client.stream("POST", address, content=message, headers=headers) as response,
            ):
                response.raise_for_status()
                data = bytearray()
                async for chunk in response.aiter_bytes():
                    data += chunk
                    if len(data) > LARGEST:
                        raise LoginUnavailable("the bridge's answer is too large")
        except httpx.HTTPError as error:
            raise LoginUnavailable("the bridge does not answer") from error
        return bytes(data)

    def metadata(self) -> BridgeMetadata:
        """The bridge as its metadata describe it now."""
        file = Path(self.settings.metadata_file or "")
        try:
            changed = file.stat().st_mtime_ns
            if changed != self._read:
                bridge = BridgeMetadata.read(file, self.settings.bridge)
                bridge.must_offer(self.settings)
                self._bridge, self._read = bridge, changed
        except (OSError, ValueError):
            if self._read == -1:
                raise
            log.exception("the bridge's metadata cannot be read; the old ones stay in force")
        return self._bridge


def signing_of(settings: SamlSettings) -> Signing:
    """Our key and certificate. Raises OSError or ValueError."""
    key = load_pem_private_key(Path(settings.key_file or "").read_bytes(), None)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("auth.saml.key_file must hold an RSA key")
    certificate = x509.load_pem_x509_certificates(Path(settings.certificate_file or "").read_bytes())[0]
    if certificate.public_key() != key.public_key():
        raise ValueError("auth.saml: certificate_file is not the certificate of key_file")
    return Signing(key, certificate)


def unpacked(posted: str) -> bytes:
    """A message of the POST binding (SAML bindings 3.5.4): base64, with line breaks or without. Raises LoginFailed."""
    try:
        return base64.b64decode("".join(posted.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise LoginFailed("saml-unreadable") from error


def _session(said: Asserted) -> BridgeSession | None:
    """The session at the bridge; None when nobody is named there."""
    if not said.name:
        return None
    return BridgeSession(
        text(parsed(said.name.encode())) or "", said.session, {"name": said.name, "index": said.session}
    )


def _for_oneself(claims: dict[str, Any], settings: SamlSettings) -> dict[str, Any]:
    """A bridge that names the acting person always names the same one twice when nobody acts for somebody else."""
    names = settings.claims
    alone = bool(names.actor_bsn) and claims.get(names.actor_bsn) == claims.get(names.bsn)
    if alone and claims.get(names.representation) is None:
        return {name: value for name, value in claims.items() if name != names.actor_bsn}
    return claims
