"""which resources name a patient is found by an index, when two patients turn out to be one"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TO_PATIENT = sa.text("target_type = 'Patient'")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("ix_link_patient", "link", ["target_id"], sqlite_where=TO_PATIENT)
        return
    # Beside the traffic of a gateway that runs, which an ordinary index would stop while it is made.
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_link_patient", "link", ["target_id"], postgresql_where=TO_PATIENT, postgresql_concurrently=True,
            if_not_exists=True,
        )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_link_patient", "link")
