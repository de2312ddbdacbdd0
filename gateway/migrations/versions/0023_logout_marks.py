"""by what a logout at the login bridge finds the visits that belong to it"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("auth_session") as batch:
        batch.add_column(
            sa.Column(
                "login_subject",
                sa.String(64),
                nullable=True,
                comment="keyed hash of who the login bridge says logged in",
            )
        )
        batch.add_column(
            sa.Column("login_session", sa.String(64), nullable=True, comment="keyed hash of the bridge's own session")
        )
        batch.add_column(
            sa.Column(
                "login_at", sa.BigInteger(), nullable=True, comment="when the person logged in, by the bridge's clock"
            )
        )
        batch.create_index("ix_auth_session_login_subject", ["login_subject"], unique=False)
        batch.create_index("ix_auth_session_login_session", ["login_session"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("auth_session") as batch:
        batch.drop_index("ix_auth_session_login_session")
        batch.drop_index("ix_auth_session_login_subject")
        batch.drop_column("login_at")
        batch.drop_column("login_session")
        batch.drop_column("login_subject")
