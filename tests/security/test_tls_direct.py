"""Mutual TLS ended by our own process, on real sockets."""

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from security.pki import DAY, Identity, Pki, pem
from security.tlsworld import (
    BACK,
    FRONT,
    HEADER,
    OTHER,
    PGO,
    World,
    client_context,
    echo,
    get,
    handshake,
    offering,
    running,
    serving,
)
from servers import free_port

from auth.clients.model import ListKind
from auth.clients.sources import FetchError, NodeSource
from auth.peer.listeners import server
from auth.peer.tls import TlsSettings, back_channel_context, front_channel_context, peer_check
from auth.peer.tls import client_context as our_client_context


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def settings(pki: Pki) -> TlsSettings:
    certificate, key = pki.issuing.issue(BACK).write(pki.folder, "back")
    return TlsSettings(peer="direct", trust=pki.trust, crls=pki.crls, back_certificate=certificate, back_key=key)


@pytest.fixture
def world(settings: TlsSettings) -> World:
    return World(settings)


@pytest.fixture
def back(world: World, settings: TlsSettings) -> Iterator[int]:
    assert settings.back_certificate
    assert settings.back_key
    assert settings.trust
    context = back_channel_context(settings.back_certificate, settings.back_key, settings.trust)
    with serving(world.app, context) as port:
        yield port


def refused(found: httpx.Response) -> bool:
    """ERR-20, to the letter."""
    return found.status_code == 403 and found.content == b'{"error":"invalid_client"}'


def test_a_listed_peer_gets_through_with_its_name(pki: Pki, world: World, back: int, tmp_path: Path) -> None:
    """TLS-07, TLS-08, TOKEN-06."""
    found = get(back, BACK, client_context(pki, pki.issuing.issue(PGO), tmp_path))
    assert found.json()["peer"] == [PGO]
    assert world.refused == []


def test_only_names_on_the_whitelist_count(pki: Pki, back: int, tmp_path: Path) -> None:
    """TLS-08: a second name of the certificate that is not listed is nobody's."""
    identity = pki.issuing.issue("pgo.onbekend.example", PGO)
    assert get(back, BACK, client_context(pki, identity, tmp_path)).json()["peer"] == [PGO]


def test_without_a_certificate_there_is_a_403_and_an_event(pki: Pki, world: World, back: int, tmp_path: Path) -> None:
    """TLS-13, ERR-20, CT-72."""
    trace = "0b7d5c52-9a4f-4f0e-8f57-9d6a2b1c3d02"
    found = get(back, BACK, client_context(pki, None, tmp_path), headers=[("X-Correlation-ID", trace)])
    assert refused(found)
    assert found.headers["cache-control"] == "no-store"
    assert world.refused == [("/oauth/token", "no client certificate", trace)]


@pytest.mark.parametrize(
    "host", ["pgo.onbekend.example", "x." + PGO, PGO + ".evil.example", "*.mijndossierboom.example"]
)
def test_a_host_that_is_not_listed_is_refused(pki: Pki, world: World, back: int, tmp_path: Path, host: str) -> None:
    """TLS-08, CT-73."""
    assert refused(get(back, BACK, client_context(pki, pki.issuing.issue(host), tmp_path)))
    assert len(world.refused) == 1


def test_a_host_removed_by_the_next_list_is_refused_on_its_open_connection(
    pki: Pki, world: World, back: int, tmp_path: Path
) -> None:
    """CT-75."""
    context = client_context(pki, pki.issuing.issue(PGO), tmp_path)
    with httpx.Client(verify=context, trust_env=False) as client:
        url, extensions = f"https://127.0.0.1:{back}/oauth/token", {"sni_hostname": BACK}
        assert client.get(url, extensions=extensions).status_code == 200
        world.publish(OTHER)
        assert refused(client.get(url, extensions=extensions))


def _expired(pki: Pki) -> Identity:
    return pki.issuing.issue(PGO, begins=-9 * DAY, ends=-DAY)


def _stranger(pki: Pki) -> Identity:
    return pki.stranger.issue(PGO)


@pytest.mark.parametrize("make", [_expired, _stranger])
def test_a_certificate_without_a_good_chain_ends_the_handshake(
    pki: Pki, back: int, tmp_path: Path, make: Callable[[Pki], Identity]
) -> None:
    """TLS-05, TLS-09, CT-74."""
    with pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.WriteError, httpx.RemoteProtocolError)):
        get(back, BACK, client_context(pki, make(pki), tmp_path))


def test_a_revoked_certificate_is_refused(pki: Pki, settings: TlsSettings, tmp_path: Path) -> None:
    """TLS-09, CT-74."""
    identity = pki.issuing.issue(PGO)
    pki.revoke(identity)
    world = World(settings)
    assert settings.back_certificate
    assert settings.back_key
    with serving(world.app, back_channel_context(settings.back_certificate, settings.back_key, pki.trust)) as port:
        assert refused(get(port, BACK, client_context(pki, identity, tmp_path)))
    assert world.refused == [("/oauth/token", "the certificate: revoked", None)]


def test_the_proxy_header_counts_for_nothing(pki: Pki, back: int, tmp_path: Path) -> None:
    """TLS-10, CT-76: without a certificate or with another one, in whatever case; the application never sees it."""
    forged = pki.issuing.issue(OTHER).header
    for name in (HEADER, HEADER.upper(), HEADER.title()):
        assert refused(get(back, BACK, client_context(pki, None, tmp_path), headers=[(name, forged)]))
        mine = client_context(pki, pki.issuing.issue(PGO), tmp_path)
        found = get(back, BACK, mine, headers=[(name, forged), (name, forged)]).json()
        assert found["peer"] == [PGO]
        assert HEADER not in found["headers"]


def test_the_screens_are_open_and_ask_for_no_certificate(pki: Pki, world: World, tmp_path: Path) -> None:
    """TLS-07: the front-channel context sends no certificate request, so a browser never asks its user for one."""
    certificate, key = pki.issuing.issue(FRONT).write(tmp_path, "front")
    context = client_context(pki, pki.issuing.issue(PGO), tmp_path)
    with serving(world.app, front_channel_context(certificate, key)) as port:
        found = get(port, FRONT, context, "/oauth/authorize")
        assert found.json()["peer"] is None
        assert refused(get(port, FRONT, context, "/oauth/token")), "the back channel is not served here"


def test_websockets_without_a_peer_are_closed(world: World) -> None:
    """TLS-13: fail closed for whatever else the server may speak."""
    sent: list[dict[str, object]] = []

    async def send(message: object) -> None:
        sent.append(dict(message))  # type: ignore[call-overload]

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    asyncio.run(world.app({"type": "websocket", "path": "/x", "headers": [], "client": None}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


# --- versions and suites -------------------------------------------------------------------------------------------


def test_the_highest_version_is_negotiated(back: int) -> None:
    """TLS-02, TLS-03."""
    assert handshake(back, offering())[0] == "TLSv1.3"
    assert handshake(back, offering(ssl.TLSVersion.TLSv1_2)) == ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("version", "suites"),
    [
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-SHA384"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA"),
        (ssl.TLSVersion.TLSv1_2, "AES256-GCM-SHA384:AES128-GCM-SHA256"),
    ],
    ids=["TLS 1.1", "CBC with SHA-2", "CBC with SHA-1", "RSA key exchange"],
)
def test_old_versions_and_weak_suites_are_refused(
    pki: Pki, version: ssl.TLSVersion, suites: str, tmp_path: Path
) -> None:
    """TLS-02, TLS-04, CT-104. A lax server with the same certificate shows that this client can do what we refuse."""
    identity = pki.issuing.issue(BACK, rsa_key=suites.startswith("AES"))
    certificate, key = identity.write(tmp_path, "back")
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    lax.minimum_version = ssl.TLSVersion.TLSv1_1
    lax.set_ciphers("ALL:@SECLEVEL=0")
    lax.load_cert_chain(certificate, key)
    with serving(echo, lax) as port:
        assert handshake(port, offering(version, suites))[0] == version.name.replace("v1_", "v1.")
    for context in (back_channel_context(certificate, key, pki.trust), front_channel_context(certificate, key)):
        with serving(echo, context) as port, pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(port, offering(version, suites))


def test_no_session_is_resumed(back: int) -> None:
    """TLS-04: no tickets, so no early data that could be replayed."""
    context = offering(ssl.TLSVersion.TLSv1_3)
    with socket.create_connection(("127.0.0.1", back)) as raw, context.wrap_socket(raw, server_hostname=BACK) as tls:
        tls.sendall(b"GET /oauth/authorize HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert tls.recv(100).startswith(b"HTTP/1.1 200")
        assert tls.session is None or not tls.session.has_ticket


def test_plain_http_is_not_served(back: int) -> None:
    """TLS-01."""
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{back}/oauth/token", trust_env=False)


# --- fetching the lists --------------------------------------------------------------------------------------------


@pytest.fixture
def node(pki: Pki, tmp_path: Path) -> Iterator[tuple[World, int]]:
    """A node of the registration that asks for our certificate."""
    certificate, key = pki.issuing.issue("127.0.0.1.example", "localhost").write(tmp_path, "node")
    pki.revoke()
    world = World(
        TlsSettings(peer="direct", trust=pki.trust, crls=pki.crls, back_certificate=certificate, back_key=key)
    )
    world.publish(BACK)
    with serving(world.app, back_channel_context(certificate, key, pki.trust)) as port:
        yield world, port


def _source(pki: Pki, port: int, identity: Identity | None, folder: Path, trust: Path | None = None) -> NodeSource:
    certificate, key = identity.write(folder, "own") if identity else (None, None)
    check = peer_check(TlsSettings(trust=pki.trust, crls=pki.crls))
    return NodeSource(
        f"https://localhost:{port}/",
        "2",
        lambda: our_client_context(certificate, key, trust or pki.trust),
        check_server=check.server,
    )


def _fetch(source: NodeSource) -> bytes:
    return asyncio.run(source.fetch(ListKind.WHITELIST))


def test_the_lists_are_fetched_with_our_own_certificate(pki: Pki, node: tuple[World, int], tmp_path: Path) -> None:
    """LIST-01, LIST-04, VER-03: the file's fixed name, with the major number of the interface."""
    world, port = node
    data = _fetch(_source(pki, port, pki.issuing.issue(BACK), tmp_path))
    asked = json.loads(data)
    assert (asked["path"], asked["query"]) == ("/MedMij_Whitelist.xml", "api=2")
    assert world.refused == []


def test_without_our_certificate_the_node_gives_nothing(pki: Pki, node: tuple[World, int], tmp_path: Path) -> None:
    """LIST-04."""
    with pytest.raises(FetchError, match="status 403"):
        _fetch(_source(pki, node[1], None, tmp_path))


def test_a_node_of_another_hierarchy_is_not_believed(pki: Pki, node: tuple[World, int], tmp_path: Path) -> None:
    """TLS-05, LIST-11: authenticity rests on mutual TLS."""
    trust = tmp_path / "other.pem"
    trust.write_bytes(pem(pki.stranger.certificate))
    with pytest.raises(FetchError):
        _fetch(_source(pki, node[1], pki.issuing.issue(BACK), tmp_path, trust))


def test_a_node_with_a_revoked_certificate_is_not_believed(pki: Pki, tmp_path: Path) -> None:
    """TLS-09."""
    identity = pki.issuing.issue("localhost")
    certificate, key = identity.write(tmp_path, "node")
    pki.revoke(identity)
    settings = TlsSettings(peer="direct", trust=pki.trust, crls=pki.crls, back_certificate=certificate, back_key=key)
    with (
        serving(World(settings).app, back_channel_context(certificate, key, pki.trust)) as port,
        pytest.raises(FetchError, match="revoked"),
    ):
        _fetch(_source(pki, port, pki.issuing.issue(BACK), tmp_path))
    pki.revoke()


# --- both channels in one process ----------------------------------------------------------------------------------


def test_one_process_serves_both_channels_on_a_port_each(pki: Pki, settings: TlsSettings, tmp_path: Path) -> None:
    """TLS-07, TLS-10, TLS-11: `gateway serve` without a proxy."""
    certificate, key = pki.issuing.issue(FRONT).write(tmp_path, "front")
    both = settings.model_copy(update={"front_certificate": certificate, "front_key": key, "front_port": free_port()})
    world, port = World(both), free_port()
    made = server(world.app, both, host="127.0.0.1", port=port, log_level="error", lifespan="off")
    context = client_context(pki, pki.issuing.issue(PGO), tmp_path)
    assert both.front_port
    with running(made):
        assert get(port, BACK, context).json()["peer"] == [PGO]
        assert get(both.front_port, FRONT, context, "/oauth/authorize").json()["peer"] is None
        assert refused(get(both.front_port, FRONT, context))
    with pytest.raises(httpx.ConnectError):
        get(both.front_port, FRONT, context, "/oauth/authorize")


def test_without_the_protocol_class_nobody_is_the_proxy(pki: Pki) -> None:
    """TLS-10: uvicorn alone lets forwarding headers say who connects, so its word is not taken."""
    world = World(TlsSettings(peer="proxy", trust=pki.trust, crls=pki.crls))
    with serving(world.app, http="httptools") as port:
        headers = {HEADER: pki.issuing.issue(PGO).header}
        assert refused(httpx.get(f"http://127.0.0.1:{port}/oauth/token", headers=headers, trust_env=False))


@pytest.mark.parametrize(
    "wrong",
    [
        {"peer": "direct", "trust": "t.pem", "crls": "c"},
        {"peer": "proxy", "crls": "c"},
        {"peer": "proxy", "trust": "t.pem"},
        {"peer": "proxy", "trust": "t.pem", "crls": "c", "proxies": ["proxy.example"]},
        {"front_port": 8443},
        {"peers": "proxy"},
    ],
)
def test_incomplete_settings_are_refused(wrong: dict[str, object]) -> None:
    """Fail closed at start, not at the first request."""
    with pytest.raises(ValueError):
        TlsSettings.model_validate(wrong)


def test_production_demands_mutual_tls_with_revocation() -> None:
    """TLS-07, TLS-09, LIST-04."""
    assert len(TlsSettings(revocation="off").faults_in_production()) == 3
    complete = {"peer": "proxy", "trust": "t", "crls": "c", "back_certificate": "b", "back_key": "k"}
    assert TlsSettings.model_validate(complete).faults_in_production() == []


# --- a node that misbehaves ----------------------------------------------------------------------------------------


def _answering(status: int, headers: Sequence[tuple[bytes, bytes]] = (), pieces: int = 1, pause: float = 0) -> Any:
    """An application that answers every request in the same way, in pieces of 1,000 bytes."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for _ in range(pieces):
            await asyncio.sleep(pause)
            await send({"type": "http.response.body", "body": b" " * 1_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


@pytest.mark.parametrize(
    ("app", "why"),
    [
        (_answering(503), "status 503"),
        (_answering(302, [(b"location", b"http://127.0.0.1:9/other")]), "status 302"),
        (_answering(200, [(b"content-encoding", b"gzip")]), "compressed"),
        (_answering(200, pieces=12, pause=0.1), "no complete answer within 0.5 s"),
        (_answering(200, pieces=10_100), "too large"),
    ],
    ids=["fault", "redirect", "compressed", "drop by drop", "endless"],
)
def test_a_node_that_misbehaves_costs_bounded_time_and_space(pki: Pki, tmp_path: Path, app: Any, why: str) -> None:
    """LIST-04, LIST-05: a fault of the source, told as such, in half a second or ten megabytes."""
    certificate, key = pki.issuing.issue("localhost").write(tmp_path, "node")
    patience = 0.5 if "0.5" in why else 10.0
    with serving(app, back_channel_context(certificate, key, pki.trust)) as port:
        source = NodeSource(
            f"https://localhost:{port}/",
            "2",
            lambda: our_client_context(None, None, pki.trust),
            timeout_seconds=patience,
        )
        with pytest.raises(FetchError, match=why):
            _fetch(source)
