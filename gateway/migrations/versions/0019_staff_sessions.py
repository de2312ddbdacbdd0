"""the sessions of the staff pages"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "staff_session",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True, comment="SHA-256 of the cookie"),
        sa.Column("account", sa.String(120), nullable=False),
        sa.Column("content", sa.Text, nullable=False, comment="JSON: name, roles, departments, providers"),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), nullable=False),
        comment="who of the staff is logged in; nothing of a patient",
    )
    op.create_index("ix_staff_session_account", "staff_session", ["account"])
    op.create_index("ix_staff_session_used", "staff_session", ["used"])


def downgrade() -> None:
    op.drop_table("staff_session")
