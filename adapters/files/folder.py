"""What is in the folder: read whole, arranged by patient, read again when a file changed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from adapters.port import AdapterDown, AdapterGarbage
from adapters.settings import SourceLimits
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.bsn import bsns
from profiles.record.place import place
from profiles.record.walk import key_of
from profiles.record.whose import patient_of, subjects

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

    def of(self, patients: Iterable[str]) -> dict[Key, Resource]:
        """What there is for these patients: their own, and what is nobody's in particular."""
        return {
            key: one for patient in sorted(patients) for key, one in self.owned.get(patient, {}).items()
        } | self.shared

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


def read_shelf(root: Path, version: FhirVersion, limits: SourceLimits) -> Shelf:
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
    """Give every resource to its patient, as everywhere (profiles.record.place); what cannot be placed is nobody's."""
    named = {
        key_of(resource): resource
        for resource in resources
        if isinstance(resource.get("resourceType"), str) and isinstance(resource.get("id"), str)
    }
    for (kind, given), resource in named.items():
        if kind == "Patient":
            for number in bsns(resource):
                shelf.people.setdefault(number, set()).add(given)
    # A folder may hold records without their Patient: whoever asks by that id gets them.
    absent = {("Patient", owner) for resource in named.values() for owner in _owners(resource)} - named.keys()
    placed = place(named.values(), lambda key: key[1] if key in absent else None)
    for key, owner in placed.patients.items():
        if not owner:
            shelf.shared[key] = named[key]
        elif not _owners(named[key]) - {owner}:
            shelf.owned.setdefault(owner, {})[key] = named[key]
    return shelf


def _owners(resource: Resource) -> set[str]:
    """The patients that a resource names as its own."""
    return {owner for node in subjects(resource) if (owner := patient_of(node)) is not None}
