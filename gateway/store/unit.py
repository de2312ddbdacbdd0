"""Writing many resources at once: one transaction, few statements, versions kept, originals sealed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from mmap import mmap
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from auth.crypto import KeyRing, Pseudonyms
from gateway.store.bulk import insert_rows, update_rows
from gateway.store.documents import put_content
from gateway.store.known import Key, StoredRow, pieces, rows_of
from gateway.store.schema import (
    identity,
    key_of,
    link,
    original,
    outbox,
    patient,
    patient_alias,
    repair,
    resource,
    verdict,
)
from profiles.fhir.codec.packing import JSON, XML, pack
from profiles.fhir.search.keys import KeptKeys
from profiles.fhir.version import FhirVersion
from profiles.record.repair import Repair

GONE = "deleted"
"""The format of the version that a deletion makes: it has no content."""


def digest_of(json: bytes, content: bytes | mmap | None) -> bytes:
    """By which two versions of a resource are told apart; ``content`` is that of a Binary."""
    found = sha256(json)
    if content is not None:
        found.update(sha256(content).digest())
    return found.digest()


def now_in_milliseconds() -> datetime:
    """This moment, as precise as it is stated in what is served."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Stale(Exception):
    """The store changed since it was looked at: look again and start over."""


@dataclass(slots=True)
class Pending:
    """One resource as it will be stored, or (``deleted``) not be served any more, with what is kept beside it.

    ``json`` and ``xml`` are served, ``keys`` are those by which they are found (profiles.fhir.search.keys),
    ``original`` in ``format`` is what was received. ``content`` is that of a Binary, ``tokens`` are the hashes of its
    identifiers (gateway.store.identity), ``before`` is what the store has now.
    """

    key: Key
    patient_id: str
    before: StoredRow | None
    deleted: bool = False
    json: bytes = b""
    xml: bytes = b""
    keys: KeptKeys | None = None
    digest: bytes = b""
    original: bytes = b""
    format: str = "json"
    links: frozenset[Key] = frozenset()
    tokens: frozenset[str] = frozenset()
    repairs: Sequence[Repair] = ()
    content: bytes | None = None
    packed: tuple[bytes, bytes] | None = None
    sealed: bytes = b""
    """JSON and XML, and the original, as they are stored: `make_ready`."""

    def make_ready(self, ring: KeyRing) -> None:
        """What costs time and needs no database, before a transaction begins: others wait for its end."""
        if not self.deleted and not self.same:
            self.packed = pack(self.json), pack(self.xml, XML)
        if not self.same:
            self.sealed = seal(self, ring)

    @property
    def number(self) -> int:
        """The version that it becomes."""
        return 1 if self.before is None else self.before.version + 1

    @property
    def same(self) -> bool:
        """Whether the store has exactly this already."""
        if self.before is None:
            return self.deleted
        if self.deleted:
            return self.before.deleted
        return not self.before.deleted and self.before.digest == self.digest


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """What validation said, ready for the record."""

    verdict: str
    definitions: str
    findings: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """Where a resource stands after the unit: its version, since when, and what was done to it."""

    version: int
    updated: datetime
    deed: str
    """create, update, delete, or empty when nothing had to be done."""


def outcomes(changes: Sequence[Pending], now: datetime) -> dict[Key, Written]:
    """What writing these at a moment comes to, without writing. What is not there and is to go is left out."""
    made: dict[Key, Written] = {}
    for change in changes:
        row = change.before
        if row is None:
            if not change.deleted:
                made[change.key] = Written(1, now, "create")
        elif change.same:
            made[change.key] = Written(row.version, row.updated, "")
        else:
            deed = "delete" if change.deleted else "create" if row.deleted else "update"
            made[change.key] = Written(change.number, now, deed)
    return made


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose data are written, and the keys: for a BSN that becomes a pseudonym, and for what is sealed."""

    provider: str
    source: str
    pseudonyms: Pseudonyms
    ring: KeyRing


def local_person(pseudonyms: Pseudonyms, provider: str, version: FhirVersion, patient_id: str) -> str:
    """The pseudonym of a patient of whom no BSN is known: nobody else has it."""
    return pseudonyms.of("|".join(("local", provider, version.value, patient_id)))


def seal(change: Pending, ring: KeyRing) -> bytes:
    """What was received, sealed for the store."""
    return ring.seal("original", pack(change.original, XML if change.format == "xml" else JSON))


class Unit:
    """Writes changes of one provider and source inside the caller's transaction."""

    def __init__(self, connection: Connection, owner: Owner, version: FhirVersion, now: datetime | None = None) -> None:
        self._db = connection
        self._provider = owner.provider
        self._source = owner.source
        self._pseudonyms = owner.pseudonyms
        self._ring = owner.ring
        self._version = version
        self.now = now or now_in_milliseconds()

    def put_patient(self, patient_id: str, bsn: str | None, birth_date: date | None) -> None:
        """Make or refresh a patient. A patient without BSN gets a pseudonym of their own, until the BSN is known."""
        values: dict[str, Any] = {"source": self._source}
        if bsn is not None:
            values |= {"person": self._pseudonyms.of(bsn), "sealed_bsn": self._ring.seal("bsn", bsn.encode())}
        if birth_date is not None:
            values["birth_date"] = birth_date
        key = {"provider": self._provider, "fhir": self._version.value, "patient_id": patient_id}
        local = local_person(self._pseudonyms, self._provider, self._version, patient_id)
        dialect = postgresql if self._db.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(patient).values({"person": local, **key, **values})
        self._db.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))
        # A number that ended in a merge and is given out anew is somebody again: it leads nowhere any more.
        self._db.execute(delete(patient_alias).where(*(patient_alias.c[name] == value for name, value in key.items())))

    def check(self, expected: Mapping[Key, StoredRow], watched: Iterable[Key]) -> None:
        """Lock what the changes rest on. Raises Stale when it is not as it was when the changes were planned."""
        found = rows_of(self._db, self._provider, self._version, watched, lock=True)
        if {key: (row.pk, row.version) for key, row in found.items()} != {
            key: (row.pk, row.version) for key, row in expected.items()
        }:
            raise Stale

    def write(self, changes: Sequence[Pending], verdicts: Mapping[Key, RecordedVerdict]) -> dict[Key, Written]:
        """Store the changes; those that change nothing are left alone."""
        made = outcomes(changes, self.now)
        new = [change for change in changes if change.before is None and not change.deleted]
        kept = [(pk, 1, change) for change, pk in zip(new, self._insert(new), strict=True)]
        old: list[dict[str, Any]] = []
        for change in changes:
            row = change.before
            if row is None or change.same:
                continue
            kept.append((row.pk, change.number, change))
            if change.deleted:
                self._remove(row.pk, change.number)
            else:
                old.append({"pk": row.pk, "version": change.number} | self._values(change))
        update_rows(self._db, resource, "pk", old)
        self._keep(kept, verdicts)
        self._announce([(change, made[change.key]) for _, _, change in kept])
        return made

    def left_of(self, patient_id: str) -> int:
        """How many resources of a patient are served, the Patient itself left out."""
        return self._db.execute(
            select(func.count())
            .select_from(resource)
            .where(
                resource.c.provider == self._provider,
                resource.c.fhir == self._version.value,
                resource.c.patient_id == patient_id,
                resource.c.deleted.is_(False),
                resource.c.type != "Patient",
            )
        ).scalar_one()

    def forget_patient(self, patient_id: str) -> None:
        """Take away who a patient is; the history of their resources stays."""
        self._db.execute(
            delete(patient).where(
                patient.c.provider == self._provider,
                patient.c.fhir == self._version.value,
                patient.c.patient_id == patient_id,
            )
        )

    def persons(self, patient_ids: Iterable[str]) -> dict[str, str]:
        """The pseudonyms of patients."""
        rows = self._db.execute(
            select(patient.c.patient_id, patient.c.person).where(
                patient.c.provider == self._provider,
                patient.c.fhir == self._version.value,
                patient.c.patient_id.in_(sorted(set(patient_ids))),
            )
        )
        return {row.patient_id: row.person for row in rows}

    def _values(self, change: Pending) -> dict[str, Any]:
        json, xml = change.packed or (pack(change.json), pack(change.xml, XML))
        return {
            "patient_id": change.patient_id,
            "digest": change.digest,
            "json": json,
            "xml": xml,
            "search": change.keys.search if change.keys else None,
            "marks": change.keys.marks if change.keys else None,
            "updated": self.now,
            "deleted": False,
        }

    def _insert(self, new: Sequence[Pending]) -> Sequence[int]:
        if not new:
            return []
        rows = [
            self._values(change)
            | {
                "key": key_of(self._provider, self._version.value, *change.key),
                "provider": self._provider,
                "fhir": self._version.value,
                "type": change.key[0],
                "id": change.key[1],
                "source": self._source,
                "version": 1,
            }
            for change in new
        ]
        if self._db.dialect.name == "sqlite":
            # The one writer that there is may number them itself, as SQLite would: all in one statement, since reads
            # wait for the end of this transaction to write their access records.
            last = self._db.execute(select(func.max(resource.c.pk))).scalar_one() or 0
            numbers = range(last + 1, last + 1 + len(rows))
            for row, pk in zip(rows, numbers, strict=True):
                row["pk"] = pk
            insert_rows(self._db, resource, rows)
            return numbers
        statement = insert(resource).returning(resource.c.pk, sort_by_parameter_order=True)
        return list(self._db.execute(statement, rows).scalars())

    def _remove(self, pk: int, number: int) -> None:
        self._db.execute(
            update(resource).where(resource.c.pk == pk).values(version=number, updated=self.now, deleted=True)
        )

    def _keep(self, kept: Sequence[tuple[int, int, Pending]], verdicts: Mapping[Key, RecordedVerdict]) -> None:
        """Beside the resources: originals, links, identifiers, repairs, verdicts, contents."""
        for some in pieces([pk for pk, number, change in kept if number > 1 and not change.deleted]):
            self._db.execute(delete(link).where(link.c.resource_pk.in_(some)))
            self._db.execute(delete(identity).where(identity.c.resource_pk.in_(some)))
        originals, links, tokens, repairs, rulings = [], [], [], [], []
        for pk, number, change in kept:
            at = {"resource_pk": pk, "version": number}
            format_ = GONE if change.deleted else change.format
            sealed = change.sealed or seal(change, self._ring)
            originals.append(at | {"received": self.now, "format": format_, "sealed": sealed})
            if change.deleted:
                continue
            links += [{"resource_pk": pk, "target_type": key[0], "target_id": key[1]} for key in sorted(change.links)]
            tokens += [{"resource_pk": pk, "token": token} for token in sorted(change.tokens)]
            repairs += [at | {"rule": one.rule, "expression": one.expression} for one in change.repairs]
            if (found := verdicts.get(change.key)) is not None:
                rulings.append(
                    at | {"verdict": found.verdict, "definitions": found.definitions, "findings": pack(found.findings)}
                )
        for table, rows in (
            (original, originals), (link, links), (identity, tokens), (repair, repairs), (verdict, rulings),
        ):  # fmt: skip
            insert_rows(self._db, table, rows)
        for pk, number, change in kept:
            if change.content is not None:
                put_content(self._db, pk, number, change.content)

    def _announce(self, done: Sequence[tuple[Pending, Written]]) -> None:
        rows = [
            {
                "at": self.now,
                "provider": self._provider,
                "fhir": self._version.value,
                "patient_id": change.patient_id,
                "type": change.key[0],
                "id": change.key[1],
                "version": written.version,
                "deed": written.deed,
                "source": self._source,
            }
            for change, written in done
        ]
        insert_rows(self._db, outbox, rows)
