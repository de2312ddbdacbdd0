"""beside search keys stand marks, and in the index by person too: what cannot match is passed over unread"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEX = ["provider", "fhir", "patient_id", "type", "id", "marks"]


def upgrade() -> None:
    # Without a value at first: rows get their marks with their search keys, when they are first read.
    comment = "which codes may be in it (profiles.fhir.search.marks), with the keys"
    op.add_column("resource", sa.Column("marks", sa.BigInteger(), comment=comment))
    op.drop_index("ix_resource_provider_fhir_patient_id_type_id", "resource")
    op.create_index("ix_resource_record", "resource", INDEX)


def downgrade() -> None:
    raise NotImplementedError("the release before reads by an index that is not there any more; restore the backup")
