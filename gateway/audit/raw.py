"""Rows of the trail as they really stand in the database, whatever was put there.

SQLite keeps any type in any column, and PostgreSQL has moments that Python has not: reading them as what they should be
would end a check at the very row that was tampered with.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Connection

_AT = {"sqlite": "at", "postgresql": "timezone('UTC', at)::text AS at"}
_BEFORE = {"sqlite": "before", "postgresql": "timezone('UTC', before)::text AS before"}
TABLES = {
    "audit_record": ("chain, sequence, {at}, person, provider, record, mac", "chain, sequence"),
    "audit_removal": ("number, {at}, chain, through, count, {before}, mac, seal", "number"),
}
"""Columns and order in which a table is walked."""
MAC = 32
"""Bytes of a mac."""


class Text(bytes):
    """What SQLite keeps as text, apart from what it keeps as a blob."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A row in which everything has the right type."""

    chain: str
    sequence: int
    at: datetime
    person: str
    provider: str
    record: bytes
    mac: bytes


@dataclass(frozen=True, slots=True)
class NoRecord:
    """A row in which something has not; what can be told of it. Without a chain, even that could not be read."""

    chain: str | None
    sequence: int | None
    mac: bytes | None
    text: str


def stored_records(connection: Connection) -> Iterator[Stored | NoRecord]:
    """Every record, chain by chain, in the order of its numbers."""
    for row in rows(connection, "audit_record"):
        chain, sequence, at = text_of(row[0]), number_of(row[1]), moment_of(row[2])
        person, provider = text_of(row[3]), text_of(row[4])
        record, mac = bytes_of(row[5]), bytes_of(row[6])
        mac = mac if mac is not None and len(mac) == MAC else None
        found = (chain, sequence, at, person, provider, record, mac)
        if None in found:
            yield _unreadable(found)
        else:
            yield Stored(*cast("tuple[str, int, datetime, str, str, bytes, bytes]", found))


def _unreadable(found: Sequence[Any]) -> NoRecord:
    names = ("chain", "sequence", "at", "person", "provider", "record", "mac")
    wrong = ", ".join(name for name, value in zip(names, found, strict=True) if value is None)
    mac = found[6]
    return NoRecord(found[0], found[1], mac, f"{wrong}: not of the type that it has to be")


def rows(connection: Connection, table: str) -> Iterator[Any]:
    """The rows of one of TABLES, without holding all of them. The connection may not be used for anything else."""
    kind = connection.dialect.name
    columns, order = TABLES[table]
    shown = columns.format(at=_AT[kind], before=_BEFORE[kind])
    with _as_it_is(connection):
        yield from connection.execution_options(yield_per=1000).exec_driver_sql(
            f"SELECT {shown} FROM {table} ORDER BY {order}"  # noqa: S608 - our own names
        )


@contextmanager
def _as_it_is(connection: Connection) -> Iterator[None]:
    """Text of SQLite as bytes: it need not be text at all."""
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name != "sqlite":
        yield
        return
    before, driver.text_factory = driver.text_factory, Text
    try:
        yield
    finally:
        driver.text_factory = before


def text_of(value: object) -> str | None:
    """A text, or None."""
    if isinstance(value, Text):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return value if isinstance(value, str) else None


def number_of(value: object) -> int | None:
    """A whole number, or None."""
    return value if isinstance(value, int) else None


def bytes_of(value: object) -> bytes | None:
    """Bytes that are no text, or None."""
    if isinstance(value, memoryview):
        return bytes(value)
    return value if isinstance(value, bytes) and not isinstance(value, Text) else None


def moment_of(value: object) -> datetime | None:
    """A moment in UTC, as both databases write it down without saying so; or None."""
    shown = text_of(value)
    try:
        return None if shown is None else datetime.fromisoformat(shown).replace(tzinfo=UTC)
    except ValueError:
        return None
