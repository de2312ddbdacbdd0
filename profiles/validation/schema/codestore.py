"""The institution's own code systems, in one SQLite file: which codes there are, what stands below what, refsets.

Licensed systems (SNOMED CT, LOINC, G-Standaard, NHG, ICPC) come with no package; an institution that has them reads
them in once (`profiles.validation.schema.codefiles`), and codes can then be told right or wrong without a service.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS system (url TEXT PRIMARY KEY, title TEXT NOT NULL, codes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS code (url TEXT, code TEXT, display TEXT NOT NULL, PRIMARY KEY (url, code)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parent (url TEXT, code TEXT, above TEXT, PRIMARY KEY (url, code, above)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS member (url TEXT, refset TEXT, code TEXT, PRIMARY KEY (url, refset, code)) WITHOUT ROWID;
"""
ABOVE: Final = """
WITH RECURSIVE up(code) AS (
    SELECT above FROM parent WHERE url = :url AND code = :code
    UNION SELECT parent.above FROM up JOIN parent ON parent.url = :url AND parent.code = up.code
) SELECT code FROM up
"""


class StoreError(Exception):
    """A file that is no store of codes; the text may be shown."""


class Loaded(NamedTuple):
    """A code system in the store: its URL, what was read, and how many codes it has."""

    url: str
    title: str
    codes: int


class CodeStore:
    """Reads the store; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """StoreError when the file is not there or is no store."""
        try:
            uri = f"{path.resolve().as_uri()}?mode=ro"
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            rows = self._connection.execute("SELECT url, title, codes FROM system ORDER BY url").fetchall()
        except sqlite3.Error as fault:
            raise StoreError(f"{path.name} is no store of codes") from fault
        self.loaded: Final = tuple(Loaded(*row) for row in rows)
        self._urls = frozenset(row.url for row in self.loaded)
        self.above: Final = lru_cache(maxsize=16_384)(self._above)

    @property
    def label(self) -> str:
        """Names what is in the store: part of the key of cached verdicts."""
        return ",".join(f"{row.url}#{row.title}" for row in self.loaded)

    def knows(self, url: str) -> bool:
        """Whether the codes of a system are here."""
        return url in self._urls

    def has(self, url: str, code: str) -> bool:
        """Whether a system has a code."""
        row = self._connection.execute("SELECT 1 FROM code WHERE url = ? AND code = ?", (url, code)).fetchone()
        return row is not None

    def within(self, url: str, code: str, refset: str) -> bool:
        """Whether a code is a member of a refset."""
        asked = "SELECT 1 FROM member WHERE url = ? AND refset = ? AND code = ?"
        return self._connection.execute(asked, (url, refset, code)).fetchone() is not None

    def has_refset(self, url: str, refset: str) -> bool:
        """Whether a refset was read."""
        asked = "SELECT 1 FROM member WHERE url = ? AND refset = ? LIMIT 1"
        return self._connection.execute(asked, (url, refset)).fetchone() is not None

    def _above(self, url: str, code: str) -> frozenset[str]:
        """Everything that stands above a code."""
        return frozenset(row[0] for row in self._connection.execute(ABOVE, {"url": url, "code": code}))


def write(
    path: Path,
    url: str,
    title: str,
    codes: Iterable[tuple[str, str]],
    parents: Iterable[tuple[str, str]] = (),
    members: Iterable[tuple[str, str]] = (),
) -> Loaded:
    """Put a code system into the store, in place of what it had of it: all of it or, when something fails, nothing.

    ``codes`` are code and display, ``parents`` code and the code above it, ``members`` refset and code. StoreError when
    there are no codes, or the file is no store.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(SCHEMA)
            with connection:
                for table in ("system", "code", "parent", "member"):
                    connection.execute(f"DELETE FROM {table} WHERE url = ?", (url,))  # noqa: S608 (our own names)
                for table, rows in (("code", codes), ("parent", parents), ("member", members)):
                    insert = f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)"  # noqa: S608 (our own names)
                    connection.executemany(insert, ((url, *row) for row in rows))
                count = connection.execute("SELECT count(*) FROM code WHERE url = ?", (url,)).fetchone()[0]
                if not count:
                    raise StoreError(f"there are no codes of {url} in what was given")
                connection.execute("INSERT INTO system VALUES (?, ?, ?)", (url, title, count))
    except sqlite3.Error as fault:
        raise StoreError(f"{path.name} is no store of codes") from fault
    return Loaded(url, title, count)
