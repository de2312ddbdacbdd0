"""what was removed from the access trail at the end of its retention"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_removal",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("chain", sa.String(36), nullable=False),
        sa.Column("through", sa.Integer(), nullable=False, comment="number of the last record that was removed"),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("before", sa.DateTime(timezone=True), nullable=False, comment="all of them were older"),
        sa.Column("mac", sa.LargeBinary(32), nullable=False, comment="of the last record that was removed"),
        sa.Column("seal", sa.LargeBinary(32), nullable=False, comment="HMAC of the previous seal and this row"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_removal")),
        comment="what was removed from the access trail at the end of its retention",
    )


def downgrade() -> None:
    op.drop_table("audit_removal")
