"""who acted for others is looked up for My consents"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("auth_family_actor", "auth_family", ["actor"])


def downgrade() -> None:
    op.drop_index("auth_family_actor", "auth_family")
