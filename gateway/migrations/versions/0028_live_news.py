"""what live sources gave when a subscription was last looked at, as keyed digests"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("subscription") as batch:
        batch.add_column(
            sa.Column(
                "live",
                sa.LargeBinary(),
                nullable=True,
                comment="keyed digests of live answers; none: no look yet",
            )
        )
        batch.add_column(
            sa.Column(
                "live_due", sa.DateTime(timezone=True), nullable=True, comment="when live sources are asked; none: now"
            )
        )


def downgrade() -> None:
    with op.batch_alter_table("subscription") as batch:
        batch.drop_column("live_due")
        batch.drop_column("live")
