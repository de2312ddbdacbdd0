"""What is in the folder: read whole, arranged by patient, read again when a file changed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from adapters.port import AdapterDown, AdapterGarbage
from adapters.settings import Limits
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion
from profiles.record.bsn import bsns
from profiles.record.walk import references
from profiles.record.whose import MAYBE, SHARED, subjects

SUFFIXES = (".json", ".ndjson", ".xml")
Key = tuple[str, str]
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(slots=True)
class Shelf:
    """The resources of a folder. ``broken`` are the names of files that could not be read."""

    stamp: Stamp
    people: dict[str, set[str]] = field(default_factory=dict)
    """BSN to ids of Patient resources."""

    owned: dict[str, dict[Key, Resource]] = field(default_factory=dict)
    """Per id of a Patient, the resources that are about it."""

    shared: dict[Key, Resource] = field(default_factory=dict)
    broken: tuple[str, ...] = ()

    def types(self) -> set[str]:
        """The resource types that there are."""
        return {kind for held in (self.shared, *self.owned.values()) for kind, _ in held}


def stamp_of(root: Path) -> Stamp:
    """Name, size and time of every file. Raises `AdapterDown` when the folder is not there."""
    if not root.is_dir():
        raise AdapterDown("the source is not available", cause="no such folder")
    found = []
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file() and path.resolve().is_relative_to(root.resolve()):
            known = path.stat()
            found.append((str(path), known.st_size, known.st_mtime_ns))
    return tuple(found)


def read_shelf(root: Path, version: FhirVersion, limits: Limits) -> Shelf:
    """Read the folder. A file that cannot be read is named in ``broken``; the others count."""
    stamp = stamp_of(root)
    if sum(size for _, size, _ in stamp) > limits.total_bytes:
        raise AdapterGarbage("the source holds more data than the limit allows")
    resources: list[Resource] = []
    broken: list[str] = []
    for name, size, _ in stamp:
        try:
            if size > limits.answer_bytes:
                raise FormatError("larger than the limit allows")
            resources.extend(_read(Path(name), version))
        except (FormatError, OSError):
            broken.append(str(Path(name).relative_to(root)))
    if len(resources) > limits.resources:
        raise AdapterGarbage("the source holds more data than the limit allows")
    return _arrange(resources, Shelf(stamp, broken=tuple(broken)))


def _read(path: Path, version: FhirVersion) -> Iterator[Resource]:
    data = path.read_bytes()
    if path.suffix.lower() == ".ndjson":
        for line in data.splitlines():
            if line.strip():
                yield from _unpack(jsonio.parse(line))
    elif path.suffix.lower() == ".xml":
        yield from _unpack(xmlio.parse(data, version))
    else:
        yield from _unpack(jsonio.parse(data))


def _unpack(resource: Resource) -> Iterator[Resource]:
    if resource.get("resourceType") != "Bundle":
        yield resource
        return
    for entry in resource.get("entry", ()):
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            yield entry["resource"]


def _arrange(resources: list[Resource], shelf: Shelf) -> Shelf:
    """Give every resource to its patient; a document's Binary goes with the document."""
    loose: dict[Key, Resource] = {}
    for resource in resources:
        kind, given = resource.get("resourceType"), resource.get("id")
        if not isinstance(kind, str) or not isinstance(given, str):
            continue
        owners = set(owners_of(resource))
        if kind == "Patient":
            for number in bsns(resource):
                shelf.people.setdefault(number, set()).add(given)
        for owner in owners:
            shelf.owned.setdefault(owner, {})[kind, given] = resource
        if not owners and kind in SHARED:
            shelf.shared[kind, given] = resource
        elif not owners and kind in MAYBE:
            loose[kind, given] = resource
    for held in shelf.owned.values():
        for document in [one for key, one in held.items() if key[0] in ("DocumentReference", "DocumentManifest")]:
            held.update({key: loose[key] for key in _pointed_at(document) if key in loose})
    return shelf


def owners_of(resource: Resource) -> Iterator[str]:
    """The ids of the patients that a resource is about."""
    if resource["resourceType"] == "Patient":
        yield resource["id"]
        return
    for reference in subjects(resource):
        literal = reference.get("reference")
        local = local_reference(literal) if isinstance(literal, str) else None
        if local is not None and local[0] == "Patient":
            yield local[1]


def _pointed_at(document: Resource) -> Iterator[Key]:
    for content in document.get("content", ()):
        url = content.get("attachment", {}).get("url")
        local = local_reference(url) if isinstance(url, str) else None
        if local is not None:
            yield local
    for node in references(document):
        if (local := local_reference(node["reference"])) is not None:
            yield local
