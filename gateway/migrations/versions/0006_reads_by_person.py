"""resources are unique by a key of their own, so that the only index on what is read begins with the person; search
keys stand before the bytes; nothing is looked up by what is pointed at any more"""

import sqlite3
from hashlib import sha256
from typing import cast

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS = "pk, {}provider, fhir, patient_id, type, id, source, version, digest, updated, deleted, json, xml"
INDEX = ["provider", "fhir", "patient_id", "type", "id"]


def upgrade() -> None:
    op.drop_index("ix_link_target_type_target_id", "link")
    op.drop_index("ix_patient_provider_person_fhir", "patient")
    op.create_index("ix_patient_person", "patient", ["person"])
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        # One pass over the table; new columns at the end cost nothing there.
        op.add_column("resource", sa.Column("key", sa.LargeBinary(16), comment="hash of provider, fhir, type and id"))
        op.execute(
            "UPDATE resource SET key = substring(sha256(convert_to("
            "provider || '|' || fhir || '|' || type || '|' || id, 'UTF8')) FROM 1 FOR 16)"
        )
        op.alter_column("resource", "key", nullable=False)
        comment = "search keys (profiles.fhir.search.keys); none: to be made when first read"
        op.add_column("resource", sa.Column("search", sa.LargeBinary(), comment=comment))
        op.drop_constraint("uq_resource_provider_fhir_type_id", "resource")
        op.create_unique_constraint("uq_resource_key", "resource", ["key"])
        op.drop_index("ix_resource_provider_fhir_patient_id_type", "resource")
    op.create_index("ix_resource_provider_fhir_patient_id_type_id", "resource", INDEX)


def _rebuild() -> None:
    """SQLite: a new table in the order of the new columns, filled and put in the place of the old one."""
    connection = op.get_bind()
    driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
    driver.create_function("hashed", 1, lambda text: sha256(text.encode()).digest()[:16], deterministic=True)
    op.create_table(
        "resource_new",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("provider", sa.String(60), nullable=False),
        sa.Column("fhir", sa.String(8), nullable=False),
        sa.Column("patient_id", sa.String(64), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("source", sa.String(60), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("search", sa.LargeBinary()),
        sa.Column("json", sa.LargeBinary(), nullable=False),
        sa.Column("xml", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_resource"),
        sa.UniqueConstraint("key", name="uq_resource_key"),
    )
    hashed = "hashed(provider || '|' || fhir || '|' || type || '|' || id), "
    into, taken = COLUMNS.format("key, "), COLUMNS.format(hashed)
    op.execute(f"INSERT INTO resource_new ({into}) SELECT {taken} FROM resource")  # noqa: S608 - our own names
    op.drop_table("resource")
    op.rename_table("resource_new", "resource")


def downgrade() -> None:
    raise NotImplementedError("the release before cannot store into this schema; restore the backup")
