"""Reading FHIR from files: resources and Bundles in JSON or XML, and NDJSON. Each fault names its file and place.

Nothing is kept: a folder of any size is walked in order, a document at a time, and a document can be read again where
it was found.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.intake.release import EVERY, Releases
from gateway.intake.tasks import ID, Key, is_stored_type
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.limits import MAX_SIZE
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

SUFFIXES = frozenset({".json", ".xml", ".ndjson"})


@dataclass(frozen=True, slots=True)
class InputDocument:
    """A document where it was found: a whole file, or a line of NDJSON."""

    path: Path
    offset: int
    content: bytes
    line: int = 0

    @property
    def origin(self) -> str:
        """The place, for people."""
        return f"{self.path}:{self.line}" if self.line else str(self.path)

    @property
    def format(self) -> str:
        """json or xml."""
        return "xml" if not self.line and self.content.lstrip()[:1] == b"<" else "json"


@dataclass(frozen=True, slots=True)
class InputItem:
    """A resource as it was found: where, in which releases it may be, and the bytes it came in."""

    origin: str
    versions: frozenset[FhirVersion]
    resource: Resource
    original: bytes
    format: str
    urls: Mapping[str, Key] = field(default_factory=dict)
    """For an entry of a Bundle: type and id behind each fullUrl of that Bundle."""
    patient: str = ""
    """The id of the patient whose resource it is, when who sent it says so."""
    entry: bool = False
    """Whether it stood in a Bundle: ``original`` is then not what the file holds."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or line that holds no resource; the text says why and where."""

    origin: str
    text: str


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files to read, in a stable order; folders are walked. FileNotFoundError for a path that is not there."""
    for path in paths:
        if path.is_dir():
            for folder, below, names in os.walk(path):
                below.sort()
                for name in sorted(names):
                    if Path(name).suffix.lower() in SUFFIXES:
                        yield Path(folder, name)
        elif path.is_file():
            yield path
        else:
            raise FileNotFoundError(f"{path}: no such file or folder")


def documents(path: Path) -> Iterator[InputDocument | Unreadable]:
    """The documents of one file, one at a time."""
    lines = path.suffix.lower() == ".ndjson"
    try:
        with path.open("rb") as file:
            offset, number = 0, 0
            while content := file.readline(MAX_SIZE + 1) if lines else file.read(MAX_SIZE + 1):
                number += 1
                if len(content) > MAX_SIZE:
                    yield Unreadable(f"{path}:{number}" if lines else str(path), f"larger than {MAX_SIZE} bytes")
                    while lines and content and not content.endswith(b"\n"):
                        content = file.readline(MAX_SIZE)
                elif content.strip() or not lines:
                    yield InputDocument(
                        path, offset, content.rstrip(b"\r\n") if lines else content, number if lines else 0
                    )
                if not lines:
                    return
                offset = file.tell()
            if not lines:
                yield Unreadable(str(path), "the file is empty")
    except OSError as fault:
        yield Unreadable(str(path), f"cannot be read: {fault.strerror}")


def items(
    document: InputDocument, releases: Releases, version: FhirVersion | None = None
) -> Iterator[InputItem | Unreadable]:
    """The resources of one document; a Bundle is taken apart. ``version`` None: told from the content."""
    yield from parse(document.origin, document.content, document.format, releases, version)


def parse(
    origin: str, content: bytes, format_: str, releases: Releases, version: FhirVersion | None = None
) -> Iterator[InputItem | Unreadable]:
    """The resources in one text; a Bundle is taken apart."""
    given = EVERY if version is None else frozenset({version})
    try:
        if format_ == "json":
            resource = jsonio.parse(content)
        else:
            resource, given = _xml(content, releases, given)
    except FormatError as fault:
        yield Unreadable(origin, str(fault))
        return
    if resource.get("resourceType") != "Bundle":
        yield _item(origin, given, releases, InputItem(origin, given, resource, content, format_))
        return
    inside = resource.get("entry")
    entries = [entry for entry in inside if isinstance(entry, dict)] if isinstance(inside, list) else []
    urls: dict[str, Key] = {}
    for entry in entries:
        inner, url = entry.get("resource"), entry.get("fullUrl")
        if isinstance(inner, dict) and isinstance(url, str) and isinstance(inner.get("id"), str):
            urls[url] = (str(inner.get("resourceType")), inner["id"])
    for index, entry in enumerate(entries):
        if "resource" not in entry:
            continue
        inner, place = entry["resource"], f"{origin} entry {index + 1}"
        if isinstance(inner, dict):
            url = entry.get("fullUrl")
            if "id" not in inner and isinstance(url, str) and url.startswith("urn:uuid:"):
                # A resource that is known by its address alone keeps that as its id.
                inner = {"resourceType": inner.get("resourceType"), "id": url.removeprefix("urn:uuid:"), **inner}
                urls[url] = (str(inner["resourceType"]), inner["id"])
            yield _item(
                place, given, releases, InputItem(place, given, inner, jsonio.dump(inner), "json", urls, entry=True)
            )
        else:
            yield Unreadable(place, "the entry's resource is not an object")


def fault_of(resource: Resource, versions: frozenset[FhirVersion]) -> str | None:
    """Why something cannot be taken in whatever else holds: its type, or its id; None when it can."""
    type_, id_ = resource.get("resourceType"), resource.get("id")
    if not any(isinstance(type_, str) and is_stored_type(type_, version) for version in versions):
        number = f" in FHIR {min(versions).number}" if len(versions) == 1 else ""
        return f"unknown resource type {str(type_)[:80]!r}{number}"
    if id_ is not None and not (isinstance(id_, str) and ID.fullmatch(id_)):
        return "an id has 1 to 64 letters, digits, - and ."
    return None


def _item(origin: str, given: frozenset[FhirVersion], releases: Releases, item: InputItem) -> InputItem | Unreadable:
    if (fault := fault_of(item.resource, given)) is not None:
        return Unreadable(origin, fault)
    if len(given) == 1:
        return item
    found = frozenset(one for one in releases.of(item.resource) if one in given) or given
    return InputItem(origin, found, item.resource, item.original, item.format, item.urls, entry=item.entry)


def _xml(content: bytes, releases: Releases, given: frozenset[FhirVersion]) -> tuple[Resource, frozenset[FhirVersion]]:
    """An XML document, which cannot be read without knowing its release: the releases in which it can be."""
    read: dict[FhirVersion, Resource] = {}
    fault: FormatError | None = None
    for version in sorted(given, key=list(FhirVersion).index):
        try:
            read[version] = xmlio.parse(content, version)
        except FormatError as found:
            fault = fault or found
    if not read:
        raise fault or FormatError("not FHIR")
    may_be = frozenset(version for version, resource in read.items() if version in _told(resource, releases))
    chosen = may_be or frozenset(read)
    return read[min(chosen, key=list(FhirVersion).index)], chosen


def _told(resource: Resource, releases: Releases) -> frozenset[FhirVersion]:
    """What an XML document says of its release: of a Bundle, what any of its entries says."""
    if resource.get("resourceType") != "Bundle":
        return releases.of(resource)
    inside = [entry.get("resource") for entry in resource.get("entry") or () if isinstance(entry, dict)]
    said = [found for one in inside if isinstance(one, dict) and len(found := releases.of(one)) == 1]
    return frozenset().union(*said) if said else EVERY
