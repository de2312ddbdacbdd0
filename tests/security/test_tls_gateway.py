"""The whole gateway behind the shipped nginx: which doors need a certificate, and which must not ask for one."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from security.nginx import Proxy
from security.pki import Pki
from security.tlsworld import BACK, FRONT, OTHER, PGO, client_context, get, running
from servers import free_port
from unit.auth_lists import listdocs as docs

from auth.peer.listeners import server
from auth.peer.tls import TlsSettings
from gateway.app import create_app
from gateway.cli.db import upgrade
from gateway.settings import Settings
from gateway.store.engine import open_engine
from workbench.plugin import workbench

REFUSED = b'{"error":"invalid_client"}'


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def proxy(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """nginx in front of a gateway with lists of its own."""
    folder = tmp_path_factory.mktemp("gateway")
    for name, data in (
        ("whitelist", docs.whitelist([FRONT, BACK, PGO])),
        ("oauthclientlist", docs.clients()),
        ("zorgaanbiederslijst", docs.providers()),
        ("gegevensdienstnamenlijst", docs.names()),
    ):
        (folder / f"{name}.xml").write_bytes(data)
    settings = Settings.model_validate(
        {
            "mode": "test",
            "database_url": f"sqlite:///{folder}/gateway.db",
            "lists": {"source": "files", "folder": folder},
            "tls": TlsSettings(peer="proxy", trust=pki.trust, crls=pki.crls),
        }
    )
    engine = open_engine(settings.database_url)
    upgrade(engine)
    engine.dispose()
    port = free_port()
    made = server(
        create_app(settings, workbench=workbench), settings.tls, host="127.0.0.1", port=port, log_level="error"
    )
    with running(made), Proxy(pki, tmp_path_factory.mktemp("nginx"), port) as found:
        yield found


BACK_DOORS = [
    "/oauth/token",
    "/oauth/revoke",
    "/ziekenhuiszandoord/48/fhir/metadata",
    "/ziekenhuiszandoord/48/fhir/Condition",
    "/ziekenhuiszandoord/48/fhir/fhir/Condition",
    "/ziekenhuiszandoord/48/fhir",
]


@pytest.mark.parametrize("path", BACK_DOORS)
def test_every_door_for_servers_needs_a_listed_certificate(pki: Pki, proxy: Proxy, tmp_path: Path, path: str) -> None:
    """TLS-07, TLS-08, TLS-13, CT-72, CT-73: on both names, without a certificate and with one that is not listed."""
    unlisted = client_context(pki, pki.issuing.issue(OTHER), tmp_path)
    for host, context in ((BACK, client_context(pki, None, tmp_path)), (BACK, unlisted), (FRONT, unlisted)):
        found = get(proxy.port, host, context, path)
        assert (found.status_code, found.content) == (403, REFUSED)


@pytest.mark.parametrize(
    "path", ["/oauth/token/", "//oauth/token", "/oauth/./token", "/x/../oauth/token", "/oauth/%74oken", "/OAUTH/TOKEN"]
)
def test_no_spelling_of_a_path_gets_around_the_gate(pki: Pki, proxy: Proxy, tmp_path: Path, path: str) -> None:
    """TLS-13: whatever nginx and the application make of the path, no token request is answered."""
    with httpx.Client(verify=client_context(pki, None, tmp_path), trust_env=False) as client:
        found = client.post(
            httpx.URL(f"https://127.0.0.1:{proxy.port}").copy_with(raw_path=path.encode()),
            headers={"Host": BACK},
            data={"grant_type": "authorization_code"},
            extensions={"sni_hostname": BACK},
        )
    assert (found.status_code, found.content) == (403, REFUSED) or found.status_code in (307, 404, 405)
    assert b"grant" not in found.content


def test_with_a_listed_certificate_the_doors_open(pki: Pki, proxy: Proxy, tmp_path: Path) -> None:
    """CT-91: the capability statement needs mutual TLS and no token; the token endpoint answers in its own words."""
    context = client_context(pki, pki.issuing.issue(PGO), tmp_path)
    metadata = get(proxy.port, BACK, context, "/ziekenhuiszandoord/48/fhir/metadata")
    assert metadata.json()["resourceType"] == "CapabilityStatement"
    assert get(proxy.port, BACK, context, "/oauth/token").status_code == 405
    assert get(proxy.port, BACK, context, "/ziekenhuiszandoord/48/fhir/Condition").status_code == 401


def test_screens_are_open(pki: Pki, proxy: Proxy, tmp_path: Path) -> None:
    """TLS-07: the authorization endpoint answers a browser, here with the error page for a request without a client."""
    found = get(proxy.port, FRONT, client_context(pki, None, tmp_path), "/oauth/authorize")
    assert found.status_code == 400
    assert "html" in found.headers["content-type"]
