"""Whose documents are where: built from the store, kept until the store changes."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from adapters.content import PIECE
from adapters.documents.metadata import FolderPerson, Metadata, MetadataError, from_pdf, read_person, read_sidecar
from adapters.documents.resources import StoredDocument
from adapters.documents.store import FileTree, StoredFile
from adapters.port import AdapterGarbage
from adapters.settings import SourceLimits

PERSON_FILE = "patient.yaml"
_NOT_ID = re.compile(r"[^A-Za-z0-9.\-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one person: who it is, the id of the Patient, the PDFs and the sidecars."""

    person: FolderPerson
    patient: str
    files: tuple[StoredFile, ...]
    sidecars: dict[PurePosixPath, StoredFile]


@dataclass(slots=True)
class FolderIndex:
    """All folders by BSN and by local id; ``broken`` counts folders and documents that cannot be read."""

    by_bsn: dict[str, list[Folder]] = field(default_factory=dict)
    by_id: dict[str, list[Folder]] = field(default_factory=dict)
    broken: int = 0
    documents: dict[tuple[PurePosixPath, str], StoredDocument] = field(default_factory=dict)
    """What was worked out for a file, by path and stamp."""


def build(store: FileTree, limits: SourceLimits, before: FolderIndex | None) -> FolderIndex:
    """Look through the store. Only the small files are opened here."""
    index = FolderIndex(documents=before.documents if before else {})
    folders: dict[PurePosixPath, list[StoredFile]] = {}
    for count, item in enumerate(store.items()):
        if count >= limits.resources:
            raise AdapterGarbage("the source holds more data than the limit allows")
        folders.setdefault(item.path.parent, []).append(item)
    for where, items in folders.items():
        named = {item.path.name: item for item in items}
        if PERSON_FILE not in named:
            index.broken += sum(item.path.suffix.lower() == ".pdf" for item in items)
            continue
        try:
            with store.open(named[PERSON_FILE].path) as file:
                person = read_person(file.read(70_000))
        except (MetadataError, OSError):
            index.broken += 1
            continue
        given = person.id or _NOT_ID.sub("-", where.as_posix())[:64]
        files = tuple(item for item in items if item.path.suffix.lower() == ".pdf")
        sidecars = {item.path: item for item in items if item.path.suffix.lower() in (".yaml", ".json")}
        folder = Folder(person, given, files, sidecars)
        index.by_bsn.setdefault(person.bsn, []).append(folder)
        index.by_id.setdefault(given, []).append(folder)
    return index


def documents(
    store: FileTree, index: FolderIndex, folder: Folder, limits: SourceLimits
) -> Iterator[tuple[StoredFile, StoredDocument | None]]:
    """The documents of a folder; None for one that is no PDF, too large, or whose metadata cannot be read."""
    for item in folder.files:
        sidecar = _sidecar(folder, item)
        key = (item.path, f"{item.stamp}/{sidecar.stamp if sidecar else ''}")
        if key not in index.documents:
            try:
                index.documents[key] = _read(store, folder, item, sidecar, limits)
            except (MetadataError, OSError):
                yield item, None
                continue
        yield item, index.documents[key]


def document_id(item: StoredFile, metadata: Metadata) -> str:
    """The id that the metadata give, else one made of the path: it stays the same when the content changes."""
    return metadata.id or "doc-" + hashlib.sha256(item.path.as_posix().encode()).hexdigest()[:24]


def _sidecar(folder: Folder, item: StoredFile) -> StoredFile | None:
    for suffix in (".yaml", ".json"):
        for path in (item.path.with_suffix(suffix), item.path.with_name(item.path.name + suffix)):
            if path in folder.sidecars and path.name != PERSON_FILE:
                return folder.sidecars[path]
    return None


def _read(
    store: FileTree, folder: Folder, item: StoredFile, sidecar: StoredFile | None, limits: SourceLimits
) -> StoredDocument:
    if item.size > limits.content_bytes:
        raise MetadataError("a document larger than the limit allows")
    digest = hashlib.sha1(usedforsecurity=False)
    data = bytearray()
    with store.open(item.path) as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            data += piece
            if len(data) > limits.content_bytes:
                raise MetadataError("a document larger than the limit allows")
    if not data.startswith(b"%PDF-"):
        raise MetadataError("not a PDF")
    known = Metadata()
    if sidecar is not None:
        with store.open(sidecar.path) as file:
            known = read_sidecar(file.read(70_000), sidecar.path.suffix.lower())
    inside = from_pdf(bytes(data)) if not (known.title and known.author and known.created) else Metadata()
    created = known.created or inside.created
    if created is None:
        raise MetadataError("a document without a date")
    title = known.title or inside.title or item.path.stem
    merged = known.model_copy(update={"title": title, "author": known.author or inside.author, "created": created})
    sha1 = base64.b64encode(digest.digest()).decode()
    moment = created.isoformat(timespec="seconds")
    return StoredDocument(document_id(item, merged), folder.patient, merged, moment, len(data), sha1)
