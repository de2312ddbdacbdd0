"""Listening as the TLS settings say: plain behind a proxy, or with TLS of our own (TLS-07, TLS-10)."""

import asyncio
import socket
import ssl
from typing import Any

import uvicorn

from auth.peer.tls import TlsSettings, back_channel_context, front_channel_context
from auth.peer.transport import TlsProtocol


def options(tls: TlsSettings) -> dict[str, Any]:
    """The options of `uvicorn.Config` that follow from the TLS settings. Raises OSError or ssl.SSLError."""
    chosen: dict[str, Any] = {
        "http": TlsProtocol,
        "ws": "none",
        "proxy_headers": tls.peer == "proxy",
        "forwarded_allow_ips": ",".join(address for address in tls.proxies if address != "unix") or "127.0.0.1",
    }
    if tls.peer == "direct" and tls.back_certificate and tls.back_key and tls.trust:
        context = back_channel_context(tls.back_certificate, tls.back_key, tls.trust)
        chosen["ssl_context_factory"] = lambda config, default: context
    return chosen


def server(app: Any, tls: TlsSettings, **config: Any) -> uvicorn.Server:
    """A uvicorn server for `app`; with `tls.front_port` set and TLS ended here, it listens on both channels.

    Takes further options of `uvicorn.Config`. Raises OSError or ssl.SSLError when a certificate cannot be used.
    """
    made = uvicorn.Config(app, **{**config, **options(tls)})
    if tls.peer == "direct" and tls.front_port is not None and tls.front_certificate and tls.front_key:
        context = front_channel_context(tls.front_certificate, tls.front_key)
        return _TwoChannels(made, context, tls.front_port)
    return uvicorn.Server(made)


class _TwoChannels(uvicorn.Server):
    """Serves one application on the back channel (uvicorn's own listener) and on the front channel."""

    def __init__(self, config: uvicorn.Config, front: ssl.SSLContext, port: int) -> None:
        super().__init__(config)
        self._front = front
        self._port = port

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start both listeners; stopping is uvicorn's own, since it ends every listener that it knows."""
        await super().startup(sockets)
        if self.should_exit:
            return
        front = await asyncio.get_running_loop().create_server(
            self._protocol, host=self.config.host, port=self._port, ssl=self._front, backlog=self.config.backlog
        )
        self.servers.append(front)

    def _protocol(self) -> asyncio.Protocol:
        return TlsProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
