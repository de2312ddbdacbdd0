"""referrals to other institutions: Tasks, grants, notifications, tokens"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0014"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "referral",
        sa.Column("id", sa.String(length=36), nullable=False, comment="id of the workflow Task; random"),
        sa.Column("provider", sa.String(length=60), nullable=False, comment="who refers"),
        sa.Column(
            "partner",
            sa.String(length=60),
            nullable=False,
            comment="name of the receiving organisation in the settings",
        ),
        sa.Column("ura", sa.String(length=8), nullable=False, comment="URA of the receiving organisation"),
        sa.Column(
            "group_id",
            sa.String(length=36),
            nullable=False,
            comment="groupIdentifier: one per referral, in every event",
        ),
        sa.Column("flow", sa.String(length=20), nullable=False, comment="bgz or eoverdracht"),
        sa.Column("standard", sa.String(length=60), nullable=False, comment="the version of the data set"),
        sa.Column("rows", sa.Text(), nullable=False, comment="ids of the granted rows, by spaces"),
        sa.Column("letters", sa.Text(), nullable=False, comment="ids of the granted DocumentReferences, by spaces"),
        sa.Column("compositions", sa.Text(), nullable=False, comment="ids of the granted Compositions, by spaces"),
        sa.Column("person", sa.String(length=64), nullable=False, comment="keyed pseudonym"),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("sealed_bsn", sa.LargeBinary(), nullable=False),
        sa.Column("legal_base", sa.String(length=30), nullable=False, comment="a row of gateway/exchange/bases.toml"),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column(
            "not_after", sa.DateTime(timezone=True), nullable=False, comment="the data end here, whatever happens"
        ),
        sa.Column("withdrawn", sa.DateTime(timezone=True), nullable=True, comment="when the data grant was taken back"),
        sa.Column("withdrawn_reason", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False, comment="gateway.exchange.states"),
        sa.Column("version", sa.Integer(), nullable=False, comment="of the Task"),
        sa.Column("sealed_task", sa.LargeBinary(), nullable=False, comment="the workflow Task, JSON"),
        sa.Column(
            "task_base",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="SHA-256 of the authorization base for the Task",
        ),
        sa.Column(
            "data_base",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="SHA-256 of the authorization base for the data",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_referral"),
        sa.UniqueConstraint("data_base", name="uq_referral_data_base"),
        sa.UniqueConstraint("task_base", name="uq_referral_task_base"),
        comment="referrals to other institutions, each with its Task and its grants",
    )
    op.create_index("ix_referral_person", "referral", ["person"], unique=False)
    op.create_index("ix_referral_provider_created", "referral", ["provider", "created"], unique=False)
    op.create_table(
        "referral_event",
        sa.Column("pk", BIG, autoincrement=True, nullable=False),
        sa.Column("referral_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deed", sa.String(length=20), nullable=False),
        sa.Column(
            "by",
            sa.String(length=120),
            nullable=False,
            comment="who: an account, a partner's system or user, or the gateway",
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["referral_id"], ["referral.id"], name="fk_referral_event_referral_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_referral_event"),
        comment="what happened to a referral, only added to",
    )
    op.create_index("ix_referral_event_referral_id", "referral_event", ["referral_id"], unique=False)
    op.create_table(
        "exchange_notice",
        sa.Column("pk", BIG, autoincrement=True, nullable=False),
        sa.Column("referral_id", sa.String(length=36), nullable=False),
        sa.Column("identifier", sa.String(length=36), nullable=False, comment="of the notification Task"),
        sa.Column("cancels", sa.Boolean(), nullable=False),
        sa.Column(
            "sealed", sa.LargeBinary(), nullable=False, comment="the notification, JSON; empty: one without a body"
        ),
        sa.Column("state", sa.String(length=10), nullable=False, comment="waiting, sent, dead or dropped"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False, comment="after this nobody tries any more"),
        sa.Column("claimed", sa.DateTime(timezone=True), nullable=True, comment="since when a process is sending it"),
        sa.Column("answer", sa.Text(), nullable=False, comment="what the receiver said last, without content"),
        sa.ForeignKeyConstraint(
            ["referral_id"], ["referral.id"], name="fk_exchange_notice_referral_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_exchange_notice"),
        sa.UniqueConstraint("identifier", name="uq_exchange_notice_identifier"),
        comment="notifications on their way",
    )
    op.create_index("ix_exchange_notice_referral_id", "exchange_notice", ["referral_id"], unique=False)
    op.create_index("ix_exchange_notice_state_next", "exchange_notice", ["state", "next"], unique=False)
    op.create_table(
        "exchange_token",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("provider", sa.String(length=60), nullable=False, comment="the organisation of ours that it is for"),
        sa.Column("partner", sa.String(length=60), nullable=False),
        sa.Column("ura", sa.String(length=8), nullable=False),
        sa.Column(
            "thumbprint",
            sa.String(length=64),
            nullable=False,
            comment="SHA-256 of the client certificate; empty: test mode",
        ),
        sa.Column("scope", sa.String(length=60), nullable=False),
        sa.Column("level", sa.String(length=10), nullable=False, comment="notify, task or data"),
        sa.Column(
            "referral_id", sa.String(length=36), nullable=True, comment="whose grant it opens; none: a notification"
        ),
        sa.Column("user_id", sa.String(length=120), nullable=False),
        sa.Column("user_role", sa.String(length=60), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False, comment="seconds since 1970"),
        sa.PrimaryKeyConstraint("digest", name="pk_exchange_token"),
    )
    op.create_index("ix_exchange_token_expires", "exchange_token", ["expires"], unique=False)
    op.create_table(
        "exchange_assertion",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False, comment="SHA-256 of issuer and jti"),
        sa.Column("expires", sa.BigInteger(), nullable=False, comment="seconds since 1970"),
        sa.PrimaryKeyConstraint("digest", name="pk_exchange_assertion"),
    )
    op.create_index("ix_exchange_assertion_expires", "exchange_assertion", ["expires"], unique=False)


def downgrade() -> None:
    op.drop_table("exchange_assertion")
    op.drop_table("exchange_token")
    op.drop_table("exchange_notice")
    op.drop_table("referral_event")
    op.drop_table("referral")
