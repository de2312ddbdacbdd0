"""what other institutions refer to us, apart from any record"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "received_referral",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("provider", sa.String(length=60), nullable=False, comment="who was referred to"),
        sa.Column("partner", sa.String(length=60), nullable=False, comment="who refers"),
        sa.Column("ura", sa.String(length=8), nullable=False),
        sa.Column("group_id", sa.String(length=80), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False, comment="id of the workflow Task at the sender"),
        sa.Column("sealed_base", sa.LargeBinary(), nullable=False, comment="authorization base of the Task"),
        sa.Column("status", sa.String(length=12), nullable=False, comment="of the Task, as it was last known"),
        sa.Column(
            "sealed_task", sa.LargeBinary(), nullable=False, comment="the Task as it was last read; empty: not yet"
        ),
        sa.Column("etag", sa.String(length=80), nullable=False),
        sa.Column(
            "inbox", sa.String(length=80), nullable=False, comment="the service that it is for; empty: the organisation"
        ),
        sa.Column("received", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "changed",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when a later notification said that there is more",
        ),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "person",
            sa.String(length=64),
            nullable=False,
            comment="keyed pseudonym, once it was pulled; empty: not known",
        ),
        sa.Column(
            "match", sa.String(length=12), nullable=False, comment="known, unknown or differs; empty: not pulled"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_received_referral"),
        sa.UniqueConstraint("provider", "partner", "group_id", name="uq_received_referral_provider_partner_group_id"),
        comment="referrals by other institutions: the inbox of staff",
    )
    op.create_index("ix_received_referral_ended", "received_referral", ["ended"], unique=False)
    op.create_index(
        "ix_received_referral_provider_received", "received_referral", ["provider", "received"], unique=False
    )
    op.create_table(
        "received_notice",
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("partner", sa.String(length=60), nullable=False),
        sa.Column("identifier", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False, comment="SHA-256 of the body"),
        sa.Column("received_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["received_id"], ["received_referral.id"], name="fk_received_notice_received_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("provider", "partner", "identifier", name="pk_received_notice"),
        comment="notifications that were taken, to know them again",
    )
    op.create_index("ix_received_notice_at", "received_notice", ["at"], unique=False)
    op.create_table(
        "received_event",
        sa.Column("pk", BIG, autoincrement=True, nullable=False),
        sa.Column("received_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deed", sa.String(length=20), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["received_id"], ["received_referral.id"], name="fk_received_event_received_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_received_event"),
    )
    op.create_index("ix_received_event_received_id", "received_event", ["received_id"], unique=False)
    op.create_table(
        "received_search",
        sa.Column("received_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False, comment="as the Task names it; empty when it was refused"),
        sa.Column("state", sa.String(length=10), nullable=False, comment="pending, ok, empty, refused or failed"),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["received_id"], ["received_referral.id"], name="fk_received_search_received_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("received_id", "number", name="pk_received_search"),
        comment="what is to be collected for a referral, and how far that came",
    )
    op.create_table(
        "received_resource",
        sa.Column("pk", BIG, autoincrement=True, nullable=False),
        sa.Column("received_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="of the search that brought it"),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="JSON, or the bytes of a document"),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False, comment="SHA-256 of that"),
        sa.Column("verdict", sa.String(length=10), nullable=False, comment="ok, wrong or unchecked"),
        sa.Column("findings", sa.LargeBinary(), nullable=False, comment="JSON, without values of the resource"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["received_id"], ["received_referral.id"], name="fk_received_resource_received_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_received_resource"),
        sa.UniqueConstraint("received_id", "type", "id", name="uq_received_resource_received_id_type_id"),
        comment="what was collected at another institution: no part of the record until somebody takes it over",
    )


def downgrade() -> None:
    op.drop_table("received_resource")
    op.drop_table("received_search")
    op.drop_table("received_event")
    op.drop_table("received_notice")
    op.drop_table("received_referral")
