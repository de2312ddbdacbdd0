"""Mutual TLS ended by a real nginx with the configuration that we ship, used as it is.

Needs the program `nginx` (Debian package nginx); without it these tests fail, since nothing else proves the files.
"""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from security.nginx import Proxy
from security.pki import DAY, Identity, Pki
from security.tlsworld import BACK, FRONT, HEADER, OTHER, PGO, World, client_context, get, handshake, offering, serving

from auth.peer.tls import TlsSettings


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def settings(pki: Pki) -> TlsSettings:
    return TlsSettings(peer="proxy", trust=pki.trust, crls=pki.crls)


@pytest.fixture(scope="module")
def stage(
    pki: Pki, settings: TlsSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, Proxy, int]]:
    """The application, nginx in front of it, and the application's own port."""
    world = World(settings)
    with (
        serving(world.app, proxy_headers=True) as upstream,
        Proxy(pki, tmp_path_factory.mktemp("nginx"), upstream) as proxy,
    ):
        yield world, proxy, upstream


@pytest.fixture
def world(stage: tuple[World, Proxy, int]) -> Iterator[World]:
    stage[0].refused.clear()
    yield stage[0]
    stage[0].publish(PGO, OTHER)


@pytest.fixture
def proxy(stage: tuple[World, Proxy, int], world: World) -> Proxy:
    return stage[1]


def refused(found: httpx.Response) -> bool:
    """ERR-20, to the letter."""
    return found.status_code == 403 and found.content == b'{"error":"invalid_client"}'


def test_a_listed_peer_gets_through_with_its_name(pki: Pki, proxy: Proxy, tmp_path: Path) -> None:
    """TLS-08, TLS-10, TOKEN-06."""
    found = get(proxy.port, BACK, client_context(pki, pki.issuing.issue(PGO), tmp_path)).json()
    assert found["peer"] == [PGO]
    assert HEADER not in found["headers"]


def test_without_a_certificate_the_application_refuses_and_tells(
    pki: Pki, world: World, proxy: Proxy, tmp_path: Path
) -> None:
    """TLS-13, ERR-20, CT-72."""
    assert refused(get(proxy.port, BACK, client_context(pki, None, tmp_path)))
    assert world.refused == [("/oauth/token", "no client certificate", None)]


REFUSED: dict[str, Callable[[Pki], Identity]] = {
    "expired": lambda pki: pki.issuing.issue(PGO, begins=-9 * DAY, ends=-DAY),
    "another hierarchy": lambda pki: pki.stranger.issue(PGO),
    "not on the whitelist": lambda pki: pki.issuing.issue("pgo.onbekend.example"),
    "wildcard": lambda pki: pki.issuing.issue("*.mijndossierboom.example"),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_certificate_is_refused_and_told(
    pki: Pki, world: World, proxy: Proxy, tmp_path: Path, make: Callable[[Pki], Identity]
) -> None:
    """TLS-05, TLS-08, TLS-09, CT-73, CT-74."""
    assert refused(get(proxy.port, BACK, client_context(pki, make(pki), tmp_path)))
    assert len(world.refused) == 1


def test_a_bad_certificate_with_a_body_is_refused(pki: Pki, world: World, proxy: Proxy, tmp_path: Path) -> None:
    """CT-74 as a token request: nothing of its body goes further."""
    context = client_context(pki, pki.stranger.issue(PGO), tmp_path)
    with httpx.Client(verify=context, trust_env=False) as client:
        url = f"https://127.0.0.1:{proxy.port}/oauth/token"
        body = {"grant_type": "authorization_code", "code": "c" * 20_000}
        found = client.post(url, headers={"Host": BACK}, data=body, extensions={"sni_hostname": BACK})
    assert refused(found)
    assert len(world.refused) == 1


def test_a_revoked_certificate_is_refused(pki: Pki, settings: TlsSettings, tmp_path: Path) -> None:
    """TLS-09, CT-74: nginx knows nothing of revocation, the application does."""
    identity = pki.issuing.issue(PGO)
    pki.revoke(identity)
    world = World(settings)
    with serving(world.app) as upstream, Proxy(pki, tmp_path, upstream) as proxy:
        assert refused(get(proxy.port, BACK, client_context(pki, identity, tmp_path)))
    pki.revoke()
    assert world.refused == [("/oauth/token", "the certificate: revoked", None)]


def test_a_host_removed_by_the_next_list_is_refused(pki: Pki, world: World, proxy: Proxy, tmp_path: Path) -> None:
    """CT-75."""
    context = client_context(pki, pki.issuing.issue(PGO), tmp_path)
    assert get(proxy.port, BACK, context).status_code == 200
    world.publish(OTHER)
    assert refused(get(proxy.port, BACK, context))


NAMES = [HEADER, HEADER.upper(), HEADER.replace("-", "_")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("host", [BACK, FRONT])
def test_a_forged_header_from_outside_is_replaced(pki: Pki, proxy: Proxy, tmp_path: Path, host: str, name: str) -> None:
    """TLS-10, CT-76: through nginx on both channels, with and without a certificate of one's own."""
    forged = [(name, pki.issuing.issue(OTHER).header)]
    assert refused(get(proxy.port, host, client_context(pki, None, tmp_path), headers=forged))
    if host == BACK:
        mine = client_context(pki, pki.issuing.issue(PGO), tmp_path)
        found = get(proxy.port, BACK, mine, headers=forged).json()
        assert found["peer"] == [PGO]
        assert HEADER not in found["headers"]


def test_screens_are_served_without_a_certificate(pki: Pki, proxy: Proxy, tmp_path: Path) -> None:
    """TLS-07, TLS-14."""
    found = get(proxy.port, FRONT, client_context(pki, pki.issuing.issue(PGO), tmp_path), "/oauth/authorize")
    assert found.json()["peer"] is None
    assert "max-age" in found.headers["strict-transport-security"]


def test_the_back_channel_cannot_be_reached_over_the_front_channel(pki: Pki, proxy: Proxy, tmp_path: Path) -> None:
    """TLS-07: neither by its path nor by asking for one name in TLS and another in HTTP."""
    context = client_context(pki, pki.issuing.issue(PGO), tmp_path)
    assert refused(get(proxy.port, FRONT, context))
    with httpx.Client(verify=context, trust_env=False) as client:
        url = f"https://127.0.0.1:{proxy.port}/oauth/token"
        found = client.get(url, headers={"Host": BACK}, extensions={"sni_hostname": FRONT})
    assert found.status_code == 421


@pytest.mark.parametrize("path", ["/intake/epd", "/admin/x", "/metrics", "/health/ready", "//admin/x", "/%61dmin/x"])
@pytest.mark.parametrize("host", [BACK, FRONT])
def test_internal_paths_end_at_the_proxy(pki: Pki, proxy: Proxy, tmp_path: Path, host: str, path: str) -> None:
    """What is for the hospital's own network is not for the world, not even for a listed peer."""
    context = client_context(pki, pki.issuing.issue(PGO), tmp_path)
    url = httpx.URL(f"https://127.0.0.1:{proxy.port}").copy_with(raw_path=path.encode())
    with httpx.Client(verify=context, trust_env=False) as client:
        found = client.get(url, headers={"Host": host}, extensions={"sni_hostname": host})
    assert found.status_code == 404
    assert b"peer" not in found.content


def test_other_names_are_not_answered(pki: Pki, proxy: Proxy, tmp_path: Path) -> None:
    with pytest.raises(httpx.ConnectError):
        get(proxy.port, "other.example", client_context(pki, None, tmp_path))


def test_a_header_from_elsewhere_than_the_proxy_is_ignored(pki: Pki, settings: TlsSettings) -> None:
    """TLS-10, CT-76: the address of the connection decides, not what forwarding headers say of it."""
    elsewhere = World(settings.model_copy(update={"proxies": ("192.0.2.0/24",)}))
    forged = {HEADER: pki.issuing.issue(PGO).header, "X-Forwarded-For": "192.0.2.1"}
    with serving(elsewhere.app, proxy_headers=True) as port:
        assert refused(httpx.get(f"http://127.0.0.1:{port}/oauth/token", headers=forged, trust_env=False))
    assert elsewhere.refused == [("/oauth/token", "no client certificate", None)]


def test_what_the_proxy_sends_is_checked_all_the_same(pki: Pki, stage: tuple[World, Proxy, int], world: World) -> None:
    """TLS-09: a proxy with a wrong setting lets nobody in. The test speaks to the application as a proxy would."""
    good = pki.issuing.issue(PGO).header
    wrong = [
        [(HEADER, pki.stranger.issue(PGO).header)],
        [(HEADER, good), (HEADER, good)],
        [(HEADER, "%ff%fe")],
        [(HEADER, "x" * 15_000)],
        [(HEADER, good[:300])],
    ]
    with httpx.Client(trust_env=False) as client:
        url = f"http://127.0.0.1:{stage[2]}/oauth/token"
        assert client.get(url, headers=[(HEADER, good)]).status_code == 200
        for headers in wrong:
            assert refused(client.get(url, headers=headers))
    assert len(world.refused) == len(wrong)


def test_versions_and_suites_of_the_guideline(proxy: Proxy) -> None:
    """TLS-02 to TLS-04."""
    assert handshake(proxy.port, offering(ssl.TLSVersion.TLSv1_3))[0] == "TLSv1.3"
    assert handshake(proxy.port, offering(ssl.TLSVersion.TLSv1_2)) == ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("version", "suites"),
    [
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-SHA384"),
        (ssl.TLSVersion.TLSv1_2, "AES256-GCM-SHA384"),
    ],
    ids=["TLS 1.1", "CBC", "RSA key exchange"],
)
def test_old_versions_and_weak_suites_are_refused(proxy: Proxy, version: ssl.TLSVersion, suites: str) -> None:
    """TLS-02, TLS-04, CT-104."""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(proxy.port, offering(version, suites))


def test_the_log_of_nginx_holds_no_query(pki: Pki, proxy: Proxy, tmp_path: Path) -> None:
    """LOG-02, CT-101: codes and states stay out of it."""
    get(proxy.port, BACK, client_context(pki, pki.issuing.issue(PGO), tmp_path), "/oauth/token?code=geheim")
    get(proxy.port, FRONT, client_context(pki, None, tmp_path), "/oauth/authorize?state=geheim")
    logs = "".join(path.read_text() for path in Path(proxy._command[2]).glob("*.log"))
    assert "/oauth/authorize" in logs
    assert "geheim" not in logs


def test_one_address_may_not_open_visits_without_end(pki: Pki, stage: tuple[World, Proxy, int], tmp_path: Path) -> None:
    """Section 14: a burst passes, a flood gets a page with 429; the screens of a visit and the back channel go on."""
    nobody, listed = (client_context(pki, who, tmp_path) for who in (None, pki.issuing.issue(PGO)))
    slow = Proxy(pki, tmp_path, stage[2], rate="1r/m")  # so that the time that the test takes does not matter
    with slow as proxy, httpx.Client(verify=nobody, trust_env=False) as browser:

        def visited(path: str) -> httpx.Response:
            url = f"https://127.0.0.1:{proxy.port}{path}"
            return browser.get(url, headers={"Host": FRONT}, extensions={"sni_hostname": FRONT})

        found = [visited("/oauth/authorize") for _ in range(60)]
        assert {one.status_code for one in found[:51]} == {200}
        busy = [one for one in found if one.status_code == 429]
        assert len(busy) == 9
        assert {(one.headers["retry-after"], "Het is druk" in one.text) for one in busy} == {("10", True)}
        assert visited("/oauth/zandoord/authorize").status_code == 429
        assert visited("/oauth/authorize/x").status_code == 200
        assert get(proxy.port, BACK, listed).status_code == 200
