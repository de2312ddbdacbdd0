"""What is in a backup: a manifest, rows of tables, and an end that counts them. One form for both databases."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Date, DateTime, LargeBinary, MetaData, Table, select

from gateway.backup.envelope import BackupError
from gateway.calendar import utc

RECORDS = (
    "auth_family",
    "auth_refresh_token",
    "auth_consent",
    "audit_record",
    "audit_removal",
    "patient_alias",
    "release_flag",
    "person_case",
    "usage_event",
    "usage_chain",
    "usage_key",
    "usage_report",
    "referral",
    "referral_event",
    "submission",
    "shared_item",
    "shared_content",
    "share_deed",
    "filing",
    "subscription",
)
"""What no system can give again: consents and what lives by them, the access trail, which numbers were merged, what
was referred to whom, and what citizens sent."""

NEVER = frozenset(
    {
        "auth_session",
        "staff_session",
        "auth_code",
        "auth_access_token",
        "exchange_assertion",
        "exchange_token",
        "intake_assertion",
        "intake_token",
        "alembic_version",
    }
)
"""What is over before a restore is done."""

BATCH_BYTES = 4_000_000


class Manifest(msgspec.Struct, frozen=True):
    """The first chunk. ``keys`` are settings by name, ``marks`` the fingerprints of keys that the rows need."""

    made: str
    version: str
    schema: str
    tables: tuple[str, ...]
    marks: dict[str, str]
    keys: dict[str, Any] = {}


class Rows(msgspec.Struct, frozen=True):
    """Some rows of one table, each a value per column."""

    table: str
    columns: tuple[str, ...]
    rows: list[list[Any]]


class End(msgspec.Struct, frozen=True):
    """The last chunk: how many rows each table had."""

    counts: dict[str, int]


def reflected(connection: Connection) -> Mapping[str, Table]:
    """The tables of the database as they are, parents before children."""
    metadata = MetaData()
    metadata.reflect(connection)
    return {str(table.name): table for table in metadata.sorted_tables}


def chosen(tables: Mapping[str, Table], *, everything: bool) -> list[Table]:
    """The tables that a backup has, in the order in which they can be filled."""
    return [one for name, one in tables.items() if name not in NEVER and (everything or name in RECORDS)]


def batches(connection: Connection, table: Table) -> Iterator[Rows]:
    """Every row of a table, in chunks of bounded size."""
    columns = list(table.columns)
    names = tuple(str(column.name) for column in columns)
    held: list[list[Any]] = []
    size = 0
    found = connection.execution_options(yield_per=200).execute(select(table).order_by(*table.primary_key))
    for row in found:
        values = [_plain(value) for value in row]
        held.append(values)
        size += sum(len(value) if isinstance(value, bytes | str) else 8 for value in values)
        if size > BATCH_BYTES:
            yield Rows(str(table.name), names, held)
            held, size = [], 0
    if held:
        yield Rows(str(table.name), names, held)


def parameters(table: Table, rows: Rows, dialect: str) -> list[dict[str, Any]]:
    """Rows as this database takes them. Raises BackupError for a column that it has not."""
    absent = [name for name in rows.columns if name not in table.columns]
    if absent:
        raise BackupError(f"{table.name} has no column {absent[0]} here")
    columns = [table.columns[name] for name in rows.columns]
    return [
        {column.name: _value(column.type, value, dialect) for column, value in zip(columns, row, strict=True)}
        for row in rows.rows
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        # SQLite has moments without a zone, which are UTC.
        return (utc(value)).astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return bytes(value) if isinstance(value, memoryview) else value


def _value(kind: Any, value: Any, dialect: str) -> Any:
    if value is None:
        return None
    if isinstance(kind, DateTime):
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=None) if dialect == "sqlite" else moment
    if isinstance(kind, Date):
        return date.fromisoformat(value)
    return bytes(value) if isinstance(kind, LargeBinary) else value
