"""What a file says about the same resource more than once, found before anything is stored. It is kept on disk."""

import sqlite3
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource


class Seen:
    """The resources of one file, by type and id, with a hash of what was said. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._store = sqlite3.connect(path)
        self._store.executescript(
            "pragma journal_mode=off; pragma synchronous=off;"
            "create table said (key text primary key, line integer, hash blob) without rowid;"
            "create table double (key text primary key) without rowid;"
        )

    def __enter__(self) -> "Seen":
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()
        self._path.unlink(missing_ok=True)

    def note(self, key: str, line: int, said: Resource | None) -> None:
        """Remember what a line says; None: that it is gone."""
        digest = blake2b(jsonio.dump(said) if said is not None else b"", digest_size=16).digest()
        with closing(self._store.execute("select hash from said where key = ?", (key,))) as found:
            row = found.fetchone()
        if row is None:
            self._store.execute("insert into said values (?, ?, ?)", (key, line, digest))
        elif row[0] != digest:
            self._store.execute("insert or ignore into double values (?)", (key,))

    def differs(self, key: str) -> bool:
        """Whether the file says different things about this resource."""
        return self._store.execute("select 1 from double where key = ?", (key,)).fetchone() is not None

    def first(self, key: str) -> int:
        """The line that says it first."""
        row = self._store.execute("select line from said where key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0
