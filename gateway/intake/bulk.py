"""An import: files of any number and size, as pushes that take the same walk as everything else.

They are read twice. The first reading fills an index on disk; the second follows it: what is shared, then person after
person, in batches of one transaction each. Memory is bounded by a batch, or the largest document. An import that was
broken off is simply started again: what is stored already is found unchanged.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import msgspec

from gateway.audit.record import AuditRecord
from gateway.intake.index import (
    BOTH,
    COMPANION,
    FOLLOWS,
    NUMBERED,
    OWN,
    SHARED,
    ImportIndex,
    IndexEntry,
    IndexPlace,
    mask_of,
)
from gateway.intake.outcome import ImportOutcome
from gateway.intake.read import InputDocument, InputItem, Unreadable, documents, fault_of, files, items
from gateway.intake.release import Releases
from gateway.intake.sender import Sender
from gateway.intake.settle import DIFFERS
from gateway.intake.tasks import IMPORT, GivenIds, Key, Push, Task, set_id
from gateway.intake.work import Intake
from gateway.store.engine import reading
from gateway.store.known import rows_of
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.bsn import find_bsn, starred
from profiles.record.repair import resolve_urns
from profiles.record.walk import links, nodes
from profiles.record.whose import OWNERS, contexts, may_follow, mentions, patient_of, subjects

BATCH, BATCH_BYTES = 800, 6_000_000
"""Most resources, and bytes of them, in one transaction."""
PURPOSE = "import"
MANY = "belongs to resources of more than one patient"
Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much (0: not known)."""


class Bulk:
    """One import. Use as a context manager: what it keeps on disk goes when the block ends."""

    def __init__(
        self, intake: Intake, sender: Sender, releases: Releases, outcome: ImportOutcome,
        progress: Progress = lambda _what, _done, _of: None,
    ) -> None:  # fmt: skip
        self.outcome = outcome
        self._intake = intake
        self._sender = sender
        self._releases = releases
        self._progress = progress
        self._folder = tempfile.TemporaryDirectory(prefix="gateway-import-")
        self._index = ImportIndex(Path(self._folder.name))
        self._names = {version: GivenIds(sender.provider, sender.source, version) for version in FhirVersion}
        self._count = 0

    def __enter__(self) -> "Bulk":
        return self

    def __exit__(self, *_: object) -> None:
        self._index.close()
        self._folder.cleanup()

    # --- the first reading -----------------------------------------------------------------------------------------

    def read(self, paths: Iterable[Path], version: FhirVersion | None = None) -> int:
        """Read everything once; how many resources there are. Raises FileNotFoundError for a path that is not there."""
        count = 0
        for path in files(paths):
            number = self._index.file(path)
            for document in documents(path):
                if isinstance(document, Unreadable):
                    self.outcome.refuse(document.origin, document.text)
                    continue
                for found in items(document, self._releases, version):
                    if isinstance(found, Unreadable):
                        self.outcome.refuse(found.origin, found.text)
                        continue
                    self._index.add(self._entry(number, document, found))
                    count += 1
                    self._progress("Reading", count, 0)
        self._count = self._index.read()
        return self._count

    def _entry(self, file: int, document: InputDocument, item: InputItem) -> IndexEntry:
        resource = item.resource
        type_ = str(resource["resourceType"])
        if "id" not in resource:
            set_id(resource, self._names[min(item.versions)].assign(Task("POST", type_, resource=resource)))
        urls = _named(resource, item.urls) if item.urls else {}
        if urls:
            resolve_urns(resource, urls)
        whose = _beside(resource)
        targets = frozenset(links(resource)) | {key for key in urls.values() if key[0] == "Binary"}
        return IndexEntry(
            key=(type_, str(resource["id"])),
            origin=item.origin,
            file=file,
            offset=document.offset,
            length=len(item.original),
            format=item.format,
            digest=_digest(jsonio.canonical(resource)),
            releases=mask_of(item.versions),
            whose=whose,
            kind=OWN if whose and type_ != "Patient" else _kind(resource),
            context=_context(resource, targets),
            links=targets,
            urls=msgspec.json.encode(urls) if urls else b"",
            sealed=self._sender.ring.seal(PURPOSE, item.original) if item.entry else None,
            raw=_digest(document.content) if not item.entry else b"",
        )

    def settle(self, served: Sequence[FhirVersion]) -> None:
        """Decide releases, and what belongs together. ``served`` are the releases that the provider's services use."""
        provider, engine = self._sender.provider, reading(self._sender.engine)
        with engine.connect() as connection:
            for keys in self._index.untold():
                for version in FhirVersion:
                    rows = rows_of(connection, provider, version, keys)
                    mine = [key for key, row in rows.items() if row.source == self._sender.source and not row.deleted]
                    self._index.stored(version, mine)
        left = self._index.settle_releases(mask_of(served))
        self.outcome.untold += left if mask_of(served) in (0, BOTH) else 0
        self._index.gather()
        for origin, key, state in self._index.kept_out():
            if state == "again":
                self.outcome.again += 1
            else:
                text = DIFFERS.format("/".join(key)) if state == "differs" else f"{'/'.join(key)}: {MANY}"
                self.outcome.refuse(origin, text)

    # --- the second reading ----------------------------------------------------------------------------------------

    def store(self, bsn: Mapping[str, str] | None = None) -> Iterator[Sequence[AuditRecord]]:
        """Store everything, a batch at a time; yields the audit records of each, which must be kept before the next.

        Raises SQLAlchemyError when the store does not answer.
        """
        done = 0
        for batch in self._index.batches(BATCH, BATCH_BYTES):
            read = list(self._contents(batch))
            sender = self._sender_of(batch)
            if read:
                taken = self._intake.carry(sender, lambda read=read: _push(read, bsn or {}))  # type: ignore[misc]
                self.outcome.note(taken, len(read))
                yield taken.records
            done += len(batch)
            self._progress("Storing", done, self._count)

    def _sender_of(self, batch: Sequence[IndexPlace]) -> Sender:
        """The sender of a batch: the trail says from which files it was."""
        names = list(dict.fromkeys(place.file.name for place in batch))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        shown = starred(", ".join(names[:3]))
        door = replace(self._sender.door, reason=f"{self._sender.source}: {shown}{more}"[:200])
        return replace(self._sender, door=door)

    def _contents(self, batch: Sequence[IndexPlace]) -> "Iterator[_Read]":
        """The bytes of a batch, read where they lie."""
        with _Reader() as reader:
            for place in batch:
                if place.sealed is not None:
                    yield _Read(place, self._sender.ring.open(PURPOSE, place.sealed))
                    continue
                content = reader.at(place)
                if content is None or _digest(content) != place.raw:
                    self.outcome.refuse(place.origin, f"{'/'.join(place.key)}: the file changed while it was imported")
                else:
                    yield _Read(place, content)


@dataclass(frozen=True, slots=True)
class _Read:
    place: IndexPlace
    content: bytes

    def task(self) -> Task:
        """The task, made anew: the walk changes the resource."""
        place = self.place
        if place.format == "xml":
            resource: Resource = xmlio.parse(self.content, place.version)
        else:
            resource = jsonio.load(self.content.removeprefix(b"\xef\xbb\xbf"))
        set_id(resource, place.key[1])
        urls = {url: (key[0], key[1]) for url, key in msgspec.json.decode(place.urls).items()} if place.urls else {}
        return Task(
            "PUT", *place.key, resource, self.content, place.format, urls=urls, origin=place.origin,
            patient=place.group if place.found else "", second=place.second, apart=place.apart,
        )  # fmt: skip


class _Reader:
    """Reads pieces of files, with the last one kept open."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._file: BinaryIO | None = None

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def at(self, place: IndexPlace) -> bytes | None:
        """The bytes of a resource; None when they cannot be read any more."""
        try:
            if place.file != self._path or self._file is None:
                if self._file is not None:
                    self._file.close()
                self._file = place.file.open("rb")
                self._path = place.file
            self._file.seek(place.offset)
            return self._file.read(place.length)
        except OSError:
            return None


def _push(read: Sequence[_Read], bsn: Mapping[str, str]) -> Push:
    return Push(read[0].place.version, [one.task() for one in read], IMPORT, bsn=bsn)


def push_of(version: FhirVersion, chosen: Iterable[InputItem], bsn: Mapping[str, str]) -> Push:
    """Items that are in memory, as one push; the resources are copied, for the walk changes them."""
    tasks = []
    for item in chosen:
        resource = jsonio.load(jsonio.dump(item.resource))
        task = Task("PUT", str(resource["resourceType"]), str(resource.get("id", "")), resource, item.original,
                    item.format, urls=item.urls, patient=item.patient, origin=item.origin)  # fmt: skip
        task.method = "PUT" if task.id else "POST"
        tasks.append(task)
    return Push(version, tasks, IMPORT, bsn=bsn)


def bring(
    intake: Intake,
    sender: Sender,
    chosen: Iterable[InputItem],
    outcome: ImportOutcome,
    bsn: Mapping[str, str] | None = None,
) -> list[AuditRecord]:
    """Store items that are in memory (a test set, the demo world); the audit records, which must be kept.

    Each release is one push. ``bsn`` holds numbers of patients whose own resource masks it.
    """
    every, records = [], []
    for item in chosen:
        if (fault := fault_of(item.resource, item.versions)) is not None:
            outcome.refuse(item.origin, fault)
        else:
            every.append(item)
    for version in FhirVersion:
        mine = [item for item in every if version in item.versions]
        if mine:
            taken = intake.carry(sender, lambda: push_of(version, mine, bsn or {}))  # noqa: B023 - called at once
            outcome.note(taken, len(mine))
            records += taken.records
    return records


def _beside(resource: Resource) -> str:
    """The patient with whom a resource is looked at, as far as it says itself."""
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    found = {patient_of(node) for node in subjects(resource)} - {None}
    return min(map(str, found or {patient_of(node) for node in mentions(resource)} - {None}), default="")


def _kind(resource: Resource) -> str:
    type_ = str(resource["resourceType"])
    if type_ == "Patient":
        return OWN if find_bsn(resource) is None else NUMBERED
    follows = may_follow(resource)
    if OWNERS.may_be_shared(type_):
        return COMPANION if follows and type_ in OWNERS.companion else SHARED
    return FOLLOWS if follows else OWN


def _context(resource: Resource, targets: Iterable[Key]) -> Key | None:
    """What a resource is looked at with, because it may say whose it is."""
    if resource["resourceType"] == "Encounter":
        return min((key for key in targets if key[0] == "EpisodeOfCare"), default=None)
    return next(iter(contexts(resource)), None)


def _named(resource: Resource, urls: Mapping[str, Key]) -> dict[str, Key]:
    """The fullUrls that a resource names."""
    texts = {node.get(name) for _, node in nodes(resource) for name in ("reference", "url")}
    return {url: urls[url] for url in texts if isinstance(url, str) and url in urls and "/".join(urls[url]) != url}


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:16]
