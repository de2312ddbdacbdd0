"""The record of one person at one provider, loaded piece by piece as a search needs it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.collect.content import Content, inline
from gateway.collect.held import Held
from gateway.store.documents import DOCUMENT, StoredContent
from gateway.store.queries import BY_IDS, BY_TYPE, PATIENTS, POINTING_AT
from gateway.store.reader import Reader, Row
from profiles.fhir.version import FhirVersion

Key = tuple[str, str]

HOPS = 3
"""How far a shared resource may be from the patient's own: role, practitioner, organization."""


@dataclass(frozen=True, slots=True)
class Whose:
    """The person whose record it is: a pseudonym, or for test tokens a patient id. Never both empty."""

    provider: str
    version: FhirVersion
    person: str
    patient_id: str = ""

    def __post_init__(self) -> None:
        if not self.person and not self.patient_id:
            raise ValueError("a record belongs to somebody")


class Record:
    """What has been loaded so far, and what a search found missing. Without a reader it holds only what is added.

    A search runs in memory and cannot wait; ``find`` and ``of_type`` answer from what is loaded and note what is not.
    The caller loads that and runs the search again, until nothing new is noted (see :mod:`gateway.collect.answer`).
    """

    def __init__(self, reader: Reader | None, whose: Whose) -> None:
        self._reader = reader
        self._whose = whose
        self._who = {
            "provider": whose.provider,
            "fhir": whose.version.value,
            "person": whose.person,
            "patient_id": whose.patient_id,
        }
        self._by_key: dict[Key, Held | None] = {}
        self._by_type: dict[str, list[Held]] = {}
        self._added: dict[str, list[Held]] = {}
        self._missed_keys: dict[Key, None] = {}
        self._missed_types: dict[str, None] = {}

    def find(self, type_: str, id_: str) -> Held | None:
        """A loaded resource; a key that was never asked of the store is noted as missed."""
        key = (type_, id_)
        if key not in self._by_key:
            self._missed_keys[key] = None
            return None
        return self._by_key[key]

    def of_type(self, type_: str) -> Sequence[Held]:
        """The loaded resources of a type; a type that was never loaded is noted as missed."""
        if type_ not in self._by_type:
            self._missed_types[type_] = None
            return self._added.get(type_, ())
        return self._by_type[type_]

    def add(self, held: Iterable[Held]) -> None:
        """Put resources of a live source into the record, before anything is searched."""
        for item in held:
            if self._by_key.get((item.type, item.id)) is None:
                self._by_key[item.type, item.id] = item
                self._added.setdefault(item.type, []).append(item)

    async def load(self) -> bool:
        """Load what was missed; False when nothing was. Raises StoreUnavailable."""
        types, keys = list(self._missed_types), list(self._missed_keys)
        self._missed_types.clear()
        self._missed_keys.clear()
        reader = self._reader
        if reader is None:
            return False
        for type_ in types:
            rows = await reader.fetch(BY_TYPE, {**self._who, "type": type_})
            known = self._by_type.setdefault(type_, list(self._added.get(type_, ())))
            for held in map(self._held, rows):
                if self._by_key.get((held.type, held.id)) is None:
                    self._by_key[held.type, held.id] = held
                    known.append(held)
        wanted = [key for key in keys if key not in self._by_key]
        for type_ in dict.fromkeys(type_ for type_, _ in wanted):
            await self._load_ids(reader, type_, [id_ for other, id_ in wanted if other == type_])
        return bool(types or wanted)

    async def patients(self) -> Sequence[str]:
        """The ids of the Patient resources that are this person."""
        return [str(row[0]) for row in await self._patients()]

    async def persons(self) -> frozenset[str]:
        """The pseudonyms behind those Patient resources."""
        return frozenset(str(row[3]) for row in await self._patients())

    async def _patients(self) -> Sequence[Row]:
        return [] if self._reader is None else await self._reader.fetch(PATIENTS, self._who)

    async def visible(self, held: Held) -> bool:
        """Whether a resource may be read by its id: the person's own, or shared and pointed at from their record."""
        if held.patient_id or self._reader is None:
            return True
        mine = set(await self.patients())
        seen: set[Key] = set()
        level = {(held.type, held.id)}
        for _ in range(HOPS):
            above: set[Key] = set()
            for type_, id_ in level:
                rows = await self._reader.fetch(POINTING_AT, {**self._who, "type": type_, "id": id_})
                if any(row[0] in mine for row in rows):
                    return True
                above |= {(str(row[1]), str(row[2])) for row in rows if not row[0]}
            seen |= level
            level = above - seen
        return False

    async def content(self, held: Held) -> Content | None:
        """The content of a Binary that was read, from the store or from the resource itself; None without content."""
        rows = [] if self._reader is None else await self._reader.fetch(DOCUMENT, {**self._who, "id": held.id})
        if rows and self._reader is not None:
            return StoredContent(int(rows[0][0]), bytes(rows[0][1]), self._reader, {**self._who, "id": held.id})
        return inline(held, self._whose.version)

    async def _load_ids(self, reader: Reader, type_: str, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), 64):
            part = ids[start : start + 64]
            size = next(size for size in BY_IDS if size >= len(part))
            padded = [*part, *[part[-1]] * (size - len(part))]
            parameters = {f"id_{index}": id_ for index, id_ in enumerate(padded)}
            rows = await reader.fetch(BY_IDS[size], {**self._who, "type": type_, **parameters})
            self._by_key.update(dict.fromkeys((type_, id_) for id_ in part))
            for held in map(self._held, rows):
                self._by_key[held.type, held.id] = held

    def _held(self, row: Row) -> Held:
        type_, id_, json, xml, source, patient_id, digest = row
        version = self._whose.version
        return Held(type_, id_, version, source=source, patient_id=patient_id, json=json, xml=xml, digest=digest)
