"""Reading FHIR from files: resources and Bundles in JSON or XML, and NDJSON. Each fault names its file and place."""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from profiles.fhir.basetypes import facts
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

SUFFIXES = frozenset({".json", ".xml", ".ndjson"})


@dataclass(frozen=True, slots=True)
class Item:
    """A resource as it was found: where, in which release, and the bytes it came in."""

    origin: str
    version: FhirVersion
    resource: Resource
    original: bytes
    format: str
    urls: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """For an entry of a Bundle: type and id behind each fullUrl of that Bundle."""
    patient: str | None = None
    """The id of the patient whose resource it is, when who sent it says so."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or line that holds no resource; the text says why and where."""

    origin: str
    text: str


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files to read, in a stable order; folders are walked. FileNotFoundError for a path that is not there."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        elif path.is_file():
            yield path
        else:
            raise FileNotFoundError(f"{path}: no such file or folder")


def read(path: Path, version: FhirVersion | None = None) -> Iterator[Item | Unreadable]:
    """All resources of one file; Bundles give their entries. ``version`` None: told from the content."""
    try:
        content = path.read_bytes()
    except OSError as fault:
        yield Unreadable(str(path), f"cannot be read: {fault.strerror}")
        return
    if path.suffix.lower() == ".ndjson":
        for number, line in enumerate(content.splitlines(), 1):
            if line.strip():
                yield from parse(f"{path}:{number}", line, "json", version)
    else:
        yield from parse(str(path), content, "xml" if content.lstrip()[:1] == b"<" else "json", version)


def parse(origin: str, content: bytes, format_: str, version: FhirVersion | None) -> Iterator[Item | Unreadable]:
    """The resources in one document; a Bundle is taken apart."""
    try:
        resource, found = _decode(content, format_, version)
    except FormatError as fault:
        yield Unreadable(origin, str(fault))
        return
    if resource.get("resourceType") != "Bundle":
        yield from _item(origin, found, resource, content, format_, {})
        return
    entries = [entry for entry in resource.get("entry") or () if isinstance(entry, dict) and "resource" in entry]
    urls: dict[str, tuple[str, str]] = {}
    for entry in entries:
        inner, url = entry["resource"], entry.get("fullUrl")
        if isinstance(inner, dict) and isinstance(url, str):
            if "id" not in inner and url.startswith("urn:uuid:"):
                _insert_id(inner, url.removeprefix("urn:uuid:"))
            if "id" in inner:
                urls[url] = (str(inner.get("resourceType")), str(inner["id"]))
    for index, entry in enumerate(entries):
        inner = entry["resource"]
        if isinstance(inner, dict):
            inner_bytes = jsonio.dump(inner)
            yield from _item(f"{origin} entry {index + 1}", found, inner, inner_bytes, "json", urls)
        else:
            yield Unreadable(f"{origin} entry {index + 1}", "the entry's resource is not an object")


def _item(
    origin: str,
    version: FhirVersion,
    resource: Resource,
    content: bytes,
    format_: str,
    urls: Mapping[str, tuple[str, str]],
) -> Iterator[Item | Unreadable]:
    type_ = resource.get("resourceType")
    if not isinstance(type_, str) or type_ not in facts(version).types:
        yield Unreadable(origin, f"unknown resource type {type_!r} in FHIR {version.number}")
        return
    if "id" not in resource:
        _insert_id(resource, str(uuid.uuid5(uuid.NAMESPACE_OID, content.hex())))
    if not isinstance(resource["id"], str) or not 0 < len(resource["id"]) <= 64:
        yield Unreadable(origin, "the id is not a text of 1 to 64 characters")
        return
    yield Item(origin, version, resource, content, format_, urls)


def _insert_id(resource: Resource, id_: str) -> None:
    rest = dict(resource)
    resource.clear()
    resource["resourceType"] = rest.pop("resourceType", None)
    resource["id"] = id_
    resource.update(rest)


def _decode(content: bytes, format_: str, version: FhirVersion | None) -> tuple[Resource, FhirVersion]:
    if format_ == "json":
        resource = jsonio.parse(content)
        return resource, version or release_of(resource)
    if version is not None:
        return xmlio.parse(content, version), version
    try:
        resource = xmlio.parse(content, FhirVersion.STU3)
    except FormatError as first:
        try:
            return xmlio.parse(content, FhirVersion.R4), FhirVersion.R4
        except FormatError:
            raise first from None
    return resource, release_of(resource)


def release_of(resource: Resource) -> FhirVersion:
    """The release whose facts know more of the resource's elements; STU3 when there is no difference."""
    return min(FhirVersion, key=lambda version: _unknown(resource, version))


def _unknown(resource: Resource, version: FhirVersion) -> int:
    known = facts(version)
    if resource.get("resourceType") == "Bundle":
        entries = [entry.get("resource") for entry in resource.get("entry") or () if isinstance(entry, dict)]
        return sum(_unknown(entry, version) for entry in entries if isinstance(entry, dict))
    type_ = resource.get("resourceType")
    if not isinstance(type_, str) or type_ not in known.types:
        return 1000
    return _unknown_in(resource, type_, version)


def _unknown_in(node: Resource, type_: str, version: FhirVersion) -> int:
    count = 0
    for name, value in node.items():
        if name in ("resourceType", "contained") or name.startswith("_"):
            continue
        found = facts(version).property(type_, name)
        if found is None:
            count += 1
            continue
        items = value if isinstance(value, list) else [value]
        inner = found[1]
        if inner in facts(version).types:
            count += sum(_unknown_in(item, inner, version) for item in items if isinstance(item, dict))
        if isinstance(value, list) != (found[0].max is None):
            count += 1
    return count
