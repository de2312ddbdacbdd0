"""Patients who turn out to be one: their resources move, their numbers are linked, history stays."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, literal_column, select, update

from gateway.store.documents import current
from gateway.store.history import content
from gateway.store.known import Key, StoredPatient, StoredRow, known, pieces, rows_of
from gateway.store.schema import document, identity, link, patient, patient_alias, resource, verdict
from gateway.store.unit import Owner, Pending, RecordedVerdict, Unit, digest_of, local_person
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.search.keys import stored
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.repair import Repair
from profiles.record.stamp import stamp, unstamp
from profiles.record.walk import links, objects

_NAMED = select(
    resource.c.pk, resource.c.provider, resource.c.fhir, resource.c.type, resource.c.id, resource.c.deleted,
    resource.c.json,
)  # fmt: skip
_TO_PATIENT = link.c.target_type == literal_column("'Patient'")
"""As the index has it: a parameter would not be recognised."""

DEPTH = 20
"""Most merges after one another that are followed."""


def resolved(connection: Connection, provider: str, version: FhirVersion, patient_id: str) -> str:
    """The number that a patient number ended in; itself when it was never merged."""
    for _ in range(DEPTH):
        alias = connection.execute(
            select(patient_alias.c.survivor).where(
                patient_alias.c.provider == provider,
                patient_alias.c.fhir == version.value,
                patient_alias.c.patient_id == patient_id,
            )
        ).scalar()
        if alias is None:
            break
        patient_id = str(alias)
    return patient_id


def persons(
    connection: Connection, provider: str, version: FhirVersion, ids: Iterable[str]
) -> dict[str, StoredPatient]:
    """The patients with these numbers who are in the store."""
    found = known(connection, provider, version, [("Patient", one) for one in ids]).patients
    return {one: found[one] for one in ids if one in found}


@dataclass(frozen=True, slots=True)
class Moving:
    """Merges and links of one provider and source, inside the caller's transaction.

    ``received`` is the message that asks for it: it is kept, sealed, as what each new version rests on.
    """

    connection: Connection
    owner: Owner
    version: FhirVersion
    received: bytes

    def merge(self, old: str, survivor: str) -> Counter[str]:
        """Everything of ``old`` becomes the survivor's, and ``old`` ends; what moved, by type."""
        unit = Unit(self.connection, self.owner, self.version)
        moved = self._resources(unit, old, survivor)
        gone = rows_of(self.connection, self.owner.provider, self.version, [("Patient", old)], lock=True)
        row = gone.get(("Patient", old))
        if row is not None and not row.deleted:
            unit.write([Pending(("Patient", old), old, row, deleted=True, original=self.received)], {})
        self._adopt(unit, old, survivor)
        unit.forget_patient(old)
        self._alias(unit, old, survivor)
        return moved

    def _resources(self, unit: Unit, old: str, survivor: str) -> Counter[str]:
        mine = [resource.c.provider == self.owner.provider, resource.c.fhir == self.version.value]
        own = _NAMED.where(*mine, resource.c.patient_id == old)
        # Also what stands in another record and names the patient (a mother's).
        named = {row.pk: row for row in (*self.connection.execute(own), *self._pointing(old))}
        held = sorted(
            (row for row in named.values() if row.type != "Patient" and not row.deleted),
            key=lambda row: (row.type, row.id),
        )
        keys = [(row.type, row.id) for row in held]
        rows = rows_of(self.connection, self.owner.provider, self.version, keys, lock=True)
        changes, verdicts = [], {}
        for row in held:
            key, body = (row.type, row.id), jsonio.load(unpack(bytes(row.json)))
            changed = list(_repoint(body, old, survivor))
            if not changed:
                continue
            before = rows[key]
            whose = survivor if before.patient_id == old else before.patient_id
            changes.append(self._pending(key, before, body, whose, changed, unit.now))
            if (found := self._verdict(row.pk, before.version)) is not None:
                verdicts[key] = found
        unit.write(changes, verdicts)
        # What names no patient (a Binary) and what was deleted goes along as it is.
        self.connection.execute(
            update(resource)
            .where(*mine, resource.c.patient_id == old, resource.c.type != "Patient")
            .values(patient_id=survivor)
        )
        return Counter(row.type for row in held)

    def _pointing(self, old: str) -> Iterator[Any]:
        """What names a patient. By number only, in two steps: a condition on the provider could lead past the index."""
        statement = select(link.c.resource_pk).where(_TO_PATIENT, link.c.target_id == old)
        mine = (self.owner.provider, self.version.value)
        for some in pieces(self.connection.execute(statement).scalars().all()):
            for row in self.connection.execute(_NAMED.where(resource.c.pk.in_(some))):
                if (row.provider, row.fhir) == mine:
                    yield row

    def _pending(
        self, key: Key, before: StoredRow, body: Resource, whose: str, changed: list[Repair], now: datetime
    ) -> Pending:
        held = self._content(key, before.pk)
        unstamp(body)
        digest = digest_of(jsonio.dump(body), held)
        stamp(body, before.version + 1, now)
        tokens = self.connection.execute(select(identity.c.token).where(identity.c.resource_pk == before.pk)).scalars()
        return Pending(
            key, whose, before, json=jsonio.dump(body), xml=xmlio.fragment(body, self.version),
            keys=stored(self.version, body), digest=digest, original=self.received, format="hl7v2",
            links=frozenset(links(body)), tokens=frozenset(tokens), repairs=changed, content=held,
        )  # fmt: skip

    def _content(self, key: Key, pk: int) -> bytes | None:
        statement = select(document.c.version).join(resource, current(document)).where(document.c.resource_pk == pk)
        number = self.connection.execute(statement).scalar()
        return None if number is None else content(self.connection, self.owner.provider, self.version, key, number)

    def _verdict(self, pk: int, number: int) -> RecordedVerdict | None:
        found = self.connection.execute(
            select(verdict.c.verdict, verdict.c.definitions, verdict.c.findings).where(
                verdict.c.resource_pk == pk, verdict.c.version == number
            )
        ).one_or_none()
        return None if found is None else RecordedVerdict(found.verdict, found.definitions, bytes(found.findings))

    def _adopt(self, unit: Unit, old: str, survivor: str) -> None:
        """The BSN that only the ended record had is the survivor's: it is one person."""
        found = persons(self.connection, self.owner.provider, self.version, [old, survivor])
        if old in found and survivor in found and found[old].sealed_bsn and not found[survivor].sealed_bsn:
            unit.put_patient(survivor, self.owner.ring.open("bsn", bytes(found[old].sealed_bsn or b"")).decode(), None)

    def _alias(self, unit: Unit, old: str, survivor: str) -> None:
        same = [patient_alias.c.provider == self.owner.provider, patient_alias.c.fhir == self.version.value]
        self.connection.execute(delete(patient_alias).where(*same, patient_alias.c.patient_id.in_([old, survivor])))
        chained = update(patient_alias).where(*same, patient_alias.c.survivor == old)
        self.connection.execute(chained.values(survivor=survivor))
        values = {
            "provider": self.owner.provider, "fhir": self.version.value, "patient_id": old, "survivor": survivor,
            "source": self.owner.source, "at": unit.now,
        }  # fmt: skip
        self.connection.execute(insert(patient_alias).values(values))

    def link(self, one: StoredPatient, other: StoredPatient) -> None:
        """Two records of one person: from now on a person sees both."""
        leading, following = (other, one) if other.sealed_bsn and not one.sealed_bsn else (one, other)
        if leading.person != following.person:
            self._set(patient.c.person == following.person, leading.person)

    def unlink(self, following: StoredPatient) -> None:
        """A record without a BSN of its own stands alone again."""
        alone = local_person(self.owner.pseudonyms, self.owner.provider, self.version, following.patient_id)
        self._set(patient.c.patient_id == following.patient_id, alone)

    def _set(self, which: ColumnElement[bool], person: str) -> None:
        mine = (patient.c.provider == self.owner.provider, patient.c.fhir == self.version.value)
        self.connection.execute(update(patient).where(*mine, which).values(person=person))


def _repoint(body: Resource, old: str, survivor: str) -> Iterator[Repair]:
    """Let references to one patient point at another, in place."""
    for node in objects(body):
        if node.get("reference") == f"Patient/{old}":
            node["reference"] = f"Patient/{survivor}"
            yield Repair("patient-merged", str(body["resourceType"]))
