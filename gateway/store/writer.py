"""Writing resources: one unit of work, versions kept, originals sealed. The caller commits."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from auth.crypto import KeyRing, Pseudonyms
from gateway.collect.normalise import Repair
from gateway.store.documents import put_content
from gateway.store.identity import tokens
from gateway.store.schema import document, identity, link, original, patient, repair, resource
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion


@dataclass(frozen=True, slots=True)
class Received:
    """A resource ready to be stored: what is served, and what was received."""

    version: FhirVersion
    type: str
    id: str
    patient_id: str
    json: bytes
    xml: bytes
    original: bytes
    format: str
    links: frozenset[tuple[str, str]] = frozenset()
    repairs: Sequence[Repair] = ()
    tokens: frozenset[str] = frozenset()
    """Hashes of its identifiers; see gateway.store.identity."""
    content: bytes | None = None
    """The content of a Binary, which is not in ``json`` and ``xml``."""


@dataclass(frozen=True, slots=True)
class PatientEntry:
    """A patient as one source knows them; ``bsn`` is None when the source gave none in plain."""

    version: FhirVersion
    patient_id: str
    bsn: str | None
    birth_date: date | None


class Conflict(Exception):
    """A resource id is taken by another source or another patient; the text says so without naming the patient."""


class Writer:
    """Stores patients and resources of one provider and source inside the caller's transaction.

    ``pseudonyms`` turns a BSN into the person's key, ``ring`` seals what may not be readable in the database.
    """

    def __init__(
        self,
        connection: Connection,
        provider: str,
        source: str,
        pseudonyms: Pseudonyms,
        ring: KeyRing,
    ) -> None:
        self._db = connection
        self._provider = provider
        self._source = source
        self._pseudonyms = pseudonyms
        self._ring = ring
        self._now = datetime.now(UTC)

    def tokens(self, found: Resource) -> frozenset[str]:
        """The hashes of a resource's identifiers, to be taken before its BSN is masked."""
        return tokens(self._pseudonyms, found)

    def put_patient(self, entry: PatientEntry) -> None:
        """Make or refresh a patient. A patient without BSN gets a pseudonym of their own, until the BSN is known."""
        values: dict[str, Any] = {"source": self._source}
        if entry.bsn is not None:
            sealed = self._ring.seal("bsn", entry.bsn.encode())
            values |= {"person": self._pseudonyms.of(entry.bsn), "sealed_bsn": sealed}
        if entry.birth_date is not None:
            values["birth_date"] = entry.birth_date
        key = {"provider": self._provider, "fhir": entry.version.value, "patient_id": entry.patient_id}
        local = self._pseudonyms.of("|".join(("local", *key.values())))
        dialect = postgresql if self._db.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(patient).values({"person": local, **key, **values})
        self._db.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))

    def patient_of(self, version: FhirVersion, type_: str, id_: str) -> str | None:
        """The patient (empty: shared) to whom a stored resource belongs; None when it is not in the store."""
        return self._db.execute(
            select(resource.c.patient_id).where(
                resource.c.provider == self._provider,
                resource.c.fhir == version.value,
                resource.c.type == type_,
                resource.c.id == id_,
            )
        ).scalar_one_or_none()

    def put(self, received: Received) -> bool:
        """Store a resource; True when it is new or changed, False when the same bytes were there already.

        Raises Conflict when the id belongs to another source or another patient.
        """
        digest = _digest(received)
        row = self._db.execute(
            select(resource).where(
                resource.c.provider == self._provider,
                resource.c.fhir == received.version.value,
                resource.c.type == received.type,
                resource.c.id == received.id,
            )
        ).one_or_none()
        if row is None:
            pk, number = self._insert(received, digest), 1
        else:
            if row.source != self._source:
                raise Conflict(f"{received.type}/{received.id} is already in use by source {row.source}")
            if row.patient_id != received.patient_id:
                raise Conflict(f"{received.type}/{received.id} belongs to another patient in the store")
            if row.digest == digest and not row.deleted:
                return False
            pk, number = row.pk, row.version + 1
            self._db.execute(
                update(resource)
                .where(resource.c.pk == pk)
                .values(
                    version=number,
                    digest=digest,
                    json=received.json,
                    xml=received.xml,
                    updated=self._now,
                    deleted=False,
                )
            )
        self._keep(pk, number, received)
        if received.type == "Binary":
            put_content(self._db, pk, received.content)
        return True

    def document_of(self, version: FhirVersion, id_: str) -> tuple[int, bytes] | None:
        """Size and SHA-1 of the content of a stored Binary; None when it is not in the store."""
        row = self._db.execute(
            select(document.c.size, document.c.sha1)
            .join(resource, resource.c.pk == document.c.resource_pk)
            .where(
                resource.c.provider == self._provider,
                resource.c.fhir == version.value,
                resource.c.type == "Binary",
                resource.c.id == id_,
                resource.c.deleted.is_(False),
            )
        ).one_or_none()
        return None if row is None else (int(row.size), bytes(row.sha1))

    def remove_patient(self, version: FhirVersion, patient_id: str) -> int:
        """Remove a patient with everything that belongs to them; the number of resources removed."""
        chosen = (
            resource.c.provider == self._provider,
            resource.c.fhir == version.value,
            resource.c.patient_id == patient_id,
        )
        count = self._db.execute(select(func.count()).select_from(resource).where(*chosen)).scalar_one()
        self._db.execute(delete(resource).where(*chosen))
        self._db.execute(
            delete(patient).where(
                patient.c.provider == self._provider,
                patient.c.fhir == version.value,
                patient.c.patient_id == patient_id,
            )
        )
        return count

    def _insert(self, received: Received, digest: bytes) -> int:
        result = self._db.execute(
            insert(resource)
            .values(
                provider=self._provider,
                fhir=received.version.value,
                patient_id=received.patient_id,
                type=received.type,
                id=received.id,
                source=self._source,
                version=1,
                digest=digest,
                json=received.json,
                xml=received.xml,
                updated=self._now,
                deleted=False,
            )
            .returning(resource.c.pk)
        )
        return int(result.scalar_one())

    def _keep(self, pk: int, number: int, received: Received) -> None:
        sealed = self._ring.seal("original", received.original)
        self._db.execute(
            insert(original).values(
                resource_pk=pk, version=number, received=self._now, format=received.format, sealed=sealed
            )
        )
        self._db.execute(delete(link).where(link.c.resource_pk == pk))
        targets = [{"resource_pk": pk, "target_type": type_, "target_id": id_} for type_, id_ in sorted(received.links)]
        if targets:
            self._db.execute(insert(link), targets)
        self._db.execute(delete(identity).where(identity.c.resource_pk == pk))
        if received.tokens:
            rows_of = [{"resource_pk": pk, "token": one} for one in sorted(received.tokens)]
            self._db.execute(insert(identity), rows_of)
        rows = [_repair_row(pk, number, change) for change in received.repairs]
        if rows:
            self._db.execute(insert(repair), rows)


def _digest(received: Received) -> bytes:
    found = hashlib.sha256(received.json)
    if received.content is not None:
        found.update(hashlib.sha256(received.content).digest())
    return found.digest()


def _repair_row(pk: int, number: int, change: Repair) -> Mapping[str, object]:
    return {"resource_pk": pk, "version": number, "rule": change.rule, "expression": change.expression}
