"""Many rows of a table at once, with as little as possible between us and the driver.

On SQLite everybody who writes waits for the one who does, every read among them, since its access record is a write.
SQLAlchemy spends more time on the parameters of thousands of rows than SQLite on the rows, and with the lock held.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, LargeBinary, Table, bindparam, insert, update


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all name the same columns; nothing for none. No defaults are filled in."""
    if not rows:
        return
    if connection.dialect.name != "sqlite" or len(rows) == 1:
        connection.execute(insert(table), rows)
        return
    names = list(rows[0])
    values: list[Sequence[Any]] = [_column(connection.dialect, table, name, rows) for name in names]
    marks = ", ".join("?" * len(names))
    statement = f'INSERT INTO "{table.name}" ({", ".join(names)}) VALUES ({marks})'  # noqa: S608 - names of our schema
    connection.exec_driver_sql(statement, list(zip(*values, strict=True)))


def update_rows(connection: Connection, table: Table, by: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give rows, each found by its value of the column ``by``, the other values; nothing for none."""
    if not rows:
        return
    names = [name for name in rows[0] if name != by]
    if connection.dialect.name != "sqlite" or len(rows) == 1:
        found = update(table).where(table.c[by] == bindparam("which"))
        given = [{"which": row[by], **{name: row[name] for name in names}} for row in rows]
        connection.execute(found.values({name: bindparam(name) for name in names}), given)
        return
    values = [_column(connection.dialect, table, name, rows) for name in (*names, by)]
    sets = ", ".join(f"{name} = ?" for name in names)
    statement = f'UPDATE "{table.name}" SET {sets} WHERE {by} = ?'  # noqa: S608 - names of our schema
    connection.exec_driver_sql(statement, list(zip(*values, strict=True)))


def _column(dialect: Dialect, table: Table, name: str, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
    """The values of a column as the driver takes them."""
    kind = table.c[name].type
    found = list(map(itemgetter(name), rows))
    # The driver takes bytes as they are.
    change: Callable[[Any], Any] | None = (
        None if isinstance(kind, LargeBinary) else kind.dialect_impl(dialect).bind_processor(dialect)
    )
    return found if change is None else [change(value) for value in found]
