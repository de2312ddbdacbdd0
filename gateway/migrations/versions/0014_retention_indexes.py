"""what is past its time is found by an index: versions by when they came, changes by when they were"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INDEXES = (("ix_original_received", "original", "received"), ("ix_outbox_at", "outbox", "at"))


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, table, column in INDEXES:
            op.create_index(name, table, [column])
        return
    # Beside the traffic of a gateway that runs, which an ordinary index would stop while it is made.
    with op.get_context().autocommit_block():
        for name, table, column in INDEXES:
            op.create_index(name, table, [column], postgresql_concurrently=True, if_not_exists=True)


def downgrade() -> None:
    for name, table, _ in INDEXES:
        op.drop_index(name, table)
