"""The authorization house on real sockets: TLS on both channels, with a PKI of the test.

`Sockets` serves whatever house a test puts in; `SocketHouse` is the house behind `PeerGate` as the gateway wires it;
`SocketPgo` does the steps of `Pgo` over connections of its own, with the client certificate of its host name.
"""

import copy
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import httpx
from security.pki import DAY, Identity, Pki
from security.tlsworld import client_context, running, serving
from servers import free_port
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from world.auth_house import ZANDOORD, D, House, Pgo

from auth import router
from auth.bearer import PeerRefused
from auth.bridges import OidcSettings
from auth.crypto import digest
from auth.errors import BearerError
from auth.events import EventType
from auth.grants import Grant
from auth.login.oidc import OidcLogin
from auth.login.port import Login
from auth.peer.listeners import server
from auth.peer.tls import TlsSettings, front_channel_context, peer_check
from auth.peer.transport import PeerGate, finder, peer_of
from auth.ports import Peer
from gateway.app import is_back_channel

FRONT_HOST, BACK_HOST, IDP_HOST = "medmij.zandoord.example", "medmij-bc.zandoord.example", "inloggen.example"
BACK = f"https://{BACK_HOST}"
RESOURCE = f"/{ZANDOORD}/48/fhir/Condition"
EXPIRED, FOREIGN, REVOKED = "expired", "foreign", "revoked"
"""Certificates of client D that no check may let pass."""

Wearing = str | None
_worn: ContextVar[Wearing] = ContextVar("worn", default=None)


class Slot:
    """An application that each test replaces."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Certificates:
    """Certificates for everybody, from a PKI made here, and the TLS settings of the gateway with its own two."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pki = Pki(folder)
        self.ports: list[dict[str, int]] = []
        """Per worker: where each host name is reached."""
        issue = self.pki.issuing.issue
        revoked = issue(D)
        self.pki.revoke(revoked)
        self._identities = {
            EXPIRED: issue(D, begins=-9 * DAY, ends=-DAY), FOREIGN: self.pki.stranger.issue(D), REVOKED: revoked,
        }  # fmt: skip
        self._contexts: dict[Wearing, ssl.SSLContext] = {}
        back, front = issue(BACK_HOST).write(folder, "back"), issue(FRONT_HOST).write(folder, "front")
        self.tls = TlsSettings(
            peer="direct",
            trust=self.pki.trust,
            crls=self.pki.crls,
            back_certificate=back[0],
            back_key=back[1],
            front_certificate=front[0],
            front_key=front[1],
        )

    def identity(self, wearing: str) -> Identity:
        """The certificate with this name, or of this host."""
        if wearing not in self._identities:
            self._identities[wearing] = self.pki.issuing.issue(wearing)
        return self._identities[wearing]

    def context(self, wearing: Wearing) -> ssl.SSLContext:
        """A client's context, with a certificate or without."""
        if wearing not in self._contexts:
            identity = self.identity(wearing) if wearing else None
            self._contexts[wearing] = client_context(self.pki, identity, self.folder)
        return self._contexts[wearing]

    def login_context(self) -> ssl.SSLContext:
        """For the identity provider, under its public name and as the gateway calls it."""
        return front_channel_context(*self.pki.issuing.issue(IDP_HOST, "localhost").write(self.folder, "idp"))


class Sockets(Certificates):
    """Listeners of one worker and of an identity provider, in this process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.worker, self.idp = Slot(), Slot()

    @contextmanager
    def listening(self) -> Iterator["Sockets"]:
        """Serve until the block ends."""
        with serving(self.idp, self.login_context()) as idp:
            back, front = free_port(), free_port()
            tls = self.tls.model_copy(update={"front_port": front})
            options: dict[str, Any] = {"host": "127.0.0.1", "port": back, "log_level": "error", "lifespan": "off"}
            with running(server(self.worker, tls, **options)):
                self.ports.append({FRONT_HOST: front, BACK_HOST: back, IDP_HOST: idp})
                yield self


class Wire(httpx.AsyncBaseTransport):
    """Real connections to one worker: host names lead to the loopback address, and TLS checks them as always.

    It has the certificate at hand that the caller wears, for a server that asks for one.
    """

    def __init__(self, certificates: Certificates, worker: int, limits: httpx.Limits | None = None) -> None:
        self._certificates = certificates
        self._ports = certificates.ports[worker]
        self._limits = limits or httpx.Limits()
        self._transports: dict[Wearing, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        wearing = _worn.get() if host != IDP_HOST else None
        if wearing not in self._transports:
            made = httpx.AsyncHTTPTransport(
                verify=self._certificates.context(wearing), limits=self._limits, trust_env=False
            )
            self._transports[wearing] = made
        passed = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1", port=self._ports[host]),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._transports[wearing].handle_async_request(passed)

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()


class SocketHouse(House):
    """The house behind the gate, over connections."""

    def __init__(self, sockets: Sockets, engine: Engine, **settings: Any) -> None:
        self.sockets = sockets
        self.pgos: list[SocketPgo] = []
        self.grants: dict[bytes, Grant] = {}
        super().__init__(engine, **settings)
        sockets.idp.app = self.idp_app
        sockets.worker.app = self._gated(self.auth)

    def _oidc_login(self, settings: OidcSettings) -> Login:
        single_use = httpx.Limits(max_keepalive_connections=0)
        return OidcLogin(settings, Wire(self.sockets, 0, single_use))

    def _peer_of(self, scope: Mapping[str, object]) -> Peer:
        """Who the connection says it is."""
        return peer_of(scope)

    def _gated(self, auth: router.AuthApp) -> ASGIApp:
        async def resource(request: Request) -> Response:
            """As a resource server asks the bearer check; without a resource behind it."""
            header = request.headers.get("authorization")
            try:
                grant = await auth.bearer.check(header, peer_of(request.scope))
            except BearerError as error:
                return Response(status_code=error.status, headers={"WWW-Authenticate": error.challenge})
            self.grants[grant.digest] = grant
            return Response(status_code=200)

        def refused(_path: str, reason: str, trace: str | None) -> None:
            fields = {"error_code": "invalid_client", "error_description": reason}
            auth.parts.note(EventType.TLS_PEER_REFUSED, trace_id=trace, session_id=None, **fields)

        tls = self.sockets.tls
        return PeerGate(
            Starlette(routes=[*auth.routes, Route(RESOURCE, resource)]),
            find=finder(tls),
            check=peer_check(tls),
            whitelist=lambda: self.lists.whitelist,
            back_channel=is_back_channel,
            refused=refused,
            header=tls.header,
        )

    def pgo(self, hostname: str = D) -> "SocketPgo":
        """A client, with a fresh browser."""
        return SocketPgo(self, hostname)

    async def close(self) -> None:
        """End every connection."""
        for pgo in self.pgos:
            await pgo.close()


class SocketPgo(Pgo):
    """A client over real connections, of a house that says where the workers listen and collects its clients."""

    def _connect(self, worker: int = 0, cookies: CookieJar | None = None) -> None:
        sockets = self.house.sockets
        headers = {"Accept-Language": "nl"}
        self.browser = httpx.AsyncClient(transport=Wire(sockets, worker), headers=headers, cookies=cookies)
        self.server = httpx.AsyncClient(transport=Wire(sockets, worker), base_url=BACK)
        self.house.pgos.append(self)

    async def close(self) -> None:
        """End its connections."""
        await self.browser.aclose()
        await self.server.aclose()

    def at(self, worker: int) -> "SocketPgo":
        """The same client and browser, reaching another worker (0 or 1)."""
        twin = copy.copy(self)
        twin._connect(worker, self.browser.cookies.jar)
        return twin

    @contextmanager
    def connected(self, *names: str) -> Iterator[None]:
        """Show the certificate of this host (default: our own) in the calls inside; outside, none."""
        (name,) = names or (self.hostname,)
        token = _worn.set(name)
        try:
            yield
        finally:
            _worn.reset(token)

    async def bearer(self, headers: Mapping[str, str], peer: str | None = None, path: str = RESOURCE) -> httpx.Response:
        """GET the resource."""
        with self.connected(*([peer] if peer else [])):
            return await self.server.get(path, headers=dict(headers))

    async def check(self, access_token: str, peer: str | None = None) -> Any:
        """Offer a token at the resource; the refusals are read from what came over the line."""
        answer = await self.bearer({"Authorization": f"Bearer {access_token}"}, peer)
        if answer.status_code == 403:
            raise PeerRefused("403")
        if answer.status_code != 200:
            error = BearerError("ERR-41" if answer.status_code == 400 else "ERR-42")
            assert (answer.status_code, answer.headers["www-authenticate"]) == (error.status, error.challenge)
            raise error
        return self.house.grants.get(digest(access_token))
