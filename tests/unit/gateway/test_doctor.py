"""gateway doctor (SC-H1): it names setting, file and date, and looks on after the first fault."""

import json
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, BaseServer, UDPServer

import pytest
from click.testing import CliRunner
from databases import database
from security.pki import Authority

from gateway.cli.db import upgrade
from gateway.cli.doctor import examine
from gateway.cli.main import cli
from gateway.cli.preflight import PreflightLine, clock, guarded
from gateway.settings import Settings, load
from gateway.store.engine import open_engine
from gateway.testmode import completed, installed


def looked(settings: Settings, ntp: str = "") -> dict[str, list[PreflightLine]]:
    found: dict[str, list[PreflightLine]] = {}
    for line in examine(completed(settings, installed(settings)), ntp):
        found.setdefault(line.what, []).append(line)
    return found


@contextmanager
def served(server: BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def ntp(late: float) -> Iterator[str]:
    """A time server whose clock is this many seconds ahead of ours."""

    class Answer(BaseRequestHandler):
        def handle(self) -> None:
            at = datetime.now(UTC).timestamp() + late + clock.NTP_EPOCH
            self.request[1].sendto(b"\x1c" + 39 * b"\0" + struct.pack("!II", int(at), 0), self.client_address)

    with UDPServer(("127.0.0.1", 0), Answer) as server, served(server):
        yield f"127.0.0.1:{server.server_address[1]}"


@contextmanager
def https(folder: Path, late: float) -> Iterator[str]:
    """A server that tells the time in its Date header, whose certificate nobody here trusts."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(404)
            moment = datetime.now(UTC) + timedelta(seconds=late)
            self.send_header("Date", format_datetime(moment, usegmt=True))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Say nothing."""

    certificate, key = Authority("Root").issue("login.example").write(folder, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with served(server):
            yield f"https://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize(("late", "level"), [(0.0, "ok"), (10.0, "warning"), (600.0, "error"), (-600.0, "error")])
def test_a_clock_that_is_wrong_is_told_by_whatever_other_clock_there_is(
    late: float, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node whose clock is minutes away takes tokens and assertions too long, or refuses all."""
    with ntp(late) as server, https(tmp_path, late) as login:
        monkeypatch.setenv("GATEWAY_AUTH__LOGIN__ISSUER", login)
        lines = list(clock.check(load(), server))
    assert [line.level for line in lines] == [level, level]
    assert ("behind" if late > 0 else "ahead of") in lines[0].text or late == 0


def test_a_clock_that_does_not_answer_is_a_warning() -> None:
    assert [line.level for line in clock.check(load(), "127.0.0.1:1")] == ["warning"]


def test_it_looks_on_after_the_first_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer hides neither the host that is not found nor the key that is no key."""
    (tmp_path / "login.key").write_text("no key")
    for name, value in {
        "GATEWAY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "GATEWAY_CHAIN_LOG__URL": "https://logs.invalid/events",
        "GATEWAY_AUTH__LOGIN__PRIVATE_KEY_FILE": str(tmp_path / "login.key"),
        "GATEWAY_LISTEN_PORT": "8081",
    }.items():
        monkeypatch.setenv(name, value)
    found = looked(load())
    assert "does not answer" in found["database"][0].text
    assert found["host logs.invalid"][0].level == "error"
    assert "(chain_log.url)" in found["host logs.invalid"][0].text
    assert str(tmp_path / "login.key") in found["key auth.login.private_key_file"][0].text
    assert found["key auth.login.private_key_file"][0].level == "error"
    assert found["variable GATEWAY_LISTEN_PORT"][0].text == "is no setting: nothing reads it"
    assert {line.level for lines in found.values() for line in lines} == {"ok", "warning", "error"}


def test_a_check_that_fails_is_a_line_and_not_the_end() -> None:
    def odd(_settings: Settings) -> Iterator[PreflightLine]:
        yield PreflightLine("first", "ok", "")
        raise ZeroDivisionError("by nothing")

    lines = list(guarded("odd", odd, load()))
    assert [(line.what, line.level) for line in lines] == [("first", "ok"), ("odd", "error")]


def test_what_a_production_needs_and_has_not_is_named_with_its_variable() -> None:
    done = CliRunner().invoke(cli, ["doctor", "--json"], env={"GATEWAY_MODE": "production"})
    assert done.exit_code == 1
    told = {row["what"]: row["text"] for row in json.loads(done.stdout)}
    for name in ("GATEWAY_AUDIT_KEY", "GATEWAY_AUTH__PSEUDONYM_KEY", "GATEWAY_AUTH__SEAL_KEYS"):
        assert any(name in text for what, text in told.items() if what.startswith("setting "))
    assert not [row for row in json.loads(done.stdout) if row["what"] == "settings" and "audit_key" in row["text"]]


def test_settings_that_cannot_be_read_are_lines_too() -> None:
    environment = {"GATEWAY_LISTEN__PORT": "none", "GATEWAY_MODE": "prod"}
    done = CliRunner().invoke(cli, ["doctor", "--json"], env=environment)
    assert done.exit_code == 1
    assert [row["text"].partition(":")[0] for row in json.loads(done.stdout)] == ["mode", "listen.port"]


@pytest.mark.postgres
def test_of_postgresql_it_tells_release_size_clock_and_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with database("postgresql", tmp_path) as url:
        monkeypatch.setenv("GATEWAY_DATABASE_URL", url)
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        found = looked(load())
    assert found["database"][0].level == "ok"
    assert found["PostgreSQL"][0].text.startswith("release ")
    assert any("the database" in line.text and line.level == "ok" for line in found["clock"])
    assert found["disk"]


def test_the_file_of_the_store_is_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_DATABASE_URL", f"sqlite:///{tmp_path}/gateway.db")
    engine = open_engine(load().database_url)
    upgrade(engine)
    engine.dispose()
    (tmp_path / "gateway.db").chmod(0o644)
    texts = [line.text for line in looked(load())["database"] if line.level == "error"]
    assert [text for text in texts if "others than its owner may read it" in text]


def test_a_name_that_is_no_setting_is_told_with_those_like_it(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("banana = 1\n[limits]\nbody_byte = 3\n")
    done = CliRunner().invoke(cli, ["doctor", "--json", "--config", str(file)])
    assert done.exit_code == 1
    told = [row["text"] for row in json.loads(done.stdout)]
    assert sorted(told) == [
        "banana: is no setting",
        "limits.body_byte: is no setting (did you mean body_bytes or query_bytes?)",
    ]
