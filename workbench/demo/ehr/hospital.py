"""The EHR of the hospital in the demo: the sample database with its dates as of today, and only its own people."""

import re
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

from adapters.sql import sample

WRITTEN = date(2026, 11, 22)
"""The day on which the sample's dates are true."""

KEPT = ("1001", "1002")
"""The patients of the sample that the demo world has data of at the hospital: Joke and Bram."""

_DATE = re.compile(r"'(\d{4}-\d{2}-\d{2})(?=[ ']|T)")


def fill(path: Path, day: date) -> str:
    """Make the EHR in a new SQLite file, as it is on ``day``; gives its database URL."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sample.SCHEMA.read_text("utf-8"))
        connection.executescript(_shifted(sample.DATA.read_text("utf-8"), day - WRITTEN))
        marks = ",".join("?" for _ in KEPT)
        for lives in ("patient", "contact_person"):
            theirs = f"select address_id from {lives} where patient_id not in ({marks})"  # noqa: S608
            connection.execute(f"delete from address where address_id in ({theirs})", KEPT)  # noqa: S608
        for table in _with_patients(connection):
            connection.execute(f"delete from {table} where patient_id not in ({marks})", KEPT)  # noqa: S608
        # Letters come out of the archive (the store), with their content.
        connection.execute("delete from document")
        connection.commit()
    return f"sqlite:///{path}"


def _with_patients(connection: sqlite3.Connection) -> list[str]:
    tables = [str(name) for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
    return [
        table
        for table in tables
        if any(column[1] == "patient_id" for column in connection.execute(f"pragma table_info({table})"))
    ]


def _shifted(script: str, by: timedelta) -> str:
    def moved(found: re.Match[str]) -> str:
        return f"'{date.fromisoformat(found[1]) + by}"

    return _DATE.sub(moved, script)
