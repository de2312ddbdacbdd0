"""The record of one person at one provider, loaded piece by piece as a search needs it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.collect.content import DocumentContent, inline
from gateway.collect.held import Held
from gateway.release.shield import Hidden, Shield
from gateway.store.documents import StoredContent
from gateway.store.line import Row
from gateway.store.queries import BODIES, OF_PATIENT, OF_PERSON, SHARED_TARGETS
from gateway.store.reader import Reader, StoreUnavailable
from profiles.fhir.codec import jsonio
from profiles.fhir.search.keys import TABLES, KeptKeys, stored
from profiles.fhir.version import FhirVersion

Key = tuple[str, str]
Candidates = tuple[str, int]
"""A type, and marks of which each has one."""
Rekey = Callable[[int, bytes, KeptKeys], None]
"""Takes number, digest and new search keys of a stored resource that had none, or none for these tables."""

HOPS = 3
"""How far a shared resource may be from the patient's own: role, practitioner, organization."""


@dataclass(frozen=True, slots=True)
class RecordOwner:
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
    Bytes are loaded in ``format_`` (empty: none), of many resources only once they match.
    What ``shield`` hides is as if it were not there, for every question; `hidden` and `touched` say what that was.
    """

    def __init__(
        self,
        reader: Reader | None,
        whose: RecordOwner,
        format_: str = "json",
        rekey: Rekey | None = None,
        shield: Shield | None = None,
    ) -> None:
        self._reader = reader
        self._whose = whose
        self._format = format_
        self._rekey = rekey
        self._selects = OF_PATIENT if whose.patient_id else OF_PERSON
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
        self._by_marks: dict[Candidates, list[Held]] = {}
        self._missed_marks: dict[Candidates, None] = {}
        self._shield = shield
        self._hidden: dict[Key, tuple[Held, Hidden]] = {}
        self.touched: set[Key] = set()
        """Hidden resources that something asked for by their key."""

    def hidden(self, type_: str) -> Sequence[tuple[Held, Hidden]]:
        """What is loaded of a type and not shown, and why: to be counted, never to be served."""
        return [pair for (kind, _), pair in self._hidden.items() if kind == type_]

    def why(self, keys: Iterable[Key]) -> Sequence[Hidden]:
        """Why these are not shown."""
        return [self._hidden[key][1] for key in keys if key in self._hidden]

    def find(self, type_: str, id_: str) -> Held | None:
        """A loaded resource; a key that was never asked of the store is noted as missed."""
        key = (type_, id_)
        if key not in self._by_key:
            self._missed_keys[key] = None
            return None
        if key in self._hidden:
            self.touched.add(key)
        return self._by_key[key]

    def of_type(self, type_: str) -> Sequence[Held]:
        """The loaded resources of a type; a type that was never loaded is noted as missed."""
        if type_ not in self._by_type:
            self._missed_types[type_] = None
            return self._added.get(type_, ())
        return self._by_type[type_]

    def candidates(self, type_: str, marks: int) -> Sequence[Held]:
        """The loaded resources of a type that may have one of the marks; without marks all of the type."""
        if not marks or type_ in self._by_type:
            return self.of_type(type_)
        found = self._by_marks.get((type_, marks))
        if found is None:
            self._missed_marks[type_, marks] = None
            return self._added.get(type_, ())
        return found

    def add(self, held: Iterable[Held]) -> None:
        """Put resources of a live source into the record, before anything is searched."""
        for item in self._shown(list(held)):
            if self._by_key.get((item.type, item.id)) is None:
                self._by_key[item.type, item.id] = item
                self._added.setdefault(item.type, []).append(item)

    async def load(self) -> bool:
        """Load what was missed; False when nothing was. Raises StoreUnavailable."""
        types, some = list(self._missed_types), list(self._missed_marks)
        keys = [key for key in self._missed_keys if key not in self._by_key]
        self._missed_types.clear()
        self._missed_marks.clear()
        self._missed_keys.clear()
        reader = self._reader
        if reader is None:
            return False
        for type_ in types:
            rows = await reader.fetch(self._selects.by_type[self._format], {**self._who, "type": type_})
            self._by_type[type_] = await self._known(reader, rows, type_)
        for type_, marks in some:
            asked = {**self._who, "type": type_, "marks": marks, "tables": TABLES}
            rows = await reader.fetch(self._selects.by_marks[self._format], asked)
            self._by_marks[type_, marks] = await self._known(reader, rows, type_)
        keys = [key for key in keys if key not in self._by_key]
        if keys:
            await self._load_keys(reader, keys)
        return bool(types or some or keys)

    async def ready(self, helds: Iterable[Held]) -> bool:
        """Load the bytes of what will leave; False when the store changed meanwhile: search again. StoreUnavailable."""
        lacking = [held for held in helds if held.lacks(self._format)]
        if not lacking or self._reader is None or await self._load_bodies(self._reader, lacking, self._format):
            return True
        self._by_key = {key: held for key, held in self._by_key.items() if held is not None and held.live}
        self._by_type.clear()
        self._by_marks.clear()
        self._hidden.clear()
        return False

    async def unnamed(self, helds: Sequence[Held]) -> bool:
        """Take the names of what is hidden out of what will leave; False when the store changed meanwhile."""
        hidden = self._hidden.keys() | (self._shield.withheld if self._shield else frozenset())
        if not hidden:
            return True
        lacking = [held for held in helds if held.lacks("json")]
        if lacking and self._reader is not None and not await self._load_bodies(self._reader, lacking, "json"):
            return False
        for held in helds:
            held.without_names_of(hidden)
        return True

    async def patients(self) -> Sequence[str]:
        """The ids of the Patient resources that are this person."""
        return [str(row[0]) for row in await self._patients()]

    async def persons(self) -> frozenset[str]:
        """The pseudonyms behind those Patient resources."""
        return frozenset(str(row[3]) for row in await self._patients())

    async def _patients(self) -> Sequence[Row]:
        return [] if self._reader is None else await self._reader.fetch(self._selects.patients, self._who)

    async def visible(self, held: Held) -> bool:
        """Whether a resource may be read by its id: the person's own, or shared and pointed at from their record."""
        if held.patient_id or self._reader is None:
            return True
        if await self._reader.fetch(self._selects.pointed_at, {**self._who, "type": held.type, "id": held.id}):
            return True
        level: set[Key] = {(row[0], row[1]) for row in await self._reader.fetch(self._selects.targets, self._who)}
        seen = set(level)
        for _ in range(HOPS - 1):
            rows = await self._reader.fetch(SHARED_TARGETS, {**self._who, **_named(level)})
            level = {(row[0], row[1]) for row in rows} - seen
            if (held.type, held.id) in level:
                return True
            seen |= level
        return False

    async def content(self, held: Held) -> DocumentContent | None:
        """The content of a Binary that was read, from the store or from the resource itself; None without content."""
        asked = {**self._who, "id": held.id}
        rows = [] if self._reader is None else await self._reader.fetch(self._selects.document, asked)
        if rows and self._reader is not None:
            return StoredContent(int(rows[0][0]), bytes(rows[0][1]), self._reader, self._selects, asked)
        return inline(held, self._whose.version)

    async def _known(self, reader: Reader, rows: Sequence[Row], type_: str) -> list[Held]:
        """What live sources gave of a type, and of the store what these did not give."""
        known = list(self._added.get(type_, ()))
        found = [self._held(row, type_) for row in rows]
        await self._make_searchable(reader, found)
        for held in self._shown(found):
            before = self._by_key.get((type_, held.id))
            if before is None:
                self._by_key[type_, held.id] = before = held
            if not before.live:
                known.append(before)
        return known

    async def _load_keys(self, reader: Reader, keys: Sequence[Key]) -> None:
        # Of a document the data are needed, whatever the format: its content stands apart.
        format_ = "json" if any(type_ == "Binary" for type_, _ in keys) else self._format
        for start in range(0, len(keys), MOST):
            some = keys[start : start + MOST]
            rows = await reader.fetch(self._selects.by_keys[format_], {**self._who, **_named(some)})
            self._by_key.update(dict.fromkeys(some))
            found = [self._held(row, row[7], format_) for row in rows]
            await self._make_searchable(reader, found)
            for held in await self._documents_shown(reader, self._shown(found)):
                self._by_key[held.type, held.id] = held

    def _shown(self, pieces: Sequence[Held]) -> Sequence[Held]:
        """Those that may be shown; of the others it is kept why not."""
        shield = self._shield
        if shield is None:
            return pieces
        shown = []
        for held in pieces:
            why = shield.judge(held.type, held.id, lambda held=held: held.data)  # type: ignore[misc]
            if why is None:
                shown.append(held)
            else:
                self._hide(held, why)
        return shown

    def _hide(self, held: Held, why: Hidden) -> None:
        self._hidden[held.type, held.id] = (held, why)
        self._by_key[held.type, held.id] = None

    async def _documents_shown(self, reader: Reader, pieces: Sequence[Held]) -> Sequence[Held]:
        """Without the content of a document that is not shown: its bytes say what the document says."""
        shown = []
        for held in pieces:
            why = await self._why_content(reader, held) if held.type == "Binary" and self._shield else None
            if why is None:
                shown.append(held)
            else:
                self._hide(held, why)
        return shown

    async def _why_content(self, reader: Reader, binary: Held) -> Hidden | None:
        asked = {**self._who, "type": "Binary", "id": binary.id}
        rows = await reader.fetch(self._selects.pointing, asked)
        pointing = [self._held(row, row[7]) for row in rows]
        await self._make_searchable(reader, pointing)
        shown = self._shown(pointing)
        hidden = {(one.type, one.id) for one in pointing} - {(one.type, one.id) for one in shown}
        return next((replace(why, type="Binary") for why in self.why(hidden)), None)

    async def _make_searchable(self, reader: Reader, pieces: Sequence[Held]) -> None:
        """Make keys for what was stored without any, or for other tables, and hand them over to be kept."""
        if not any(held.unkeyed for held in pieces):
            return
        without = [held for held in pieces if not held.searchable]
        if without and not await self._load_bodies(reader, without, "json"):
            raise StoreUnavailable from LookupError("a resource changed while it was read")
        for held in pieces:
            if held.unkeyed and held.digest is not None and self._rekey is not None:
                self._rekey(held.number, held.digest, stored(self._whose.version, held.whole))

    async def _load_bodies(self, reader: Reader, helds: Sequence[Held], format_: str) -> bool:
        by_number = {held.number: held for held in helds}
        numbers = list(by_number)
        for start in range(0, len(numbers), MOST):
            some = numbers[start : start + MOST]
            asked = {"keys": jsonio.dump(some).decode(), "pks": some}
            for number, digest, body in await reader.fetch(BODIES[format_], asked):
                held = by_number[number]
                if digest == held.digest:
                    held.put(format_, body)
                    del by_number[number]
        return not by_number

    def _held(self, row: Row, type_: str, format_: str = "") -> Held:
        number, id_, source, patient_id, digest, search, body, *_ = row
        held = Held(
            type_, id_, self._whose.version, source=source, patient_id=patient_id,
            digest=digest, number=number, search=search,
        )  # fmt: skip
        if body is not None:
            held.put(format_ or self._format, body)
        return held


MOST = 1_000
"""Resources in one select."""


def _named(keys: Iterable[Key]) -> dict[str, Any]:
    """Types and ids as parameters of either database."""
    pairs = list(keys)
    return {
        "keys": jsonio.dump(pairs).decode(), "types": [type_ for type_, _ in pairs], "ids": [id_ for _, id_ in pairs],
    }  # fmt: skip
