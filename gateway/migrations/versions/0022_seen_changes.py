"""which changes of a record a subscription has seen, and how its live sources answered"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("subscription") as batch:
        batch.add_column(
            sa.Column("seen", sa.LargeBinary(), nullable=True, comment="versions of the last day; none: by high_water")
        )
        batch.add_column(sa.Column("live", sa.LargeBinary(), nullable=True, comment="digests of live answers"))
        batch.add_column(
            sa.Column("asked", sa.DateTime(timezone=True), nullable=True, comment="when live sources were asked last")
        )


def downgrade() -> None:
    with op.batch_alter_table("subscription") as batch:
        for name in ("asked", "live", "seen"):
            batch.drop_column(name)
