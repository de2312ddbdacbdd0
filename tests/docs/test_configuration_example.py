"""The production example of docs/configuration.md, taken from the page: it loads, is not refused, and serves."""

import asyncio
import base64
import re
from pathlib import Path

import httpx
import pytest
from security.pki import Authority, pem

from gateway.app import create_app
from gateway.cli.db import upgrade
from gateway.cli.doctor import examine
from gateway.settings import load, refusals
from gateway.store.engine import open_engine

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
EXAMPLE = re.compile(r"```toml\n(.*?)```", re.DOTALL)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example with its files under a folder of the test, and its secrets in the variables that the page names."""
    text = PAGE.read_text("utf-8")
    named = set(re.findall(r"^\| `(GATEWAY_\w+)` \| `", text, re.MULTILINE))
    key = base64.b64encode(b"k" * 32).decode()
    secrets = {
        "GATEWAY_AUDIT_KEY": "a" * 64,
        "GATEWAY_AUTH__PSEUDONYM_KEY": key,
        "GATEWAY_AUTH__SEAL_KEYS": f'{{"2026": "{key}"}}',
    }
    assert named == set(secrets)
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GATEWAY_DATABASE_URL", f"sqlite:///{tmp_path}/gateway.db")
    root = Authority("Root")
    issuing = Authority("Issuing", root)
    issuing.issue("medmij-bc.example").write(tmp_path, "back")
    issuing.issue("login.example").write(tmp_path, "login")
    for file in tmp_path.glob("*.key"):
        file.chmod(0o600)
    (tmp_path / "trust.pem").write_bytes(pem(root.certificate) + pem(issuing.certificate))
    (tmp_path / "crls").mkdir()
    found = EXAMPLE.search(text)
    assert found is not None
    file = tmp_path / "gateway.toml"
    moved = found[1].replace("/etc/medmij-gateway", str(tmp_path)).replace("/var/lib/medmij-gateway", str(tmp_path))
    file.write_text(moved)
    return file


def test_the_production_example_serves_as_it_stands_on_the_page(config: Path) -> None:
    settings = load(config)
    assert refusals(settings) == []
    engine = open_engine(settings.database_url)
    upgrade(engine)
    engine.dispose()
    app = create_app(settings)

    async def asked() -> tuple[int, httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://medmij.example") as client:
            return (await client.get("/health/live")).status_code, await client.get("/health/ready")

    live, ready = asyncio.run(asked())
    assert live == 200
    # No list was fetched yet, and until then nobody is let in.
    assert (ready.status_code, ready.json()) == (503, {"status": "no lists"})


def test_doctor_finds_nothing_wrong_with_the_example_but_what_is_not_there(config: Path) -> None:
    """SC-H1: of the example it names the files, and faults are those of a network that is not there."""
    lines = {line.what: line for line in examine(load(config))}
    assert lines["settings"].level == "ok"
    assert lines["key tls.back_key"].text == f"{config.parent}/back.key belongs to {config.parent}/back.pem"
    assert lines["certificate tls.back_certificate"].text.startswith(f"{config.parent}/back.pem: in force, until 20")
    assert lines["key auth.login.private_key_file"].level == "ok"
    assert "lists only" in lines["revocation tls"].text
    wrong = {what for what, line in lines.items() if line.level == "error"}
    hosts = {"login.example", "epd.internal", "stelselnode.medmij.nl", "crl.example"}
    assert wrong <= {"database", "lists", *(f"host {name}" for name in hosts)} | {
        what for what in wrong if what.startswith("list ")
    }
