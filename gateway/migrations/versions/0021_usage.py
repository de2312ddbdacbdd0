"""what is counted of each visit, the keys of its pseudonyms by year, and the reports made from it"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage_event",
        sa.Column("chain", sa.String(length=36), nullable=False, comment="of the access trail, or of a process run"),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=False, comment="what is counted, canonical JSON; names nobody"),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("chain", "sequence", name="pk_usage_event"),
        comment="the ends of steps of visits, each written in the transaction that ended the step; append only",
    )
    op.create_index("ix_usage_event_at", "usage_event", ["at"], unique=False)
    op.create_table(
        "usage_chain",
        sa.Column("chain", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("chain", name="pk_usage_chain"),
        comment="how far the chain of each process run is",
    )
    op.create_table(
        "usage_key",
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="none: destroyed, after the figures of the year"),
        sa.PrimaryKeyConstraint("provider", "year", name="pk_usage_key"),
        comment="the keys of pseudonyms of persons and visits, one per provider and year",
    )
    op.create_table(
        "usage_report",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False, comment="YYYY-MM, in the Netherlands"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column("figures", sa.LargeBinary(), nullable=False, comment="JSON: figures and what changed; names nobody"),
        sa.Column("released", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.String(length=120), nullable=False, comment="an account; empty: nobody yet"),
        sa.Column("delivered", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proof", sa.Text(), nullable=False, comment="where it went, and the SHA-256 of what went"),
        sa.PrimaryKeyConstraint("kind", "provider", "month", "version", name="pk_usage_report"),
        comment="reports of a month; a correction is a new version",
    )
    with op.batch_alter_table("auth_family") as batch:
        batch.add_column(sa.Column("flow", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("started", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("auth_access_token") as batch:
        batch.add_column(sa.Column("label", sa.String(length=160), nullable=True))

    _say("Access tokens, as digests; label says under what their use is counted")


def _say(text: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.create_table_comment("auth_access_token", text)


def downgrade() -> None:
    _say("Access tokens, as digests")
    with op.batch_alter_table("auth_access_token") as batch:
        batch.drop_column("label")
    with op.batch_alter_table("auth_family") as batch:
        batch.drop_column("started")
        batch.drop_column("flow")
    for table in ("usage_report", "usage_key", "usage_chain"):
        op.drop_table(table)
    op.drop_index("ix_usage_event_at", "usage_event")
    op.drop_table("usage_event")
