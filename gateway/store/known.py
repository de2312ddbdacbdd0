"""What the store knows of the resources and patients that a push names: read at once, before anything is written."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, bindparam, select

from gateway.store.documents import current
from gateway.store.schema import document, identity, key_of, link, patient, patient_alias, resource
from profiles.fhir.codec.packing import unpack
from profiles.fhir.version import FhirVersion

Key = tuple[str, str]
T = TypeVar("T")
MOST = 400
"""Ids in one select."""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A stored resource, deleted ones included."""

    pk: int
    patient_id: str
    source: str
    version: int
    digest: bytes
    updated: datetime
    deleted: bool


@dataclass(frozen=True, slots=True)
class StoredPatient:
    """A patient of the store."""

    patient_id: str
    source: str
    person: str
    sealed_bsn: bytes | None


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """The answer of the store about the keys that were asked."""

    rows: Mapping[Key, StoredRow] = field(default_factory=dict)
    patients: Mapping[str, StoredPatient] = field(default_factory=dict)
    documents: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)
    elsewhere: Sequence[StoredPatient] = ()
    """The patients with the same ids in another release."""


_ROWS = select(
    resource.c.type,
    resource.c.id,
    resource.c.pk,
    resource.c.patient_id,
    resource.c.source,
    resource.c.version,
    resource.c.digest,
    resource.c.updated,
    resource.c.deleted,
).where(resource.c.key.in_(bindparam("keys", expanding=True)))
_CONTENTS = select(resource.c.type, resource.c.id, resource.c.json).where(
    resource.c.key.in_(bindparam("keys", expanding=True)), resource.c.deleted.is_(False)
)
_POINTING = select(link.c.resource_pk).where(
    link.c.resource_pk.in_(bindparam("pks", expanding=True)), link.c.target_type == bindparam("type")
)
_LOCKED = _ROWS.order_by(resource.c.key).with_for_update()


_NAMED = select(resource.c.id, resource.c.provider, resource.c.fhir, resource.c.source, resource.c.type).where(
    resource.c.deleted.is_(False)
)


def rows_of(
    connection: Connection, provider: str, version: FhirVersion, keys: Iterable[Key], *, lock: bool = False
) -> dict[Key, StoredRow]:
    """The stored resources with these types and ids; locked until the end of the transaction when asked."""
    rows = {}
    # In the order of the keys, so that two that lock the same rows never wait for each other.
    hashed = sorted(key_of(provider, version.value, *key) for key in set(keys))
    for some in pieces(hashed):
        for row in connection.execute(_LOCKED if lock else _ROWS, {"keys": some}):
            rows[row[0], row[1]] = StoredRow(*row[2:])
    return rows


def contents_of(
    connection: Connection, provider: str, version: FhirVersion, keys: Iterable[Key]
) -> Iterator[tuple[Key, bytes]]:
    """The JSON of stored resources, for their names."""
    hashed = sorted(key_of(provider, version.value, *key) for key in set(keys))
    for some in pieces(hashed):
        for row in connection.execute(_CONTENTS, {"keys": some}):
            yield (row.type, row.id), unpack(bytes(row.json))


def ids_of(
    connection: Connection, provider: str, version: FhirVersion, source: str, type_: str, patient_id: str, begin: str
) -> Sequence[str]:
    """The ids, with this beginning, of what a source has of a patient now; sorted."""
    statement = select(resource.c.id).where(
        resource.c.provider == provider, resource.c.fhir == version.value, resource.c.patient_id == patient_id,
        resource.c.type == type_, resource.c.source == source, resource.c.deleted.is_(False),
        resource.c.id.startswith(begin, autoescape=True),
    )  # fmt: skip
    return sorted(connection.execute(statement).scalars())


def pointing_at(connection: Connection, pks: Iterable[int], type_: str) -> set[int]:
    """Which of these rows point at something of a type."""
    found: set[int] = set()
    for some in pieces(sorted(pks)):
        found.update(connection.execute(_POINTING, {"pks": some, "type": type_}).scalars())
    return found


def known(
    connection: Connection, provider: str, version: FhirVersion, keys: Iterable[Key], persons: Iterable[str] = ()
) -> KnownKeys:
    """Look up resources by type and id, the patients they belong to, patients by pseudonym, and documents."""
    asked = set(keys)
    rows = rows_of(connection, provider, version, asked)
    wanted = {row.patient_id for row in rows.values() if row.patient_id}
    wanted |= {id_ for type_, id_ in asked if type_ == "Patient"}
    base = select(patient.c.patient_id, patient.c.source, patient.c.person, patient.c.sealed_bsn).where(
        patient.c.provider == provider, patient.c.fhir == version.value
    )
    patients: dict[str, StoredPatient] = {}
    for column, values in ((patient.c.patient_id, sorted(wanted)), (patient.c.person, sorted(set(persons)))):
        for some in pieces(values):
            for row in connection.execute(base.where(column.in_(some))):
                patients[row.patient_id] = StoredPatient(*row)
    elsewhere: list[StoredPatient] = []
    for some in pieces(sorted({id_ for type_, id_ in asked if type_ == "Patient"})):
        others = select(patient.c.patient_id, patient.c.source, patient.c.person, patient.c.sealed_bsn).where(
            patient.c.provider == provider, patient.c.fhir != version.value, patient.c.patient_id.in_(some)
        )
        elsewhere += [StoredPatient(*row) for row in connection.execute(others)]
    owners = {("Patient", id_) for id_ in (*wanted, *patients)} - asked
    rows |= rows_of(connection, provider, version, owners)
    binaries = {rows[key].pk: key[1] for key in asked if key[0] == "Binary" and key in rows and not rows[key].deleted}
    documents: dict[str, tuple[int, bytes]] = {}
    for some_pks in pieces(list(binaries)):
        statement = select(document.c.resource_pk, document.c.size, document.c.sha1).join(resource, current(document))
        for found in connection.execute(statement.where(document.c.resource_pk.in_(some_pks))):
            documents[binaries[found.resource_pk]] = (int(found.size), bytes(found.sha1))
    return KnownKeys(rows, patients, documents, elsewhere)


def merged(
    connection: Connection, provider: str, version: FhirVersion, sources: Collection[str], ids: Iterable[str]
) -> dict[str, str]:
    """Of patient numbers that ended in another one by a merge: which number that is, as far as these sources said."""
    base = select(patient_alias.c.patient_id, patient_alias.c.survivor).where(
        patient_alias.c.provider == provider,
        patient_alias.c.fhir == version.value,
        patient_alias.c.source.in_(list(sources)),
    )
    found: dict[str, str] = {}
    for some in pieces(sorted(set(ids))):
        for row in connection.execute(base.where(patient_alias.c.patient_id.in_(some))):
            found[str(row.patient_id)] = str(row.survivor)
    return found


def by_identifier(
    connection: Connection, provider: str, version: FhirVersion, source: str, type_: str, token: str
) -> Sequence[str]:
    """The ids of a source's resources with an identifier; at most two, which is one too many."""
    # In two steps: only by the token, which few have.
    found = list(connection.execute(select(identity.c.resource_pk).where(identity.c.token == token)).scalars())
    wanted = (provider, version.value, source, type_)
    ids: list[str] = []
    for some in pieces(found):
        for row in connection.execute(_NAMED.where(resource.c.pk.in_(some))):
            if (row.provider, row.fhir, row.source, row.type) == wanted:
                ids.append(row.id)
    return sorted(ids)[:2]


def pieces(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The same, so many at a time as one select takes."""
    for start in range(0, len(values), MOST):
        yield values[start : start + MOST]
