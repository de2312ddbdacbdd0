"""The tables of the gateway itself (those of the authorization server are in :mod:`auth.store.store`).

No column holds a BSN: ``person`` is a keyed pseudonym and ``sealed_bsn`` is encrypted with a key outside the database.
``json`` and ``xml`` are the bytes that are served; ``original`` keeps what was received, sealed. These, the search
keys and what is sealed are packed (:mod:`profiles.fhir.codec.packing`).
"""

from hashlib import sha256
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigKey = BigInteger().with_variant(Integer(), "sqlite")


def key_of(provider: str, fhir: str, type_: str, id_: str) -> bytes:
    """By which a resource is unique, as `resource.key` holds it."""
    return sha256(f"{provider}|{fhir}|{type_}|{id_}".encode()).digest()[:16]


def _key(context: Any) -> bytes:
    row = context.get_current_parameters()
    return key_of(row["provider"], row["fhir"], row["type"], row["id"])


patient = Table(
    "patient",
    metadata,
    Column("provider", String(60), primary_key=True),
    Column("fhir", String(8), primary_key=True),
    Column("patient_id", String(64), primary_key=True),
    Column("source", String(60), nullable=False),
    Column("person", String(64), nullable=False, comment="keyed pseudonym"),
    Column("sealed_bsn", LargeBinary),
    Column("birth_date", Date),
    # Of nothing but the person: a condition on what else is asked cannot lead to another index (gateway.store.queries).
    Index(None, "person"),
)

resource = Table(
    "resource",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    # Unique by a column of its own: an index on provider, version, type and id would tempt a planner to read a type of
    # everybody where one person's is asked.
    Column("key", LargeBinary(16), nullable=False, default=_key, comment="hash of provider, fhir, type and id"),
    Column("provider", String(60), nullable=False),
    Column("fhir", String(8), nullable=False),
    Column("patient_id", String(64), nullable=False, comment="empty for what is shared, such as a Practitioner"),
    Column("type", String(64), nullable=False),
    Column("id", String(64), nullable=False),
    Column("source", String(60), nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", LargeBinary(32), nullable=False, comment="SHA-256 of json, and of the content of a Binary"),
    Column("updated", DateTime(timezone=True), nullable=False),
    Column("deleted", Boolean, nullable=False, default=False),
    # Before the bytes: what stands behind them in a row can only be read past them.
    Column("search", LargeBinary, comment="search keys (profiles.fhir.search.keys); none: to be made when first read"),
    Column("json", LargeBinary, nullable=False),
    Column("xml", LargeBinary, nullable=False),
    Column("marks", BigInteger, comment="which codes may be in it (profiles.fhir.search.marks), with the keys"),
    UniqueConstraint("key"),
    # By person, then type. The marks stand in it to be read there: a row without an asked code is never fetched.
    Index("ix_resource_record", "provider", "fhir", "patient_id", "type", "id", "marks"),
)

_TO_PATIENT = text("target_type = 'Patient'")

link = Table(
    "link",
    metadata,
    Column("resource_pk", BigKey, ForeignKey("resource.pk", ondelete="CASCADE"), primary_key=True),
    Column("target_type", String(64), primary_key=True),
    Column("target_id", String(64), primary_key=True),
    # Which resources name a patient: asked when two patients turn out to be one, and for nothing else.
    Index("ix_link_patient", "target_id", sqlite_where=_TO_PATIENT, postgresql_where=_TO_PATIENT),
    comment="what a resource points at: how a shared resource is reached from a patient's record",
    sqlite_with_rowid=False,
)

document = Table(
    "document",
    metadata,
    Column("resource_pk", BigKey, ForeignKey("resource.pk", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("sha1", LargeBinary(20), nullable=False, comment="what an Attachment states as its hash"),
    comment="one version of a Binary whose content lies in document_content; its json and xml are without it",
)

document_content = Table(
    "document_content",
    metadata,
    Column("resource_pk", BigKey, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    ForeignKeyConstraint(["resource_pk", "version"], ["document.resource_pk", "document.version"], ondelete="CASCADE"),
)

original = Table(
    "original",
    metadata,
    Column("resource_pk", BigKey, ForeignKey("resource.pk", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("received", DateTime(timezone=True), nullable=False, index=True),
    Column("format", String(8), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

repair = Table(
    "repair",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("resource_pk", BigKey, ForeignKey("resource.pk", ondelete="CASCADE"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("rule", String(60), nullable=False),
    Column("expression", Text, nullable=False),
)

audit_record = Table(
    "audit_record",
    metadata,
    Column("chain", String(36), primary_key=True, comment="one chain per process run"),
    Column("sequence", Integer, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
    Column("person", String(64), nullable=False, index=True),
    Column("provider", String(60), nullable=False),
    Column("record", LargeBinary, nullable=False, comment="the record, canonical JSON"),
    Column("mac", LargeBinary(32), nullable=False, comment="HMAC of the previous mac and the record"),
)

audit_removal = Table(
    "audit_removal",
    metadata,
    Column("number", BigKey, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("chain", String(36), nullable=False),
    Column("through", Integer, nullable=False, comment="number of the last record that was removed"),
    Column("count", Integer, nullable=False),
    Column("before", DateTime(timezone=True), nullable=False, comment="all of them were older"),
    Column("mac", LargeBinary(32), nullable=False, comment="of the last record that was removed"),
    Column("seal", LargeBinary(32), nullable=False, comment="HMAC of the previous seal and this row"),
    comment="what was removed from the access trail at the end of its retention",
)

chain_event = Table(
    "chain_event",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("claimed", DateTime(timezone=True), comment="since when a process is sending it"),
    Column("body", LargeBinary, nullable=False, comment="one event, JSON; nothing personal (LOG-06)"),
    comment="chain log events that were not delivered yet",
)

identity = Table(
    "identity",
    metadata,
    Column("resource_pk", BigKey, ForeignKey("resource.pk", ondelete="CASCADE"), primary_key=True),
    Column("token", String(64), primary_key=True, comment="keyed hash of system and value"),
    Index(None, "token"),
    comment="identifiers of a resource, for conditional requests",
    sqlite_with_rowid=False,
)

verdict = Table(
    "verdict",
    metadata,
    Column("resource_pk", BigKey, ForeignKey("resource.pk", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("verdict", String(10), nullable=False, comment="ok, wrong or unchecked"),
    Column("definitions", Text, nullable=False, comment="which definitions it rests on"),
    Column("findings", LargeBinary, nullable=False, comment="JSON, without values of the resource; empty when none"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("provider", String(60), nullable=False),
    Column("source", String(60), nullable=False),
    Column("fhir", String(8), nullable=False),
    Column("received", DateTime(timezone=True), nullable=False),
    Column("what", Text, nullable=False, comment="methods, types and ids"),
    Column("findings", LargeBinary, nullable=False, comment="JSON, without values of the resource"),
    Column("sealed", LargeBinary, nullable=False, comment="the entries as they were received"),
    Column("digest", LargeBinary(32), nullable=False),
    Column("state", String(10), nullable=False, comment="held or released"),
    Column("door", String(10), nullable=False, server_default="push", comment="push or import: who tries it again"),
    Column("tried", DateTime(timezone=True)),
    Index(None, "state", "provider", "source"),
    Index(None, "digest"),
    comment="what a blocking policy refused",
)

outbox = Table(
    "outbox",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
    Column("provider", String(60), nullable=False),
    Column("fhir", String(8), nullable=False),
    Column("patient_id", String(64), nullable=False),
    Column("type", String(64), nullable=False),
    Column("id", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("deed", String(10), nullable=False, comment="create, update or delete"),
    Column("source", String(60), nullable=False),
    comment="what changed, for what follows from it; rows are removed by who has dealt with them",
)

patient_alias = Table(
    "patient_alias",
    metadata,
    Column("provider", String(60), primary_key=True),
    Column("fhir", String(8), primary_key=True),
    Column("patient_id", String(64), primary_key=True),
    Column("survivor", String(64), nullable=False),
    Column("source", String(60), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index(None, "provider", "fhir", "survivor"),
    comment="a patient number that ended in another one (a merge): what comes for it goes there",
)

receipt = Table(
    "receipt",
    metadata,
    Column("source", String(60), primary_key=True),
    Column("request_id", String(130), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, comment="SHA-256 of the request"),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False, comment="the answer that was given"),
)

intake_assertion = Table(
    "intake_assertion",
    metadata,
    Column("source", String(60), primary_key=True),
    Column("jti", LargeBinary(32), primary_key=True, comment="SHA-256"),
    Column("expires", BigInteger, nullable=False, index=True, comment="seconds since 1970"),
)

intake_token = Table(
    "intake_token",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("source", String(60), nullable=False),
    Column("expires", BigInteger, nullable=False, index=True, comment="seconds since 1970"),
)

quality_count = Table(
    "quality_count",
    metadata,
    Column("day", Date, primary_key=True),
    Column("provider", String(60), primary_key=True),
    Column("source", String(60), primary_key=True),
    Column("fhir", String(8), primary_key=True),
    Column("profile", String(255), primary_key=True),
    Column("department", String(80), primary_key=True, comment="empty when the data do not say"),
    Column("element", String(255), primary_key=True, comment="concept or place; empty for the resource as a whole"),
    Column("seen", Integer, nullable=False),
    Column("filled", Integer, nullable=False),
    Column("codable", Integer, nullable=False),
    Column("coded", Integer, nullable=False),
    Column("valid", Integer, nullable=False),
    Column("unchecked", Integer, nullable=False),
    comment="numbers from verdicts; nothing of a dossier",
)

quality_finding = Table(
    "quality_finding",
    metadata,
    Column("day", Date, primary_key=True),
    Column("provider", String(60), primary_key=True),
    Column("source", String(60), primary_key=True),
    Column("fhir", String(8), primary_key=True),
    Column("profile", String(255), primary_key=True),
    Column("department", String(80), primary_key=True),
    Column("element", String(255), primary_key=True),
    Column("rule", String(100), primary_key=True),
    Column("severity", String(12), primary_key=True),
    Column("found", Integer, nullable=False),
)

quality_defect = Table(
    "quality_defect",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("provider", String(60), nullable=False),
    Column("source", String(60), nullable=False),
    Column("fhir", String(8), nullable=False),
    Column("type", String(64), nullable=False),
    Column("reference", String(64), nullable=False, comment="the source's own id; never a citizen service number"),
    Column("profile", String(255), nullable=False),
    Column("department", String(80), nullable=False),
    Column("element", String(255), nullable=False),
    Column("rule", String(100), nullable=False),
    Column("expression", String(200), nullable=False),
    Column("allowed", String(200), nullable=False, comment="from the definition"),
    Column("first_seen", Date, nullable=False),
    Column("last_seen", Date, nullable=False, index=True),
    Index(None, "provider", "source", "fhir", "type", "reference"),
    comment="errors of the last assessment of each resource",
)

quality_basis = Table(
    "quality_basis",
    metadata,
    Column("day", Date, primary_key=True),
    Column("provider", String(60), primary_key=True),
    Column("source", String(60), primary_key=True),
    Column("fhir", String(8), primary_key=True),
    Column("digest", String(64), primary_key=True, comment="SHA-256 of definitions"),
    Column("definitions", Text, nullable=False, comment="names and versions of what judged, by precedence"),
    Column("seen", Integer, nullable=False, comment="verdicts that rest on these definitions"),
    comment="which definitions the counted verdicts of a day rest on",
)

quality_name = Table(
    "quality_name",
    metadata,
    Column("profile", String(255), primary_key=True),
    Column("element", String(255), primary_key=True, comment="empty for the profile itself"),
    Column("concept", String(40), nullable=False),
    Column("name_nl", String(255), nullable=False),
    Column("name_en", String(255), nullable=False),
    comment="how people call what is counted",
)
