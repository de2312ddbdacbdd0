"""Reports are read from a replica where one is set, and from nowhere else then."""

from pathlib import Path

from click.testing import CliRunner
from databases import database

from gateway.cli.db import upgrade
from gateway.cli.main import cli
from gateway.store.engine import open_engine


def test_a_report_reads_the_replica(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        absent = {"GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path}/absent.db"}
        refused = CliRunner().invoke(cli, ["report", "usage"], env=absent)
        assert refused.exit_code != 0
        done = CliRunner().invoke(cli, ["report", "usage"], env={**absent, "GATEWAY_REPORT_DATABASE_URL": url})
        assert done.exit_code == 0, done.output
        assert not (tmp_path / "absent.db").exists()
