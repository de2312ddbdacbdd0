"""The SAML 2.0 client towards a login bridge: request by redirect, answer by artifact (IDN-03)."""

import logging
from collections.abc import Mapping
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
from auth.login.port import Identity, LoginAsk, LoginFailed, LoginStart, LoginUnavailable
from auth.login.saml.assertion import Expected, claims_of
from auth.login.saml.metadata import BridgeMetadata
from auth.login.saml.reading import LARGEST
from auth.login.saml.requests import Signing, artifact_resolve, authn_request, new_id, redirect, resolution_address
from auth.peer.tls import client_context

log = logging.getLogger(__name__)


class SamlLogin:
    """`Login` over SAML 2.0. One per process.

    Takes the settings, and a transport in place of the network. Raises OSError or ValueError when a file cannot be
    used. The metadata are read again when their file changes; what cannot be read then leaves the old ones in force.
    """

    def __init__(self, settings: SamlSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._signing = signing_of(settings)
        self._transport = transport
        self._tls: Any = None
        if transport is None:
            self._tls = client_context(settings.tls_certificate, settings.tls_key, settings.tls_trust)
        self._read = -1
        self._bridge = self._metadata()

    async def start(self, ask: LoginAsk) -> LoginStart:
        """Build the authentication request. Raises LoginUnavailable when the bridge cannot give what is asked."""
        bridge, request_id = self._metadata(), new_id()
        request = authn_request(ask, request_id, self._settings, bridge)
        return LoginStart(redirect(request, ask.state, self._signing, bridge.login), {"request": request_id})

    async def finish(
        self, answer: Mapping[str, str], kept: Mapping[str, str], ask: LoginAsk, now: datetime
    ) -> Identity:
        """Resolve the artifact and read the assertion. Raises LoginCancelled, LoginFailed or LoginUnavailable."""
        artifact, request_id = answer.get("SAMLart"), kept.get("request")
        if not artifact or not request_id:
            raise LoginFailed("saml-no-artifact")
        bridge, settings, resolve_id = self._metadata(), self._settings, new_id()
        address = resolution_address(artifact, bridge)
        resolved = await self._post(address, artifact_resolve(artifact, resolve_id, address, settings, self._signing))
        expected = Expected(
            bridge=bridge.entity_id,
            audience=settings.entity_id,
            callback=ask.callback,
            request_id=request_id,
            resolve_id=resolve_id,
            now=now,
            leeway=timedelta(seconds=settings.clock_leeway_seconds),
        )
        claims, assertion = await anyio.to_thread.run_sync(
            claims_of, resolved, expected, bridge.signing, self._signing.key
        )
        return identity(_for_oneself(claims, settings), settings, assertion, now)

    async def _post(self, address: str, message: bytes) -> bytes:
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": "http://www.oasis-open.org/committees/security",
        }
        try:
            async with (
                httpx.AsyncClient(
                    transport=self._transport,
                    verify=self._tls or True,
                    timeout=self._settings.timeout_seconds,
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

    def _metadata(self) -> BridgeMetadata:
        file = Path(self._settings.metadata_file or "")
        try:
            changed = file.stat().st_mtime_ns
            if changed != self._read:
                self._bridge = BridgeMetadata.read(file, self._settings.bridge)
                self._read = changed
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


def _for_oneself(claims: dict[str, Any], settings: SamlSettings) -> dict[str, Any]:
    """A bridge that names the acting person always names the same one twice when nobody acts for somebody else."""
    names = settings.claims
    alone = bool(names.actor_bsn) and claims.get(names.actor_bsn) == claims.get(names.bsn)
    if alone and claims.get(names.representation) is None:
        return {name: value for name, value in claims.items() if name != names.actor_bsn}
    return claims
