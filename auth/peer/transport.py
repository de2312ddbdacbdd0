"""Who is at the other end of a connection: from the TLS connection itself, or from the header of our own proxy.

Sources: TLS-07..TLS-10, TLS-13, ERR-20. The order is fixed: the middleware takes every inbound copy of the header away,
finds the certificate by the one configured way, checks it, and stops back-channel requests without a good peer before
anything else sees them.
"""

import ipaddress
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from auth.peer.certificates import CertificateRefused, PeerCheck
from auth.peer.tls import TlsSettings
from auth.ports import Peer, Whitelist

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

NOBODY = Peer(None)
LONGEST_HEADER = 24_000
GOODBYE_SECONDS = 1.0
_PEER, _DER, _SOCKET = "gateway.peer", "gateway.certificate", "gateway.socket"
_BODY = b'{"error":"invalid_client"}'
_log = logging.getLogger(__name__)


class TlsProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the peer's certificate (DER) and socket address in the scope's extensions.

    uvicorn rewrites `scope["client"]` from forwarding headers; who is the proxy must not depend on those.
    """

    def connection_made(self, transport: Any) -> None:
        """Take the facts of the connection once."""
        super().connection_made(transport)
        secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        address = transport.get_extra_info("peername")
        self._facts: dict[str, Any] = {
            _DER: secured.getpeercert(binary_form=True) if secured else None,
            _SOCKET: address[0] if isinstance(address, tuple) else "unix",
        }

    def on_message_begin(self) -> None:
        """Give the facts to every request."""
        super().on_message_begin()
        extensions: MutableMapping[str, Any] = self.scope.setdefault("extensions", {})
        extensions.update(self._facts)

    def shutdown(self) -> None:
        """Stop when idle. A peer that leaves our goodbye unanswered is not waited for: TLS would, for half a minute."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(GOODBYE_SECONDS, self.transport.abort)


def peer_of(scope: Mapping[str, object]) -> Peer:
    """The peer that the middleware found; nobody when there was no good certificate or no middleware."""
    extensions = scope.get("extensions")
    # A dict, in practice: that is told faster than what else may be a mapping.
    found = extensions.get(_PEER) if type(extensions) is dict or isinstance(extensions, Mapping) else None
    return found if isinstance(found, Peer) else NOBODY


class Finder(Protocol):
    """One way of finding the certificate of the peer."""

    def __call__(self, scope: Scope, copies: tuple[bytes, ...], /) -> bytes | None:
        """The certificate (DER) from the scope or from the copies of the header that came in; None when none came.

        Raises CertificateRefused when what was shown cannot be one.
        """


def direct(scope: Scope, copies: tuple[bytes, ...]) -> bytes | None:
    """The certificate of the TLS connection that this process ended itself; the header counts for nothing."""
    found: bytes | None = (scope.get("extensions") or {}).get(_DER)
    return found


class BehindProxy:
    """The certificate in the proxy's header, taken only from the proxy's own addresses (TLS-10, CT-76)."""

    def __init__(self, proxies: Iterable[str]) -> None:
        entries = tuple(proxies)
        self._unix = "unix" in entries
        self._networks = tuple(ipaddress.ip_network(entry, strict=False) for entry in entries if entry != "unix")

    def __call__(self, scope: Scope, copies: tuple[bytes, ...]) -> bytes | None:
        """As `Finder`. nginx sends the header empty when no certificate was shown."""
        if not copies or not self._is_proxy(scope):
            return None
        if len(copies) > 1:
            raise CertificateRefused("the header came more than once")
        return _from_header(copies[0]) if copies[0] else None

    def _is_proxy(self, scope: Scope) -> bool:
        address = (scope.get("extensions") or {}).get(_SOCKET)
        if address is None:
            _log.error("the server does not run TlsProtocol: who the proxy is cannot be known, so nobody is")
            return False
        if address == "unix":
            return self._unix
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(mapped in network for network in self._networks)


def nobody(scope: Scope, copies: tuple[bytes, ...]) -> bytes | None:
    """Without TLS (test mode): there is never a certificate."""
    return None


def finder(settings: TlsSettings) -> Finder:
    """The way that the settings name."""
    if settings.peer == "proxy":
        return BehindProxy(settings.proxies)
    return direct if settings.peer == "direct" else nobody


@lru_cache(maxsize=1_000)
def _from_header(value: bytes) -> bytes:
    """The certificate in the URL-encoded PEM that nginx makes (`$ssl_client_escaped_cert`)."""
    if len(value) > LONGEST_HEADER:
        raise CertificateRefused("the header is too long")
    try:
        pem = unquote_to_bytes(value).decode("ascii")
        return ssl.PEM_cert_to_DER_cert(pem)
    except (UnicodeDecodeError, ValueError):
        raise CertificateRefused("the header holds no PEM certificate") from None


class PeerGate:
    """Pure ASGI middleware: puts the `Peer` in the scope and stops back-channel requests without a good one.

    Takes the application; the way of finding certificates; their check; a function giving the whitelist of the moment;
    which paths are back channel (fail closed: answer True when in doubt); a taker of refusals, called with the path,
    a reason and the trace id (it makes the event `tls_peer_refused`); and the name of the proxy's header.
    """

    def __init__(
        self,
        app: App,
        *,
        find: Finder,
        check: PeerCheck | None,
        whitelist: Callable[[], Whitelist],
        back_channel: Callable[[str], bool],
        refused: Callable[[str, str, str | None], None] = lambda path, reason, trace: None,
        header: str = "x-gateway-client-certificate",
    ) -> None:
        self._app = app
        self._find = find
        self._check = check
        self._whitelist = whitelist
        self._back_channel = back_channel
        self._refused = refused
        self._header = header.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event of the server."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        copies = self._take_header(scope)
        peer, reason = await self._peer(scope, copies)
        extensions = {**(scope.get("extensions") or {}), _PEER: peer}
        extensions.pop(_DER, None)  # nobody behind the gate needs more than the names
        scope["extensions"] = extensions
        if peer.hostnames is None and self._back_channel(scope["path"]):
            self._tell(scope, reason)
            await _refuse(scope, send)
            return
        await self._app(scope, receive, send)

    def _take_header(self, scope: Scope) -> tuple[bytes, ...]:
        copies = tuple(value for name, value in scope["headers"] if name.lower() == self._header)
        if copies:
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name.lower() != self._header]
        return copies

    async def _peer(self, scope: Scope, copies: tuple[bytes, ...]) -> tuple[Peer, str]:
        try:
            der = self._find(scope, copies)
            if der is None or self._check is None:
                return NOBODY, "no client certificate"
            await self._check.consult(der)
            names = self._check.client(der)
        except CertificateRefused as error:
            return NOBODY, str(error)
        whitelist = self._whitelist()
        listed = tuple(name for name in names if whitelist.holds(name))
        return (Peer(listed), "") if listed else (NOBODY, "no DNS name of the certificate is on the whitelist")

    def _tell(self, scope: Scope, reason: str) -> None:
        trace = next((value for name, value in scope["headers"] if name.lower() == b"x-correlation-id"), None)
        _log.warning("tls_peer_refused: %s", reason)
        self._refused(scope["path"], reason, trace.decode("latin-1")[:64] if trace is not None else None)


async def _refuse(scope: Scope, send: Send) -> None:
    """ERR-20: 403 with an error and nothing else."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [
        (b"content-type", b"application/json;charset=UTF-8"),
        (b"content-length", str(len(_BODY)).encode()),
        (b"cache-control", b"no-store"),
        (b"pragma", b"no-cache"),
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": _BODY})
