"""The table of what staff held back or let go, and how a request reads it, in the same MetaData as the others."""

# ruff: noqa: S608 - the parts of these texts are our own

from sqlalchemy import Boolean, Column, DateTime, Index, String, Table, Text

from gateway.store.queries import Hot
from gateway.store.schema import BigKey, metadata

release_flag = Table(
    "release_flag",
    metadata,
    Column("number", BigKey, primary_key=True, autoincrement=True),
    Column("provider", String(60), nullable=False),
    Column("person", String(64), nullable=False, comment="keyed pseudonym"),
    Column("type", String(64), nullable=False),
    Column("id", String(64), nullable=False, comment="as it is served"),
    Column("deed", String(10), nullable=False, comment="withheld, or released before its time"),
    Column("told", Boolean, nullable=False, comment="whether the person may know that something is withheld"),
    Column("reason", Text, nullable=False, comment="why, in the words of who did it"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("account", String(120), nullable=False),
    Column("ended", DateTime(timezone=True), comment="none: it holds"),
    Column("ended_by", String(120), nullable=False, comment="an account; empty: it holds"),
    Index(None, "person", "provider"),
    comment="items of a record that are withheld, or shown before their time; a row is never changed but to end it",
)

_COLUMNS = "f.type, f.id, f.deed, f.told"

_OF_PERSON = f"""SELECT {_COLUMNS} FROM release_flag AS f
    WHERE f.person = :person AND f.provider = :provider AND f.ended IS NULL"""

FLAGS_OF_PERSON = Hot.of(_OF_PERSON, _OF_PERSON)
"""By ``provider`` and ``person``: what holds now."""

_OF_PATIENT = f"""SELECT {_COLUMNS} FROM release_flag AS f JOIN patient AS p ON p.person = f.person
    WHERE p.provider = :provider AND p.fhir = :fhir AND p.patient_id = :patient_id
    AND f.provider = :provider AND f.ended IS NULL"""

FLAGS_OF_PATIENT = Hot.of(_OF_PATIENT, _OF_PATIENT)
"""By ``provider``, ``fhir`` and ``patient_id``: test tokens name a patient."""
