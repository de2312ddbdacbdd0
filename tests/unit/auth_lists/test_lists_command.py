"""gateway lists show, check and refresh: what they print and how they end."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from unit.auth_lists import listdocs as docs

from gateway.cli.lists import lists


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
