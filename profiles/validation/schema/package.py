"""One definition package in a folder: its manifest, its index, its resources."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from profiles.fhir.version import FhirVersion

MAX_FILE = 64 * 1024 * 1024


NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,127}(/[a-z0-9][a-z0-9.-]{0,127})?", re.IGNORECASE)


VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")


class PackageError(Exception):
    """A package that cannot be read or is refused; the text may be shown."""


@dataclass(frozen=True)
class Entry:
    """One resource of a package, as its index tells it."""

    type: str
    id: str
    url: str
    version: str
    file: str


@dataclass(frozen=True)
class Package:
    """A definition package in a folder: what it is, what it needs, and an index of its resources."""

    name: str
    version: str
    fhir: tuple[str, ...]
    dependencies: Mapping[str, str]
    folder: Path
    title: str = ""
    _entries: list[Entry] = field(default_factory=list, repr=False, compare=False)

    @property
    def label(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    def speaks(self, version: FhirVersion) -> bool:
        """Whether the package is made for this FHIR release; one that does not say is not."""
        return any(_release(text) == version for text in self.fhir)

    def entries(self) -> list[Entry]:
        """The resources in the package that have a canonical URL (read once, from the index or from the files)."""
        if not self._entries:
            self._entries.extend(_entries(self.folder))
        return self._entries

    def read(self, entry: Entry) -> dict[str, Any] | None:
        """The resource of an entry; None when its file is not a JSON object."""
        try:
            found = msgspec.json.decode((self.folder / entry.file).read_bytes())
        except (OSError, msgspec.DecodeError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


def _release(text: str) -> FhirVersion | None:
    try:
        return FhirVersion.of(text)
    except ValueError:
        return None


def open_package(folder: Path) -> Package:
    """Open an unpacked package: the folder that holds package.json, or its parent. PackageError when it is none."""
    inner = folder / "package" if (folder / "package" / "package.json").is_file() else folder
    try:
        manifest = msgspec.json.decode((inner / "package.json").read_bytes())
    except (OSError, msgspec.DecodeError, RecursionError) as problem:
        raise PackageError(f"{folder.name}: package.json is missing or is not JSON") from problem
    return _package(manifest, inner)


def _package(manifest: Any, folder: Path) -> Package:
    if not isinstance(manifest, dict):
        raise PackageError(f"{folder}: package.json is not an object")
    name, version = manifest.get("name"), manifest.get("version")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise PackageError("package.json: no usable name")
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise PackageError(f"{name}: no usable version in package.json")
    releases = manifest.get("fhirVersions") or manifest.get("fhir-version-list") or []
    needs = manifest.get("dependencies") or {}
    return Package(
        name,
        version,
        tuple(str(text) for text in releases) if isinstance(releases, list) else (),
        {str(key): str(value) for key, value in needs.items()} if isinstance(needs, dict) else {},
        folder,
        str(manifest.get("title") or ""),
    )


def _entries(folder: Path) -> Iterator[Entry]:
    try:
        index = msgspec.json.decode((folder / ".index.json").read_bytes())
        files = index["files"]
        rows = [(row, str(row["filename"])) for row in files if isinstance(row, dict) and "filename" in row]
    except (OSError, msgspec.DecodeError, RecursionError, KeyError, TypeError):
        rows = [row for row in map(_row, sorted(folder.glob("*.json"))) if row is not None]
    for row, name in rows:
        url = row.get("url")
        if isinstance(url, str) and PurePosixPath(name).name == name:
            yield Entry(str(row.get("resourceType")), str(row.get("id")), url, str(row.get("version") or ""), name)


def _row(path: Path) -> tuple[dict[str, Any], str] | None:
    if path.name in ("package.json", ".index.json") or path.stat().st_size > MAX_FILE:
        return None
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, RecursionError):
        return None
    return (found, path.name) if isinstance(found, dict) else None
