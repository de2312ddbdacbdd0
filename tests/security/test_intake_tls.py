"""Sources that log in by certificate, on a real socket: each is itself and nobody else (issue 6, TLS-05, TLS-09)."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from databases import database
from security.pki import Identity, Pki
from security.tlsworld import HEADER, client_context, free_port
from world.intake_house import patient, settings_for, source

from auth.tls import TlsSettings
from gateway.cli.db import upgrade
from gateway.intake.listener import beside
from gateway.intake.settings import IntakeSettings
from gateway.store.engine import open_engine

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
        async with beside(settings_for(url, section)):
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
