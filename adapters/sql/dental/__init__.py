"""A sample dental system: schema, invented data and a mapping for dental care and MedMij Core (R4). For copying."""

import sqlite3
from contextlib import closing
from pathlib import Path

_HERE = Path(__file__).parent

MAPPING = _HERE / "mapping.yaml"


def fill_sqlite(path: Path) -> str:
    """Make the sample system in a new SQLite file; gives its database URL."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((_HERE / "schema.sql").read_text("utf-8"))
        connection.executescript((_HERE / "data.sql").read_text("utf-8"))
    return f"sqlite:///{path}"
