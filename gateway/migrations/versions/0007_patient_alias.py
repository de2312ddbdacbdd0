"""patient numbers that ended in another one: merges of HL7 v2"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "patient_alias",
        sa.Column("provider", sa.String(60), nullable=False),
        sa.Column("fhir", sa.String(8), nullable=False),
        sa.Column("patient_id", sa.String(64), nullable=False),
        sa.Column("survivor", sa.String(64), nullable=False),
        sa.Column("source", sa.String(60), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "fhir", "patient_id", name="pk_patient_alias"),
        comment="a patient number that ended in another one (a merge): what comes for it goes there",
    )
    op.create_index("ix_patient_alias_provider_fhir_survivor", "patient_alias", ["provider", "fhir", "survivor"])


def downgrade() -> None:
    op.drop_table("patient_alias")
