"""Signed heads: kept outside the database, and what is missing is named by the command (LOG-10)."""

import asyncio
import base64
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from databases import KINDS, database
from hypothesis import given
from hypothesis import strategies as st
from live_house import listening
from servers import free_port
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from timing import START, until

from gateway.audit.heads import Head, Signer, key_id, private_key, read_heads
from gateway.audit.record import AuditRecord
from gateway.audit.signing import open_heads
from gateway.audit.trail import Trail
from gateway.cli.db import upgrade
from gateway.cli.main import cli
from gateway.settings import TEST_KEY, SettingsError, load
from gateway.store.engine import open_engine

SECRET = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(1, 33))).decode()
HEAD = Head("2.0123", 7, b"m" * 32, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def record(number: int, at: datetime | None = None) -> AuditRecord:
    return AuditRecord("pgo:resource:read", at or datetime.now(UTC), 200, provider="z", person=f"p{number}")


class Institution:
    """A gateway's settings in the environment, its store, and its trail."""

    def __init__(self, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, places: tuple[str, ...] = ()) -> None:
        self.file = folder / "heads" / "gateway.jsonl"
        self.places = places or (f"file://{self.file}",)
        self.monkeypatch = monkeypatch
        self.set(DATABASE_URL=url, AUDIT__PLACES=json.dumps(self.places), AUDIT__SIGNING_KEY=SECRET)
        self.engine = open_engine(url)
        upgrade(self.engine)

    def set(self, **values: str) -> None:
        for name, value in values.items():
            self.monkeypatch.setenv(f"GATEWAY_{name}", value)

    def write(self, count: int, at: datetime | None = None) -> str:
        """A run of a command that leaves so many records; its chain."""
        settings = load()
        trail = Trail(self.engine, TEST_KEY.encode(), stating=open_heads(settings.audit))
        trail.write_now([record(number, at) for number in range(count)])
        trail.stop()
        return trail.chain

    def run(self, statement: str, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def audit(self, *arguments: str) -> tuple[int, Any]:
        result = CliRunner().invoke(cli, ["audit", *arguments, "--json"])
        assert not isinstance(result.exception, Exception), result.output
        return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def institution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Institution]:
    made = Institution(f"sqlite:///{tmp_path}/gateway.db", tmp_path, monkeypatch)
    yield made
    made.engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_names_what_is_missing(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LOG-10: which chain, from which number, since when; as JSON and in words."""
    with database(kind, tmp_path) as url:
        world = Institution(url, tmp_path, monkeypatch)
        sound, cut, gone = world.write(2), world.write(4), world.write(3)
        code, told = world.audit("verify")
        assert (code, told["faults"], told["unsigned"]) == (0, [], [])
        assert (told["records"], told["chains"], told["statements"]) == (9, 3, 3)
        world.run("DELETE FROM audit_record WHERE chain = :chain AND sequence = 4", chain=cut)
        world.run("DELETE FROM audit_record WHERE chain = :chain", chain=gone)
        code, told = world.audit("verify")
        faults = {one["chain"]: one for one in told["faults"]}
        assert code == 1
        assert (faults[cut]["kind"], faults[cut]["sequence"]) == ("cut", 4)
        assert (faults[gone]["kind"], faults[gone]["sequence"]) == ("gone", 1)
        assert faults[cut]["since"]
        assert faults[gone]["since"]
        assert sound not in faults
        words = CliRunner().invoke(cli, ["audit", "verify"])
        assert "record 4 to 4 are" not in words.output
        assert "the whole chain is missing: records 1 to 3" in words.output
        world.engine.dispose()


def test_garbage_is_a_finding_and_never_a_traceback(institution: Institution) -> None:
    chain = institution.write(5)
    for number, column, value in ((1, "record", "text"), (2, "at", "yesterday"), (3, "person", b"\xff"), (4, "mac", 7)):
        institution.run(
            f"UPDATE audit_record SET {column} = :value WHERE sequence = :number",
            value=value,
            number=number,
        )
    code, told = institution.audit("verify")
    assert code == 1
    assert [(one["chain"], one["sequence"], one["kind"]) for one in told["faults"]] == [
        (chain, number, "unreadable") for number in (1, 2, 3, 4)
    ]


@pytest.mark.parametrize("report", ["usage", "evidence"])
@pytest.mark.parametrize(("column", "value"), [("record", "text"), ("record", b"{"), ("at", "yesterday")])
def test_a_report_says_that_it_cannot_count_garbage(
    institution: Institution, report: str, column: str, value: object
) -> None:
    institution.write(2)
    institution.run(f"UPDATE audit_record SET {column} = :value WHERE sequence = 1", value=value)
    result = CliRunner().invoke(cli, ["report", report])
    assert not isinstance(result.exception, Exception), result.output
    assert result.exit_code == 1
    assert "gateway audit verify" in result.stderr


def test_chains_that_nobody_signs_any_more_are_signed_by_command(institution: Institution) -> None:
    """Those of earlier releases, or of a process that was killed."""
    institution.set(AUDIT__PLACES="[]")
    chain = institution.write(3)
    assert institution.audit("verify")[1]["unsigned"] == [chain]
    institution.set(AUDIT__PLACES=json.dumps(institution.places))
    code, told = institution.audit("verify")
    assert (code, told["after_last_head"]) == (1, 0)
    assert "there are no statements at" in told["faults"][0]["text"]
    signed = CliRunner().invoke(cli, ["audit", "sign"])
    assert (signed.exit_code, signed.output.strip()) == (0, "1 heads signed")
    assert institution.audit("verify")[0] == 0
    institution.run("DELETE FROM audit_record")
    assert institution.audit("verify")[1]["faults"][0]["kind"] == "gone"
    # What does not fit is not signed as if it did.
    assert CliRunner().invoke(cli, ["audit", "sign"]).exit_code == 1


def test_records_expire_and_the_trail_still_fits(institution: Institution) -> None:
    """LOG-12: five years; what would go is said first, and that it went is signed and recorded."""
    chain = institution.write(3, datetime.now(UTC) - timedelta(days=1_828))
    young = institution.write(2)
    code, told = institution.audit("expire", "--dry-run")
    assert (code, told["removed"]) == (0, {chain: 3})
    assert institution.audit("verify")[1]["records"] == 5
    code, told = institution.audit("expire")
    assert (code, told["removed"], told["faults"]) == (0, {chain: 3}, [])
    code, told = institution.audit("verify")
    assert (code, told["faults"], told["removed"], told["records"]) == (0, [], 3, 3)
    assert told["unsigned"] == []
    institution.run("DELETE FROM audit_removal")
    code, told = institution.audit("verify")
    assert {one["chain"] for one in told["faults"]} == {chain, "removals"}
    assert young not in {one["chain"] for one in told["faults"]}


def test_heads_are_signed_while_the_process_runs(institution: Institution) -> None:
    """A process that is killed has lost no more than what came since the last round."""
    institution.set(AUDIT__SECONDS="1")

    async def live() -> None:
        trail = Trail(institution.engine, TEST_KEY.encode(), stating=open_heads(load().audit))
        await trail.write(record(1))
        assert await asyncio.to_thread(until, lambda: institution.file.exists() and institution.file.stat().st_size > 0)
        await trail.write(record(2))
        await trail.close()

    asyncio.run(live())
    heads, faults = read_heads([institution.file], [private_key(SECRET).public_key()])
    assert [one.sequence for one in heads] == [1, 2]
    assert faults == []


WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from gateway.audit.record import AuditRecord
from gateway.settings import load
from gateway.store.engine import open_engine
from gateway.wiring import open_trail

async def main():
    settings = load()
    trail = open_trail(open_engine(settings.database_url), settings)
    print(trail.chain, flush=True)
    for number in range(10_000):
        await trail.write(AuditRecord("pgo:resource:read", datetime.now(UTC), 200, provider="z", person=f"p{number}"))
        if sys.argv[1] == "stops" and number == 20:
            break
        await asyncio.sleep(0.01)
    await trail.close()

asyncio.run(main())
"""


def test_two_processes_write_and_one_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LOG-09: what both wrote fits, and both are signed; what the killed one had stated cannot be taken away."""
    with database("postgresql", tmp_path) as url:
        world = Institution(url, tmp_path, monkeypatch)
        command = [sys.executable, "-c", WRITER]
        with (
            subprocess.Popen([*command, "stops"], stdout=subprocess.PIPE, text=True) as stops,
            subprocess.Popen([*command, "killed"], stdout=subprocess.PIPE, text=True) as killed,
        ):
            assert killed.stdout is not None
            chain = killed.stdout.readline().strip()
            assert until(lambda: world.file.exists() and chain in world.file.read_text(), START)
            killed.kill()
            assert stops.wait(START) == 0
        code, told = world.audit("verify")
        assert (code, told["faults"], told["chains"], told["unsigned"]) == (0, [], 2, [])
        stated = {one.chain: one.sequence for one in read_heads([world.file], [private_key(SECRET).public_key()])[0]}
        assert told["after_last_head"] == told["records"] - sum(stated.values())
        world.run("DELETE FROM audit_record WHERE chain = :chain", chain=chain)
        faults = world.audit("verify")[1]["faults"]
        assert [(one["chain"], one["kind"]) for one in faults] == [(chain, "gone")]
        world.engine.dispose()


def test_a_place_that_does_not_answer_gets_the_newest_head_later(tmp_path: Path, institution: Institution) -> None:
    """It never holds up a request; the other places have theirs."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    institution.set(AUDIT__PLACES=json.dumps([f"file://{blocked}/heads", *institution.places]))
    heads = open_heads(load().audit)
    assert heads is not None
    heads.state(HEAD)
    assert heads.failures == 1
    assert heads.unsigned_seconds > 0
    blocked.unlink()
    heads.state(HEAD)
    assert heads.unsigned_seconds == 0
    known = [private_key(SECRET).public_key()]
    for file in (blocked / "heads", institution.file):
        assert [one.sequence for one in read_heads([file], known)[0]] == [7]


def test_a_syslog_and_an_object_store_take_heads(tmp_path: Path, institution: Institution) -> None:
    """And what is fetched from there is checked: lines behind what a syslog puts before them, a folder of objects."""
    objects = tmp_path / "objects"
    objects.mkdir()

    async def put(request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer of-the-store":
            return Response(status_code=403)
        (objects / request.path_params["name"]).write_bytes(await request.body())
        return Response(status_code=201)

    local, port = tmp_path / "log", free_port()
    with (
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as socket_,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp,
        closing(socket.create_server(("127.0.0.1", 0))) as tcp,
        listening(Starlette(routes=[Route("/bucket/{name}", put, methods=["PUT"])]), port),
    ):
        socket_.bind(str(local))
        udp.bind(("127.0.0.1", 0))
        places = (
            f"syslog://{local}",
            f"syslog://127.0.0.1:{udp.getsockname()[1]}",
            f"syslog+tcp://127.0.0.1:{tcp.getsockname()[1]}",
            f"http://127.0.0.1:{port}/bucket/",
        )
        institution.set(AUDIT__PLACES=json.dumps(places), AUDIT__AUTHORIZATION="Bearer of-the-store")
        chain = institution.write(3)
        received = [socket_.recv(2000), udp.recv(2000)]
        connection, _ = tcp.accept()
        with closing(connection):
            received.append(connection.makefile("rb").readline())
    fetched = tmp_path / "fetched.log"
    assert all(one.startswith(b"<86>medmij-gateway: {") for one in received)
    fetched.write_bytes(b"\n".join([b"Jan  1 00:00:00 host sshd: something else", *received]))
    for path in (fetched, objects):
        code, told = institution.audit("verify", "--heads", str(path))
        assert (code, told["faults"], told["unsigned"]) == (0, [], [])
        assert told["statements"] == (3 if path is fetched else 1)
    institution.run("DELETE FROM audit_record WHERE chain = :chain", chain=chain)
    assert institution.audit("verify", "--heads", str(objects))[1]["faults"][0]["kind"] == "gone"


@given(place=st.integers(0, 10_000), value=st.integers(1, 255))
def test_a_statement_that_was_changed_is_not_believed(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    """LOG-10: whatever byte of it."""
    line = bytearray(Signer(private_key(SECRET)).line(HEAD))
    line[place % len(line)] ^= value
    file = tmp_path_factory.getbasetemp() / "changed.jsonl"
    file.write_bytes(bytes(line) + b"\n")
    heads, _ = read_heads([file], [private_key(SECRET).public_key()])
    assert heads == []


def test_a_statement_of_another_key_is_a_finding_until_the_key_is_known(institution: Institution) -> None:
    institution.write(2)
    institution.set(AUDIT__SIGNING_KEY=OTHER)
    code, told = institution.audit("verify")
    assert code == 1
    assert "not known" in told["faults"][0]["text"]
    before = private_key(SECRET).public_key()
    assert key_id(before) in told["faults"][0]["text"]
    institution.set(AUDIT__PUBLIC_KEYS=json.dumps([base64.b64encode(before.public_bytes_raw()).decode()]))
    assert institution.audit("verify")[0] == 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AUDIT__SIGNING_KEY", "short", "base64 of 32 bytes"),
        ("AUDIT__PUBLIC_KEYS", '["short"]', "base64 of 32 bytes"),
        ("AUDIT__PLACES", '["ftp://elsewhere/heads"]', "a place is file:///PATH"),
        ("AUDIT__PLACES", '["http://elsewhere/heads"]', "a place is file:///PATH"),
        ("AUDIT__PLACES", '["file:///var/heads"]', "places need a signing_key"),
    ],
)
def test_wrong_settings_are_told(name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"GATEWAY_{name}", value)
    with pytest.raises(SettingsError, match=words):
        load()


def test_a_key_is_made_by_command() -> None:
    lines = dict(line.split() for line in CliRunner().invoke(cli, ["audit", "key"]).output.splitlines())
    made = private_key(lines["signing_key"]).public_key()
    assert base64.b64encode(made.public_bytes_raw()).decode() == lines["public_key"]
    assert isinstance(private_key(lines["signing_key"]), Ed25519PrivateKey)
