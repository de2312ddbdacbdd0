"""items that are withheld or shown before their time; requests to erase a person, and holds; who looked at a report"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "release_flag",
        sa.Column("number", number, autoincrement=True, nullable=False),
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False, comment="keyed pseudonym"),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False, comment="as it is served"),
        sa.Column("deed", sa.String(length=10), nullable=False, comment="withheld, or released before its time"),
        sa.Column(
            "told", sa.Boolean(), nullable=False, comment="whether the person may know that something is withheld"
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="why, in the words of who did it"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account", sa.String(length=120), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True, comment="none: it holds"),
        sa.Column("ended_by", sa.String(length=120), nullable=False, comment="an account; empty: it holds"),
        sa.PrimaryKeyConstraint("number", name="pk_release_flag"),
        comment="items of a record that are withheld, or shown before their time; a row is never changed but to end it",
    )
    op.create_index("ix_release_flag_person_provider", "release_flag", ["person", "provider"], unique=False)
    op.create_table(
        "person_case",
        sa.Column("number", number, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False, comment="erase or hold"),
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column(
            "person", sa.String(length=64), nullable=False, comment="keyed pseudonym; empty once everything is erased"
        ),
        sa.Column("basis", sa.String(length=40), nullable=False, comment="a row of the table of legal bases"),
        sa.Column(
            "reason", sa.Text(), nullable=False, comment="in the words of who asked; empty once everything is erased"
        ),
        sa.Column("asked", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False, comment="asked, done or refused; held or ended"),
        sa.Column("decided", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=120), nullable=False, comment="never who asked; empty: nobody yet"),
        sa.Column(
            "sealed_bsn", sa.LargeBinary(), nullable=False, comment="to look into what is sealed; empty once erased"
        ),
        sa.Column("counts", sa.Text(), nullable=False, comment="JSON: rows erased, by table"),
        sa.PrimaryKeyConstraint("number", name="pk_person_case"),
        comment="requests to erase, decided by a second person, and what holds against them",
    )
    op.create_index("ix_person_case_person_provider", "person_case", ["person", "provider"], unique=False)
    looked = sa.Column(
        "checked_by", sa.String(length=120), nullable=False, server_default="",
        comment="who looked at it before its release",
    )  # fmt: skip
    with op.batch_alter_table("usage_report") as batch:
        batch.add_column(sa.Column("checked", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(looked)


def downgrade() -> None:
    with op.batch_alter_table("usage_report") as batch:
        batch.drop_column("checked_by")
        batch.drop_column("checked")
    op.drop_index("ix_person_case_person_provider", "person_case")
    op.drop_table("person_case")
    op.drop_index("ix_release_flag_person_provider", "release_flag")
    op.drop_table("release_flag")
