"""Sources that log in by certificate, on a real socket: each is itself and nobody else (issue 6, TLS-05, TLS-09)."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from databases import database
from security.pki import Identity, Pki
from security.tlsworld import HEADER, client_context
from servers import free_port
from world.intake_house import house, patient, settings_for, source

from auth.peer.tls import TlsSettings
from gateway.cli.db import upgrade
from gateway.intake.listener import beside
from gateway.intake.settings import IntakeSettings
from gateway.store.engine import open_engine
from gateway.wiring.intake import wire_intake

EPD, LAB, OTHER, OURS = "epd.intern.example", "lab.intern.example", "other.intern.example", "gateway.intern.example"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@contextmanager
def listening(pki: Pki, folder: Path) -> Iterator[int]:
    port = free_port()
    certificate, key = pki.issuing.issue(OURS).write(pki.folder, "intake")
    tls = TlsSettings(peer="direct", trust=pki.trust, crls=pki.crls, back_certificate=certificate, back_key=key)
    sources = {name: source(auth={"kind": "mtls", "hosts": [host]}) for name, host in (("epd", EPD), ("lab", LAB))}
    section = IntakeSettings(port=port, tls=tls, sources=sources)
    ready, stop = threading.Event(), threading.Event()

    async def main(url: str) -> None:
        async with beside(wire_intake(settings_for(url, section))):
            ready.set()
            await asyncio.to_thread(stop.wait)

    with database("sqlite", folder) as url:
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        thread = threading.Thread(target=lambda: asyncio.run(main(url)))
        thread.start()
        assert ready.wait(20)
        try:
            yield port
        finally:
            stop.set()
            thread.join(20)


def put(pki: Pki, folder: Path, port: int, name: str, identity: Identity | None, **headers: str) -> int | str:
    """The status of a push under a certificate, or how the handshake ended."""
    context = client_context(pki, identity, folder)
    given = {"content-type": "application/fhir+json", **headers}
    try:
        with httpx.Client(verify=context, trust_env=False) as client:
            url = f"https://127.0.0.1:{port}/intake/{name}/Patient/p1"
            return client.put(url, json=patient(), headers=given, extensions={"sni_hostname": OURS}).status_code
    except (httpx.TransportError, ssl.SSLError):
        return "no connection"


def test_a_certificate_opens_the_door_of_its_own_source_only(pki: Pki, tmp_path: Path) -> None:
    epd, lab = pki.issuing.issue(EPD), pki.issuing.issue(LAB)
    with listening(pki, tmp_path) as port:
        assert put(pki, tmp_path, port, "epd", epd) == 201
        assert put(pki, tmp_path, port, "epd", lab) == 401
        assert put(pki, tmp_path, port, "epd", pki.issuing.issue(OTHER)) == 401
        assert put(pki, tmp_path, port, "epd", None) == 401
        assert put(pki, tmp_path, port, "epd", lab, **{HEADER: epd.header}) == 401, "a header is no certificate"
        assert put(pki, tmp_path, port, "epd", pki.stranger.issue(EPD)) == "no connection"


def test_a_revoked_certificate_opens_nothing(pki: Pki, tmp_path: Path) -> None:
    epd = pki.issuing.issue(EPD)
    pki.revoke(epd)
    with listening(pki, tmp_path) as port:
        assert put(pki, tmp_path, port, "epd", epd) == 401
        assert put(pki, tmp_path, port, "epd", pki.issuing.issue(EPD)) == 201


def test_mllp_over_tls_asks_for_a_certificate(pki: Pki, tmp_path: Path) -> None:
    """And an address outside ``peers`` gets nothing, whatever it shows."""
    certificate, key = pki.issuing.issue(OURS).write(pki.folder, "mllp")
    secured = {"certificate": str(certificate), "key": str(key), "trust": str(pki.trust)}
    ports = free_port(), free_port()
    sources = {
        "lab": source(mllp={"port": ports[0], **secured}),
        "far": source(mllp={"port": ports[1], "peers": ["192.0.2.0/24"], **secured}),
    }
    message = b"\x0bMSH|^~\\&|LAB|Z|G|Z|2026||ADT^A40|1|P|2.5\r\x1c\r"

    def ask(port: int, identity: Identity | None) -> bytes:
        context = client_context(pki, identity, tmp_path)
        try:
            plain = socket.create_connection(("127.0.0.1", port), 10)
            with plain, context.wrap_socket(plain, server_hostname=OURS) as secure:
                secure.sendall(message)
                return secure.recv(4_096)
        except OSError:
            return b""

    with house("sqlite", tmp_path, **sources) as hospital:
        opened = [(one, hospital.portal.call(one.start)) for one in hospital.parts.messages]
        assert b"MSA|AE|1" in ask(ports[0], pki.issuing.issue(LAB))
        assert ask(ports[0], None) == b""
        assert ask(ports[0], pki.stranger.issue(LAB)) == b""
        assert ask(ports[1], pki.issuing.issue(LAB)) == b""
        for one, server in opened:
            hospital.portal.call(one.stop, server)
