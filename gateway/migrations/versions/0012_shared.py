"""what citizens send, its files, what was decided and what goes to the EHR"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "offered_task",
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("fhir", sa.String(length=8), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("offered", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="after this it ends by itself; none: it does not",
        ),
        sa.PrimaryKeyConstraint("provider", "fhir", "task_id", name="pk_offered_task"),
        comment="the Tasks of questionnaires that were offered here, so that nobody has to search all records for them",
    )
    op.create_index("ix_offered_task_until", "offered_task", ["until"], unique=False)
    op.create_table(
        "submission",
        sa.Column("pk", BIG, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("service", sa.String(length=30), nullable=False),
        sa.Column("standard", sa.String(length=60), nullable=False),
        sa.Column("rule", sa.String(length=60), nullable=False),
        sa.Column("fhir", sa.String(length=8), nullable=False),
        sa.Column("client", sa.String(length=255), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False, comment="keyed pseudonym"),
        sa.Column(
            "actor",
            sa.String(length=64),
            nullable=False,
            comment="who acted for the person; empty: they did it themselves",
        ),
        sa.Column("patient_id", sa.String(length=64), nullable=False, comment="the Patient that it was compared with"),
        sa.Column("sealed_bsn", sa.LargeBinary(), nullable=True, comment="for the EHR, which has to find the person"),
        sa.Column("basis", sa.String(length=64), nullable=False, comment="the consent it rests on"),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("correlation_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False, comment="SHA-256 of the request"),
        sa.Column(
            "content", sa.LargeBinary(length=32), nullable=False, comment="SHA-256 of what it says, whatever its form"
        ),
        sa.Column(
            "bundle", sa.String(length=12), nullable=False, comment="batch, transaction, or empty for one resource"
        ),
        sa.Column("received", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "outcomes", sa.LargeBinary(), nullable=False, comment="JSON: what became of each entry, without values"
        ),
        sa.Column(
            "duplicate_of",
            sa.String(length=36),
            nullable=False,
            comment="id of the submission that said the same; empty: none",
        ),
        sa.Column(
            "department", sa.String(length=80), nullable=False, comment="to whom it was routed; empty: nobody yet"
        ),
        sa.Column("assignee", sa.String(length=120), nullable=False, comment="who looks at it; empty: nobody yet"),
        sa.Column("viewed", sa.DateTime(timezone=True), nullable=True, comment="when it was first looked at"),
        sa.Column("due", sa.Date(), nullable=True, comment="the day on which the law wants an answer"),
        sa.PrimaryKeyConstraint("pk", name="pk_submission"),
        sa.UniqueConstraint("client", "request_id", name="uq_submission_client_request_id"),
        sa.UniqueConstraint("id", name="uq_submission_id"),
        comment="what citizens sent; no part of the record until somebody accepts it",
    )
    op.create_index("ix_submission_person_received", "submission", ["person", "received"], unique=False)
    op.create_index("ix_submission_provider_received", "submission", ["provider", "received"], unique=False)
    op.create_table(
        "share_deed",
        sa.Column("pk", BIG, autoincrement=True, nullable=False),
        sa.Column("submission_pk", BIG, nullable=False),
        sa.Column("item_pk", BIG, nullable=True, comment="none: the submission as a whole"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deed", sa.String(length=20), nullable=False),
        sa.Column(
            "by",
            sa.String(length=120),
            nullable=False,
            comment="who decided: an account, a rule, or the gateway itself",
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["submission_pk"], ["submission.pk"], name="fk_share_deed_submission_pk", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_share_deed"),
    )
    op.create_index("ix_share_deed_submission_pk", "share_deed", ["submission_pk"], unique=False)
    op.create_table(
        "shared_item",
        sa.Column("pk", BIG, autoincrement=True, nullable=False),
        sa.Column("submission_pk", BIG, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False, comment="item, part or hint"),
        sa.Column(
            "state", sa.String(length=12), nullable=False, comment="gateway.share.states; empty for parts and hints"
        ),
        sa.Column("decided", sa.DateTime(timezone=True), nullable=True, comment="when it was accepted or declined"),
        sa.Column("reason", sa.Text(), nullable=False, comment="of a refusal, as the citizen may read it"),
        sa.Column(
            "filed_as", sa.String(length=255), nullable=False, comment="what the EHR calls it; empty: not there yet"
        ),
        sa.Column("json", sa.LargeBinary(), nullable=False, comment="the resource, packed; empty when it was removed"),
        sa.Column("findings", sa.LargeBinary(), nullable=False, comment="JSON, without values of the resource"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="the entry as it was received, without the file"),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False, comment="SHA-256 of the resource and its file"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="bytes of the file; 0: none"),
        sa.ForeignKeyConstraint(
            ["submission_pk"], ["submission.pk"], name="fk_shared_item_submission_pk", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_shared_item"),
        sa.UniqueConstraint("submission_pk", "position", name="uq_shared_item_submission_pk_position"),
    )
    op.create_index("ix_shared_item_state_decided", "shared_item", ["state", "decided"], unique=False)
    op.create_index("ix_shared_item_type_id", "shared_item", ["type", "id"], unique=False)
    op.create_table(
        "filing",
        sa.Column("pk", BIG, autoincrement=True, nullable=False),
        sa.Column("item_pk", BIG, nullable=False),
        sa.Column("target", sa.String(length=60), nullable=False, comment="name of the write-back of the provider"),
        sa.Column("state", sa.String(length=10), nullable=False, comment="waiting, filed, dead or closed"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed", sa.DateTime(timezone=True), nullable=True, comment="since when a process is sending it"),
        sa.Column("answer", sa.Text(), nullable=False, comment="what the EHR said last, without content"),
        sa.ForeignKeyConstraint(["item_pk"], ["shared_item.pk"], name="fk_filing_item_pk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pk", name="pk_filing"),
        sa.UniqueConstraint("item_pk", "target", name="uq_filing_item_pk_target"),
        comment="accepted items on their way to the EHR",
    )
    op.create_index("ix_filing_state_next", "filing", ["state", "next"], unique=False)
    op.create_table(
        "shared_content",
        sa.Column("item_pk", BIG, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["item_pk"], ["shared_item.pk"], name="fk_shared_content_item_pk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("item_pk", "number", name="pk_shared_content"),
        comment="files that citizens sent, in pieces",
    )


def downgrade() -> None:
    op.drop_table("filing")
    op.drop_table("offered_task")
    op.drop_table("shared_content")
    op.drop_table("share_deed")
    op.drop_table("shared_item")
    op.drop_table("submission")
