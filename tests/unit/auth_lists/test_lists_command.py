"""gateway lists show, check and refresh: what they print and how they end."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from unit.auth_lists import listdocs as docs

from auth.clients.notices import Notice, NoticeType
from auth.clients.open import open_lists
from gateway.cli.lists import lists
from gateway.registration import RegistrationWatch
from gateway.settings import load
from gateway.wiring import registered
from profiles.standards.load import catalogue


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder and nothing set but the mode."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_MODE", "test")
    monkeypatch.setenv("GATEWAY_DATABASE_URL", f"sqlite:///{tmp_path}/gateway.db")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(lists, arguments)


def files(folder: Path, **changed: bytes) -> str:
    """A configuration with lists in a folder; a list can be given otherwise, or left out when empty."""
    (folder / "lists").mkdir(exist_ok=True)
    documents = {
        "whitelist": docs.whitelist(),
        "oauthclientlist": docs.clients(),
        "zorgaanbiederslijst": docs.providers(),
        "gegevensdienstnamenlijst": docs.names(),
    } | changed
    for name, data in documents.items():
        if data:
            (folder / "lists" / f"{name}.xml").write_bytes(data)
    config = folder / "gateway.toml"
    config.write_text(f'[lists]\nsource = "files"\nfolder = "{folder}/lists"\n')
    return str(config)


def test_show_works_on_a_fresh_test_configuration(tmp_path: Path) -> None:
    found = run("show")
    assert found.exit_code == 0, found.output
    assert "OAuthclientlist" in found.output
    assert list(tmp_path.iterdir()) == [], "showing leaves nothing behind"


def test_show_as_json_tells_number_age_and_size() -> None:
    rows = json.loads(run("show", "--json").output)["lists"]
    assert [row["list"] for row in rows] == [
        "Whitelist",
        "OAuthclientlist",
        "Zorgaanbiederslijst",
        "Gegevensdienstnamenlijst",
    ]
    assert all(row["number"] == 1 and row["entries"] > 2 and row["state"] == "fresh" for row in rows)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("clients", "medmij.mijndossierboom.example  Mijn Dossierboom  (services 48, 65)"),
        ("whitelist", docs.NODE),
        ("providers", "ziekenhuiszandoord@medmij  ZA  (interface 2: 48)"),
        ("names", "48  Verzamelen Basisgegevens zorg 3.0"),
    ],
)
def test_show_of_one_list_prints_its_entries(tmp_path: Path, name: str, line: str) -> None:
    found = run("show", name, "--config", files(tmp_path))
    assert found.exit_code == 0
    assert line in found.output.splitlines()
    assert json.loads(run("show", name, "--json", "--config", files(tmp_path)).output)


def test_a_good_folder_passes_the_check(tmp_path: Path) -> None:
    assert run("check", "--config", files(tmp_path)).exit_code == 0


def test_a_wrong_list_is_a_finding(tmp_path: Path) -> None:
    """CT-99."""
    config = files(tmp_path, whitelist=docs.whitelist([]))
    for command in ("show", "check", "refresh"):
        found = run(command, "--config", config)
        assert found.exit_code == 1
        assert "list_invalid" in found.output


def test_a_missing_list_is_a_finding(tmp_path: Path) -> None:
    found = run("check", "--json", "--config", files(tmp_path, zorgaanbiederslijst=b""))
    assert found.exit_code == 1
    notices = json.loads(found.output)["notices"]
    assert ("list_fetch_failed", "Zorgaanbiederslijst", True) in [(n["type"], n["list"], n["alarm"]) for n in notices]


@pytest.mark.parametrize(
    "content",
    [
        '[lists]\nsource = "files"\n',
        "[lists]\nintervall = 3\n",
        '[lists]\nsource = "node"\n',
        "[lists]\ninterval_seconds = 901\n",
    ],
)
def test_a_wrong_configuration_is_a_usage_error(tmp_path: Path, content: str) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(content)
    assert run("show", "--config", str(config)).exit_code == 2


def _registered(folder: Path, *services: str) -> str:
    """A gateway with an address of its own, one provider and these services on the provider list."""
    front, back = "medmij.zandoord.example", "medmij-bc.zandoord.example"
    listed = [
        docs.service(
            id_,
            front=f"https://{front}/oauth/authorize",
            token=f"https://{back}/oauth/token",
            roles=[(role, f"https://{back}/ziekenhuiszandoord/{id_}/fhir")],
        )
        for id_, role in (("48", "MM-3.0-BZB-FHIR"), ("50", "MM-2.0-GGB-FHIR"))
        if id_ in services
    ]
    config = Path(
        files(
            folder,
            whitelist=docs.whitelist([front, back, docs.PGO]),
            zorgaanbiederslijst=docs.providers([docs.provider("ziekenhuiszandoord@medmij", *listed)]),
            gegevensdienstnamenlijst=docs.names([("48", "Basisgegevens zorg"), ("50", "Basisgegevens GGZ")]),
        )
    )
    config.write_text(
        config.read_text()
        + f'[listen]\nbase_url = "https://{back}"\n[auth]\nbase_url = "https://{front}"\n'
        + '[providers.ziekenhuiszandoord]\ndisplay_name = "Zandoord"\nservices = ["48", "50"]\n'
    )
    return str(config)


def test_a_registration_that_fits_passes_the_check(tmp_path: Path) -> None:
    """IFV-04."""
    found = run("check", "--config", _registered(tmp_path, "48", "50"))
    assert found.exit_code == 0, found.output


def test_a_registration_that_differs_is_a_finding(tmp_path: Path) -> None:
    """IFV-04."""
    found = run("check", "--config", _registered(tmp_path, "48"))
    assert found.exit_code == 1
    assert "service 50: we offer it, the list does not have it" in found.output


def test_a_gateway_that_runs_tells_a_difference_once(tmp_path: Path) -> None:
    """IFV-04: at each refresh the lists are looked at; the alarm comes when a difference appears."""
    config = load(Path(_registered(tmp_path, "48")))
    heard: list[Notice] = []
    in_use, puller = open_lists(
        config.lists,
        config.tls,
        notify=lambda notice: None,
        after=RegistrationWatch(lambda: registered(config), heard.append),
    )
    for _ in range(2):
        asyncio.run(puller.refresh())
    assert in_use.state.usable()
    assert [notice.type for notice in heard] == [NoticeType.REGISTRATION_DIFFERS]


def test_the_demo_client_may_ask_for_every_service_that_the_gateway_knows() -> None:
    """TOKEN-12: what the client list does not state would silently fall out of the demo's token."""
    client = json.loads(run("show", "clients", "--json").output)["pgo.demo.example"]
    assert set(client["services"]) == set(catalogue().services)
