"""which definitions the counted verdicts of a day rest on"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quality_basis",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("fhir", sa.String(length=8), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False, comment="SHA-256 of definitions"),
        sa.Column(
            "definitions",
            sa.Text(),
            nullable=False,
            comment="names and versions of what judged, by precedence",
        ),
        sa.Column("seen", sa.Integer(), nullable=False, comment="verdicts that rest on these definitions"),
        sa.PrimaryKeyConstraint("day", "provider", "source", "fhir", "digest", name="pk_quality_basis"),
        comment="which definitions the counted verdicts of a day rest on",
    )


def downgrade() -> None:
    op.drop_table("quality_basis")
