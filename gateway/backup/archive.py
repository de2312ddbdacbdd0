"""Making a backup from a store that is in use, and putting one back into an empty store."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, TypeVar

import msgspec
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, Table, func, insert, select, text

from gateway.backup.contents import End, Manifest, Rows, batches, chosen, parameters, reflected
from gateway.backup.envelope import BackupError, Opener, Recipient, Sealing, opened
from gateway.store.engine import snapshot
from gateway.version import SOFTWARE

T = TypeVar("T")

Marks = Mapping[str, str]
"""Fingerprints of keys, by the name of the setting."""


def back_up(
    engine: Engine, out: BinaryIO, recipient: Recipient, *, marks: Marks, keys: Mapping[str, Any], everything: bool
) -> Counter[str]:
    """Write a backup; the number of rows by table. The store goes on meanwhile: all rows are of one moment.

    ``keys`` are the keys themselves, empty when they are kept elsewhere.
    """
    counts: Counter[str] = Counter()
    with snapshot(engine) as connection:
        schema = MigrationContext.configure(connection).get_current_revision()
        if schema is None:
            raise BackupError("the store has no tables: gateway db upgrade")
        tables = chosen(reflected(connection), everything=everything)
        sealing = Sealing(out, recipient)
        names = tuple(str(table.name) for table in tables)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        sealing.chunk(msgspec.msgpack.encode(Manifest(made, SOFTWARE, schema, names, dict(marks), dict(keys))))
        for table in tables:
            for rows in batches(connection, table):
                sealing.chunk(msgspec.msgpack.encode(rows))
                counts[str(table.name)] += len(rows.rows)
    sealing.close(msgspec.msgpack.encode(End(dict(counts))))
    return counts


def manifest_of(file: BinaryIO, opener: Opener) -> tuple[Manifest, Iterator[bytes]]:
    """What a backup says of itself, and the chunks that follow. Raises BackupError."""
    chunks = opened(file, opener)
    try:
        return msgspec.msgpack.decode(next(chunks), type=Manifest), chunks
    except (msgspec.MsgspecError, StopIteration):
        raise BackupError("the backup does not begin with what it holds") from None


def restore(
    engine: Engine, manifest: Manifest, chunks: Iterator[bytes], upgrade: Callable[[str], None]
) -> Counter[str]:
    """Fill an empty store; the number of rows by table. All of it or nothing.

    ``upgrade`` makes the schema of a revision: that of the backup first, so that its rows fit; the newest is for the
    caller to ask afterwards. Raises BackupError for a store that holds anything.
    """
    with engine.connect() as connection:
        if full := _filled(connection):
            raise BackupError(f"the store is not empty: {full} has rows; a restore goes into an empty one only")
    upgrade(manifest.schema)
    counts: Counter[str] = Counter()
    with engine.begin() as connection:
        # Again, now that nobody else can write: what came in since would be mixed with what is put back.
        if full := _filled(connection):
            raise BackupError(f"the store is not empty: {full} has rows")
        tables = reflected(connection)
        for last, chunk in _with_last(chunks):
            if last:
                _complete(chunk, counts)
                break
            rows = _decoded(chunk, Rows)
            table = tables.get(rows.table)
            if table is None or rows.table not in manifest.tables:
                raise BackupError(f"the backup has rows of {rows.table}, which is not a table of its schema")
            connection.execute(insert(table), parameters(table, rows, engine.dialect.name))
            counts[rows.table] += len(rows.rows)
        if engine.dialect.name == "postgresql":
            _advance(connection, tables)
    return counts


def _filled(connection: Connection) -> str:
    """The first table that has a row; empty when none has."""
    metadata = MetaData()
    metadata.reflect(connection)
    for table in metadata.sorted_tables:
        if table.name != "alembic_version" and connection.execute(select(table).limit(1)).first() is not None:
            return str(table.name)
    return ""


def _with_last(chunks: Iterator[bytes]) -> Iterator[tuple[bool, bytes]]:
    held = next(chunks, None)
    while held is not None:
        following = next(chunks, None)
        yield following is None, held
        held = following


def _decoded(chunk: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(chunk, type=kind)
    except msgspec.MsgspecError:
        raise BackupError("a part of the backup is not what it should be") from None


def _complete(chunk: bytes, counts: Mapping[str, int]) -> None:
    wanted = _decoded(chunk, End).counts
    if wanted != dict(counts):
        raise BackupError("the backup does not hold as many rows as it says")


def _advance(connection: Connection, tables: Mapping[str, Table]) -> None:
    """Let numbers that PostgreSQL gives out begin after those that were put back."""
    for table in tables.values():
        for column in table.primary_key:
            named = {"table": table.name, "column": column.name}
            sequence = connection.execute(text("select pg_get_serial_sequence(:table, :column)"), named).scalar()
            if sequence:
                most = connection.execute(select(func.max(column))).scalar()
                if most is not None:
                    connection.execute(text("select setval(:sequence, :most)"), {"sequence": sequence, "most": most})
