"""Commands and the store they are pointed at: private files, nothing made by mistake, one clear line per fault."""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from auth.store.engine import engine_for
from gateway.cli.db import upgrade
from gateway.cli.main import cli
from gateway.store.engine import open_engine

PRODUCT = [sys.executable, "-c", "from gateway.cli.main import main; main()"]


def run(store: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the product in a process of its own, with this file as the store."""
    environment = {"GATEWAY_DATABASE_URL": f"sqlite:///{store}", "GATEWAY_MODE": "test", "PATH": ""}
    return subprocess.run(
        [*PRODUCT, *words], env=environment, capture_output=True, text=True, timeout=120, check=False, umask=0o002
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_files_of_a_store_are_for_their_owner_only(tmp_path: Path) -> None:
    store = tmp_path / "new" / "gateway.db"
    assert run(store, "db", "upgrade").returncode == 0
    assert mode(store) == 0o600
    engine = engine_for(f"sqlite:///{store}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE probe (x)")
        assert {mode(Path(f"{store}{end}")) for end in ("", "-wal", "-shm")} == {0o600}
    engine.dispose()


def test_an_upgrade_closes_a_store_that_was_open_to_others(tmp_path: Path) -> None:
    store = tmp_path / "gateway.db"
    sqlite3.connect(store).close()
    store.touch()
    store.chmod(0o664)
    engine = open_engine(f"sqlite:///{store}")
    upgrade(engine)
    engine.dispose()
    assert mode(store) == 0o600


@pytest.mark.parametrize(
    "words",
    [
        ["audit", "verify"],
        ["report", "usage"],
        ["intake", "list"],
        ["store", "outbox"],
        ["store", "history", "Flag/1", "--provider", "ziekenhuiszandoord"],
    ],
    ids=" ".join,
)
def test_a_command_makes_no_store_where_there_is_none(tmp_path: Path, words: Sequence[str]) -> None:
    done = run(tmp_path / "typo.db", *words)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"gateway: database: there is no store at {tmp_path}/typo.db; 'gateway db upgrade' makes one"
    ]
    assert list(tmp_path.iterdir()) == []


def test_doctor_tells_of_a_missing_store_and_makes_none(tmp_path: Path) -> None:
    done = run(tmp_path / "typo.db", "doctor")
    assert done.returncode == 1
    assert "there is no store at" in " ".join(done.stdout.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["db", "upgrade"], ["serve", "--port", "1"]], ids=" ".join)
def test_the_schema_of_a_later_release_is_one_clear_line(tmp_path: Path, words: Sequence[str]) -> None:
    store = tmp_path / "gateway.db"
    assert run(store, "db", "upgrade").returncode == 0
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    done = run(store, *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    *_, line = done.stderr.splitlines()
    assert line.startswith("gateway: database: its schema is 9999, this release knows none after 0")


@pytest.mark.parametrize(
    "words",
    [
        ["report", "usage"],
        ["report", "quality"],
        ["report", "evidence"],
        ["store", "history", "Flag/1"],
        ["adapters", "probe"],
        ["adapters", "preview", "1"],
        ["import", "."],
    ],
    ids=" ".join,
)
def test_a_provider_that_nobody_knows_is_an_error_everywhere(tmp_path: Path, words: Sequence[str]) -> None:
    store = tmp_path / "gateway.db"
    engine = open_engine(f"sqlite:///{store}")
    upgrade(engine)
    engine.dispose()
    environment = {"GATEWAY_DATABASE_URL": f"sqlite:///{store}", "GATEWAY_MODE": "test"}
    done = CliRunner().invoke(cli, [*words, "--provider", "ziekenhuiszandord"], env=environment)
    assert done.exit_code == 2
    *_, line = done.stderr.splitlines()
    assert "ziekenhuiszandord" in line
    assert "provider" in line
