"""what is held in quarantine tells whether it was pushed or imported; links and identifiers are kept once"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ONCE = (
    ("link", "resource_pk, target_type, target_id"),
    ("identity", "resource_pk, token"),
)
"""Tables that are nothing but their key: SQLite need not keep them a second time as an index."""


def upgrade() -> None:
    op.add_column(
        "quarantine",
        sa.Column(
            "door", sa.String(10), nullable=False, server_default="push", comment="push or import: who tries it again"
        ),
    )
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    for name, columns in ONCE:
        made, indexes = _definition(connection, name)
        op.execute(f"ALTER TABLE {name} RENAME TO {name}_before")
        for index, _ in indexes:
            op.execute(f"DROP INDEX {index}")
        op.execute(f"{made} WITHOUT ROWID")
        op.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {name}_before ORDER BY {columns}")  # noqa: S608
        op.execute(f"DROP TABLE {name}_before")
        for _, statement in indexes:
            op.execute(statement)


def _definition(connection: sa.Connection, name: str) -> tuple[str, list[tuple[str, str]]]:
    """How a table was made, and its indexes."""
    find = sa.text("SELECT name, type, sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL")
    rows = connection.execute(find, {"name": name}).all()
    table = next(row.sql for row in rows if row.type == "table")
    return table.rstrip(), [(row.name, row.sql) for row in rows if row.type == "index"]


def downgrade() -> None:
    raise NotImplementedError("what was packed since could not be read")
