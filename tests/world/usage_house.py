"""A store with visits in it, and the command line on it."""

import random
from datetime import datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from sqlalchemy import Engine
from world.usage_year import PROVIDER, Institution, Visitor, collected

from gateway.cli.db import upgrade
from gateway.cli.main import cli
from gateway.settings import TEST_KEY, load
from gateway.store.engine import open_engine
from gateway.usage.keys import YearKeys
from gateway.wiring import keys_of


class UsageHouse:
    """A store, and the command line on it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.engine: Engine = open_engine(url)
        upgrade(self.engine)
        self.config = folder / "gateway.toml"
        self.config.write_text(f'database_url = "{url}"\n')
        self.pseudonyms, self.ring = keys_of(load(None, database_url=url))

    def run(self, *args: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(cli, [*args, "--config", str(self.config)], input=typed)

    def month(self, deed: str, text: str = "2026-03", *more: str) -> Result:
        return self.run("report", "month", deed, text, "--provider", PROVIDER, *more)

    def visit(self, start: datetime, number: str = "123456782", **more: Any) -> None:
        """Somebody collects."""
        house = Institution(self.engine, random.Random(f"{start.isoformat()} {number}"), key=TEST_KEY.encode())
        house.ledger.keys = YearKeys(self.ring)
        collected(Visitor(house, number, start, "pgo.een.example", "48", pseudonyms=self.pseudonyms, **more))
        house.flush_now()
