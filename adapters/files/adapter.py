"""The adapter for a folder of FHIR files."""

import asyncio
import base64
import binascii
import time
from datetime import UTC, date, datetime

from adapters.availability import GENERAL, answer, types_of
from adapters.content import pieces
from adapters.files.folder import Shelf, read_shelf, stamp_of
from adapters.files.settings import FilesSettings
from adapters.guard import Guard
from adapters.port import (
    UNKNOWN_PERSON,
    AdapterDown,
    AdapterGarbage,
    AdapterQuery,
    Availability,
    AvailabilityQuery,
    Batch,
    Capabilities,
    Content,
    Coverage,
    CoverageLevel,
    Gap,
    PatientKey,
    Reason,
    ServiceKey,
)
from profiles.fhir.tree import Resource, local_reference
from profiles.record.label import label
from profiles.record.walk import references
from profiles.record.whose import above

INCLUDE_ROUNDS = 3


class FilesAdapter:
    """One folder. Everything is held in memory, within the limits, and shared by all requests: it is not changed."""

    def __init__(self, settings: FilesSettings) -> None:
        self.name = settings.name
        self.settings = settings
        self.capabilities = Capabilities(otherwise=Coverage(CoverageLevel.PARTLY, "the folder was not read yet"))
        self._shelf: Shelf | None = None
        self._looked = 0.0
        self._lock = asyncio.Lock()

    async def probe(self, deadline: float) -> Capabilities:
        """Read the folder."""
        await self._read_folder(deadline)
        return self.capabilities

    async def find(self, query: AdapterQuery) -> Batch:
        """See `adapters.port.Adapter.find`."""
        fetched = datetime.now(UTC)
        if query.version is not self.settings.version:
            gap = Gap(query.type, Reason.NOT_OFFERED, "the source does not offer this")
            return Batch(self.name, (), fetched, gaps=(gap,))
        shelf = await self._read_folder(query.deadline)
        ids = self._known(shelf, query.patient)
        if not ids:
            gap = Gap(query.type, Reason.NO_RELATION, UNKNOWN_PERSON)
            return Batch(self.name, (), fetched, gaps=(gap,))
        chosen = {key: one for key, one in shelf.of(ids).items() if key[0] == query.type}
        if query.follows:
            self._include(shelf, ids, chosen)
        held = shelf.of(ids)
        # What names nobody itself needs beside it what says whose it is: whoever gets this batch looks again.
        chosen |= {key: held[key] for one in list(chosen.values()) for key in above(one) if key in held}
        kept, orphans = Guard(ids, query.patient.bsn).check(chosen.values())
        broken = [Gap(query.type, Reason.INVALID_BLOCKED, f"{len(shelf.broken)} files of the source cannot be read")]
        return Batch(self.name, kept, fetched, ids, (*orphans, *(broken if shelf.broken else ())))

    async def available(self, query: AvailabilityQuery) -> Availability:
        """See `adapters.port.Adapter.available`."""
        shelf = await self._read_folder(query.deadline)
        ids = self._known(shelf, query.patient)
        owned = [shelf.owned.get(one, {}) for one in sorted(ids)]
        held = {kind for records in owned for kind, _ in records} - GENERAL

        def missing(service: ServiceKey) -> Reason | None:
            types = types_of(service)
            return None if (held if types is None else held & types) else Reason.EMPTY

        people = [one for key, one in shelf.of(ids).items() if key[0] == "Patient"]
        born, names = map(_birth_date, people), map(label, people)
        return answer(query, ids, born, self.settings.services, missing, names)

    async def read(self, query: AdapterQuery) -> Batch | Content:
        """See `adapters.port.Adapter.read`."""
        fetched = datetime.now(UTC)
        nothing = Batch(self.name, (), fetched)
        if query.version is not self.settings.version or query.id is None:
            return nothing
        shelf = await self._read_folder(query.deadline)
        ids = self._known(shelf, query.patient)
        resource = shelf.of(ids).get((query.type, query.id)) if ids else None
        if resource is None:
            return nothing
        if query.type == "Binary":
            return self._content(resource, fetched)
        kept, _ = Guard(ids, query.patient.bsn).check([resource])
        return Batch(self.name, kept, fetched, ids)

    async def _read_folder(self, deadline: float) -> Shelf:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise AdapterDown("the source did not answer in time")
        try:
            async with asyncio.timeout(seconds), self._lock:
                if self._shelf is None or time.monotonic() - self._looked > self.settings.refresh_seconds:
                    self._shelf = await asyncio.to_thread(self._refreshed, self._shelf)
                    self._looked = time.monotonic()
                    version = self.settings.version
                    types = {(version, kind): Coverage(CoverageLevel.DELIVERABLE) for kind in self._shelf.types()}
                    self.capabilities = Capabilities(types=types)
                return self._shelf
        except TimeoutError as error:
            raise AdapterDown("the source did not answer in time", cause=error) from error

    def _refreshed(self, held: Shelf | None) -> Shelf:
        if held is not None and stamp_of(self.settings.path) == held.stamp:
            return held
        return read_shelf(self.settings.path, self.settings.version, self.settings.limits)

    def _known(self, shelf: Shelf, patient: PatientKey) -> frozenset[str]:
        local = patient.local_id(self.name)
        if local is not None:
            return frozenset({local} if local in shelf.owned else ())
        return frozenset(shelf.people.get(patient.bsn.reveal(), ())) if patient.bsn else frozenset()

    def _include(self, shelf: Shelf, ids: frozenset[str], chosen: dict[tuple[str, str], Resource]) -> None:
        held = shelf.of(ids)
        for _ in range(INCLUDE_ROUNDS):
            wanted = {
                local for node in references(list(chosen.values())) if (local := local_reference(node["reference"]))
            }
            fresh = [key for key in sorted(wanted) if key in held and key not in chosen]
            if not fresh:
                return
            chosen.update({key: held[key] for key in fresh})

    def _content(self, binary: Resource, fetched: datetime) -> Content:
        try:
            data = base64.b64decode(str(binary.get("content", binary.get("data", ""))), validate=True)
        except (binascii.Error, ValueError) as error:
            raise AdapterGarbage("the source holds a document that cannot be decoded", cause=error) from error
        kind = str(binary.get("contentType", "application/octet-stream"))
        return Content(self.name, binary["id"], kind, pieces(data), fetched, len(data))


def _birth_date(patient: Resource) -> date | None:
    try:
        return date.fromisoformat(str(patient["birthDate"]))
    except (KeyError, ValueError):
        return None
