"""the content of a document is kept for every version"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.execute(
        "CREATE TABLE kept_document AS SELECT d.resource_pk, r.version, d.size, d.sha1 "
        "FROM document d JOIN resource r ON r.pk = d.resource_pk"
    )
    op.execute(
        "CREATE TABLE kept_content AS SELECT c.resource_pk, r.version, c.number, c.data "
        "FROM document_content c JOIN resource r ON r.pk = c.resource_pk"
    )
    op.drop_table("document_content")
    op.drop_table("document")
    op.create_table(
        "document",
        sa.Column("resource_pk", BigKey, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha1", sa.LargeBinary(length=20), nullable=False, comment="what an Attachment states as its hash"),
        sa.ForeignKeyConstraint(["resource_pk"], ["resource.pk"], name="fk_document_resource_pk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("resource_pk", "version", name="pk_document"),
        comment="one version of a Binary whose content lies in document_content; its json and xml are without it",
    )
    op.create_table(
        "document_content",
        sa.Column("resource_pk", BigKey, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["resource_pk", "version"],
            ["document.resource_pk", "document.version"],
            name="fk_document_content_resource_pk",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("resource_pk", "version", "number", name="pk_document_content"),
    )
    op.execute("INSERT INTO document SELECT resource_pk, version, size, sha1 FROM kept_document")
    op.execute("INSERT INTO document_content SELECT resource_pk, version, number, data FROM kept_content")
    op.drop_table("kept_content")
    op.drop_table("kept_document")


def downgrade() -> None:
    raise NotImplementedError("earlier versions of documents would be lost")
