"""The adapter for a document store: DocumentReference and Binary for each PDF."""

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import TypeVar

from adapters.availability import answer, types_of
from adapters.content import PIECE
from adapters.documents.index import Folder, FolderIndex, build, documents
from adapters.documents.resources import StoredDocument, document_reference, patient_resource
from adapters.documents.settings import DocumentsSettings
from adapters.documents.store import StoredFile, open_store
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
from profiles.fhir.tree import Resource

T = TypeVar("T")


class DocumentsAdapter:
    """One store. The index is in memory; the documents are read when they are asked for."""

    def __init__(self, settings: DocumentsSettings) -> None:
        self.name = settings.name
        self.settings = settings
        offered = {(settings.version, "DocumentReference"): Coverage(CoverageLevel.DELIVERABLE)}
        offered[settings.version, "Binary"] = Coverage(CoverageLevel.DELIVERABLE)
        offered[settings.version, "Patient"] = Coverage(CoverageLevel.PARTLY, "name, birth date and number only")
        self.capabilities = Capabilities(types=offered, otherwise=Coverage(CoverageLevel.NO, "a store of documents"))
        self._store = open_store(settings.path, settings.options)
        self._index: FolderIndex | None = None
        self._looked = 0.0
        self._lock = asyncio.Lock()

    async def probe(self, deadline: float) -> Capabilities:
        """Look through the store."""
        await self._known_index(deadline)
        return self.capabilities

    async def find(self, query: AdapterQuery) -> Batch:
        """See `adapters.port.Adapter.find`."""
        fetched = datetime.now(UTC)
        if query.version is not self.settings.version or query.type not in ("DocumentReference", "Patient"):
            gap = Gap(query.type, Reason.NOT_OFFERED, "the source does not offer this")
            return Batch(self.name, (), fetched, gaps=(gap,))
        index = await self._known_index(query.deadline)
        folders = self._folders(index, query.patient)
        if not folders:
            gap = Gap(query.type, Reason.NO_RELATION, UNKNOWN_PERSON)
            return Batch(self.name, (), fetched, gaps=(gap,))
        ids = frozenset(folder.patient for folder in folders)
        if query.type == "Patient":
            people = {folder.patient: patient_resource(folder.patient, folder.person) for folder in folders}
            return Batch(self.name, list(people.values()), fetched, ids)
        resources, lost = await self._in_time(query.deadline, lambda: self._references(index, folders))
        words = f"{lost} documents of the source cannot be read"
        gaps = (Gap("DocumentReference", Reason.INVALID_BLOCKED, words),) if lost else ()
        return Batch(self.name, resources, fetched, ids, gaps)

    async def available(self, query: AvailabilityQuery) -> Availability:
        """See `adapters.port.Adapter.available`."""
        folders = self._folders(await self._known_index(query.deadline), query.patient)

        def missing(service: ServiceKey) -> Reason | None:
            types = types_of(service)
            if types is not None and "DocumentReference" not in types:
                return Reason.NOT_OFFERED
            return None if any(folder.files for folder in folders) else Reason.EMPTY

        ids = frozenset(folder.patient for folder in folders)
        born = (_date(folder.person.birth_date) for folder in folders)
        names = (folder.person.name for folder in folders)
        return answer(query, ids, born, self.settings.services, missing, names)

    async def read(self, query: AdapterQuery) -> Batch | Content:
        """See `adapters.port.Adapter.read`."""
        fetched = datetime.now(UTC)
        nothing = Batch(self.name, (), fetched)
        if query.version is not self.settings.version or query.id is None:
            return nothing
        index = await self._known_index(query.deadline)
        folders = self._folders(index, query.patient)
        ids = frozenset(folder.patient for folder in folders)
        for folder in folders:
            if query.type == "Patient" and folder.patient == query.id:
                return Batch(self.name, [patient_resource(folder.patient, folder.person)], fetched, ids)
            found = await self._in_time(query.deadline, partial(self._one, index, folder, query.id))
            if found is None:
                continue
            item, document = found
            if query.type == "Binary":
                chunks = self._chunks(item, document, query.deadline)
                sha1 = base64.b64decode(document.sha1).hex()
                return Content(self.name, document.id, "application/pdf", chunks, fetched, document.size, sha1)
            if query.type == "DocumentReference":
                resource = document_reference(document, folder.person, self.settings)
                return Batch(self.name, [resource], fetched, ids)
        return nothing

    def _folders(self, index: FolderIndex, patient: PatientKey) -> Sequence[Folder]:
        local = patient.local_id(self.name)
        if local is not None:
            return index.by_id.get(local, ())
        return index.by_bsn.get(patient.bsn.reveal(), ()) if patient.bsn else ()

    def _references(self, index: FolderIndex, folders: Sequence[Folder]) -> tuple[list[Resource], int]:
        references: dict[str, Resource] = {}
        lost = 0
        for folder in folders:
            for _, document in documents(self._store, index, folder, self.settings.limits):
                if document is None or document.id in references:
                    lost += 1
                else:
                    references[document.id] = document_reference(document, folder.person, self.settings)
        return list(references.values()), lost

    def _one(self, index: FolderIndex, folder: Folder, given: str) -> tuple[StoredFile, StoredDocument] | None:
        for item, document in documents(self._store, index, folder, self.settings.limits):
            if document is not None and document.id == given:
                return item, document
        return None

    async def _chunks(self, item: StoredFile, document: StoredDocument, deadline: float) -> AsyncIterator[bytes]:
        """The file as it is read, checked against the size and hash that were announced."""
        digest = hashlib.sha1(usedforsecurity=False)
        size = 0
        file = await self._in_time(deadline, lambda: self._store.open(item.path).__enter__())
        try:
            while piece := await self._in_time(deadline, lambda: file.read(PIECE)):
                digest.update(piece)
                size += len(piece)
                if size > document.size:
                    break
                yield piece
        finally:
            file.close()
        if size != document.size or base64.b64encode(digest.digest()).decode() != document.sha1:
            raise AdapterGarbage("the document changed while it was read")

    async def _known_index(self, deadline: float) -> FolderIndex:
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())), self._lock:
                if self._index is None or time.monotonic() - self._looked > self.settings.refresh_seconds:
                    before = self._index
                    made = await self._in_time(deadline, lambda: build(self._store, self.settings.limits, before))
                    self._index, self._looked = made, time.monotonic()
                return self._index
        except TimeoutError as error:
            raise AdapterDown("the source did not answer in time", cause=error) from error

    async def _in_time(self, deadline: float, work: Callable[[], T]) -> T:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise AdapterDown("the source did not answer in time")
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.to_thread(work)
        except TimeoutError as error:
            raise AdapterDown("the source did not answer in time", cause=error) from error
        except OSError as error:
            raise AdapterDown("the source is not available", cause=type(error).__name__) from error


def _date(value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        return None
