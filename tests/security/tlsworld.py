"""A small application behind the gate, served by uvicorn on real sockets, and a client with certificates."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from security.pki import Identity, Pki
from unit.auth_lists import listdocs as docs

from auth.clients.lists import CurrentLists
from auth.clients.model import ListKind
from auth.clients.parse import parse
from auth.peer.tls import TlsSettings, peer_check
from auth.peer.transport import PeerGate, TlsProtocol, finder, peer_of

PGO, OTHER = docs.PGO, docs.MAP
FRONT, BACK = "medmij.zandoord.example", "medmij-bc.zandoord.example"
HEADER = "x-gateway-client-certificate"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers who the peer is and which headers of interest the application saw."""
    peer = peer_of(scope)
    headers = [name.decode() for name, _ in scope["headers"]]
    body = json.dumps({"peer": peer.hostnames, "headers": headers, "path": scope["path"],
                       "query": scope["query_string"].decode()}).encode()  # fmt: skip
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
    await send(start)
    await send({"type": "http.response.body", "body": body})


@dataclass
class World:
    """The lists, the refusals that were told, and the gated application."""

    settings: TlsSettings
    lists: CurrentLists = field(default_factory=CurrentLists)
    refused: list[tuple[str, str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.publish(PGO, OTHER)
        check = peer_check(self.settings) if self.settings.peer != "none" else None
        self.app = PeerGate(
            echo,
            find=finder(self.settings),
            check=check,
            whitelist=lambda: self.lists.whitelist,
            back_channel=lambda path: not path.startswith("/oauth/authorize"),
            refused=lambda path, reason, trace: self.refused.append((path, reason, trace)),
            header=self.settings.header,
        )

    def publish(self, *hosts: str) -> None:
        """The next whitelist."""
        number = self.lists.whitelist.heading.number + 1
        self.lists.offer([parse(ListKind.WHITELIST, docs.whitelist(hosts, number=str(number)))])


@contextmanager
def serving(app: Any, context: ssl.SSLContext | None = None, **config: Any) -> Iterator[int]:
    """Serve on a free port of the loopback address; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    factory = {"ssl_context_factory": lambda config, default: context} if context else {}
    chosen = {"http": TlsProtocol, "log_level": "error", "lifespan": "off", **factory, **config}
    with running(uvicorn.Server(uvicorn.Config(app, **chosen)), listener):
        yield port


@contextmanager
def running(server: uvicorn.Server, *listeners: socket.socket) -> Iterator[None]:
    """Run a server in a thread until the block ends."""
    thread = threading.Thread(target=server.run, kwargs={"sockets": list(listeners) or None})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join()
        for listener in listeners:
            listener.close()


def client_context(pki: Pki, identity: Identity | None, folder: Path) -> ssl.SSLContext:
    """A client that trusts the hierarchy of the test and shows this certificate, with its chain."""
    context = ssl.create_default_context(cafile=str(pki.trust))
    if identity is not None:
        context.load_cert_chain(*identity.write(folder, f"client-{identity.certificate.serial_number}"))
    return context


def get(port: int, host: str, context: ssl.SSLContext, path: str = "/oauth/token", **options: Any) -> httpx.Response:
    """One request to `host`, which is this machine, on a connection of its own."""
    headers = [("Host", host), *options.pop("headers", [])]
    with httpx.Client(verify=context, trust_env=False) as client:
        url = f"https://127.0.0.1:{port}{path}"
        return client.get(url, headers=headers, extensions={"sni_hostname": host}, **options)


def offering(version: ssl.TLSVersion | None = None, suites: str | None = None) -> ssl.SSLContext:
    """A client that can do one version of TLS (None: all) with these suites, and looks at no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if suites:
        context.set_ciphers(suites)
    return context


def handshake(port: int, context: ssl.SSLContext) -> tuple[str | None, str]:
    """The version and the suite that a server agrees to. Raises ssl.SSLError or ConnectionError when it does not."""
    with socket.create_connection(("127.0.0.1", port)) as raw, context.wrap_socket(raw, server_hostname=BACK) as tls:
        cipher = tls.cipher()
        assert cipher is not None
        return tls.version(), cipher[0]
