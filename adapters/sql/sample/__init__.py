"""A sample hospital EHR: schema, invented data and a mapping for every row of the BgZ. For demos, tests and copying."""

import sqlite3
from contextlib import closing
from pathlib import Path

_HERE = Path(__file__).parent

SCHEMA = _HERE / "schema.sql"
DATA = _HERE / "data.sql"
MAPPING = _HERE / "mapping.yaml"


def fill_sqlite(path: Path) -> str:
    """Make the sample EHR in a new SQLite file; gives its database URL. For PostgreSQL, run the two SQL files."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA.read_text("utf-8"))
        connection.executescript(DATA.read_text("utf-8"))
    return f"sqlite:///{path}"
