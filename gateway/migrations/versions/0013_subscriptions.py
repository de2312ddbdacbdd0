"""subscriptions to news, and the notifications that are sent"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "subscription",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("service", sa.String(length=30), nullable=False),
        sa.Column("fhir", sa.String(length=8), nullable=False),
        sa.Column("client", sa.String(length=255), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False, comment="keyed pseudonym"),
        sa.Column(
            "sealed_bsn", sa.LargeBinary(), nullable=True, comment="for sources that are asked; gone when it ends"
        ),
        sa.Column("consent_id", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False, comment="active or ended"),
        sa.Column("ended_by", sa.String(length=20), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("high_water", sa.DateTime(timezone=True), nullable=False, comment="until when changes were told"),
        sa.Column("refusals", sa.Integer(), nullable=False, comment="days in a row on which the PGO did not know it"),
        sa.Column("refused_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_subscription"),
        sa.UniqueConstraint("client", "request_id", name="uq_subscription_client_request_id"),
        comment="who wants to be told that there is something new; no data",
    )
    op.create_index("ix_subscription_person_provider", "subscription", ["person", "provider"], unique=False)
    op.create_index("ix_subscription_status_end_date", "subscription", ["status", "end_date"], unique=False)
    op.create_table(
        "notice",
        sa.Column("pk", BIG, autoincrement=True, nullable=False),
        sa.Column("subscription_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False, comment="resource or subscription"),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False, comment="waiting, sent, refused, failed or dropped"),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed", sa.DateTime(timezone=True), nullable=True, comment="since when a process is sending it"),
        sa.Column("status", sa.Integer(), nullable=True, comment="what the PGO answered last"),
        sa.Column("correlation_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name="fk_notice_subscription_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_notice"),
        comment="notifications on their way to a PGO",
    )
    op.create_index("ix_notice_state_due", "notice", ["state", "due"], unique=False)
    op.create_index("ix_notice_subscription_id", "notice", ["subscription_id"], unique=False)


def downgrade() -> None:
    op.drop_table("notice")
    op.drop_table("subscription")
