"""FHIR definition packages: reading them safely, keeping them in the FHIR package cache, choosing versions.

A package is an npm archive (``package/package.json`` and one JSON file per resource). The cache is the one that other
FHIR tools use: a folder ``name#version/package/*.json`` per package (https://confluence.hl7.org/display/FHIR/FHIR+Package+Cache).
"""

import io
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from profiles.fhir.version import FhirVersion

MAX_FILES = 20_000
MAX_FILE = 64 * 1024 * 1024
MAX_TOTAL = 1024 * 1024 * 1024
MAX_ARCHIVE = 256 * 1024 * 1024

NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,127}(/[a-z0-9][a-z0-9.-]{0,127})?", re.IGNORECASE)
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")

CORE = {FhirVersion.STU3: "hl7.fhir.r3.core", FhirVersion.R4: "hl7.fhir.r4.core"}


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


def default_cache() -> Path:
    """The package cache: ``GATEWAY_PACKAGES`` when set, else the usual ``~/.fhir/packages``."""
    chosen = os.environ.get("GATEWAY_PACKAGES")
    return Path(chosen).expanduser() if chosen else Path.home() / ".fhir" / "packages"


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files directly in ``package/``; everything else in the archive is passed over."""
    total = count = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for member in archive:
                count += 1
                total += max(member.size, 0)
                if count > MAX_FILES or total > MAX_TOTAL or member.size > MAX_FILE:
                    raise PackageError("the package is larger than allowed")
                parts = PurePosixPath(member.name).parts
                if not member.isfile() or len(parts) != 2 or parts[0] != "package":
                    continue
                stream = archive.extractfile(member)
                if stream is not None:
                    yield parts[1], stream.read(MAX_FILE + 1)
    except (tarfile.TarError, EOFError, OSError, ValueError) as problem:
        raise PackageError("the file is not a readable package archive (.tgz)") from problem


def install(data: bytes, cache: Path) -> Package:
    """Put a package archive into the cache and return it; an existing copy of the same version is replaced.

    Only plain files directly in ``package/`` are taken: no links, no paths elsewhere, nothing over the limits.
    PackageError when the archive is not a package.
    """
    if len(data) > MAX_ARCHIVE:
        raise PackageError("the package is larger than allowed")
    cache.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".adding-", dir=cache))
    try:
        inner = temporary / "package"
        inner.mkdir()
        for name, content in _members(data):
            if name not in (".", "..") and "\\" not in name and "\0" not in name:
                (inner / name).write_bytes(content)
        package = open_package(temporary)
        temporary.chmod(0o755)
        target = cache / f"{package.name.replace('/', '_')}#{package.version}"
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
        return open_package(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def installed(cache: Path) -> list[Package]:
    """All packages in the cache that can be opened, by name and then by version."""
    found = []
    if cache.is_dir():
        for folder in sorted(cache.iterdir()):
            if "#" in folder.name and folder.is_dir():
                try:
                    found.append(open_package(folder))
                except PackageError:
                    continue
    return sorted(found, key=lambda package: (package.name, version_key(package.version)))


def version_key(text: str) -> tuple[Any, ...]:
    """An order for versions: numbers count as numbers, and a pre-release comes before its release."""
    main, _, suffix = text.partition("-")
    numbers = tuple(int(part) if part.isdigit() else 0 for part in main.split("."))
    parts = (
        tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in suffix.split(".")) if suffix else ()
    )
    return (numbers, 0 if suffix else 1, parts)


def satisfies(version: str, wanted: str) -> bool:
    """Whether a version is what was asked for: exact, ``2.0.x``, ``^2.0``, ``~2.1``, ``latest`` or ``*``."""
    wanted = wanted.strip()
    if wanted in ("", "*", "latest", "dev", "current") or version == wanted:
        return True
    if wanted[0] in "^~":
        floor = wanted[1:]
        parts = floor.split(".")
        head = parts[:1] if wanted[0] == "^" else parts[:2]
        return version.split(".")[: len(head)] == head and version_key(version) >= version_key(floor)
    parts = wanted.split(".")
    if parts[-1] in ("x", "X", "*") or len(parts) < 3:
        fixed = [part for part in parts if part not in ("x", "X", "*")]
        return version.split(".")[: len(fixed)] == fixed
    return False


@dataclass(frozen=True)
class Missing:
    """A dependency that is not in the cache, and what stands in for it (another version), if anything."""

    package: str
    needs: str
    wanted: str
    instead: str | None


def check_dependencies(package: Package, present: Iterable[Package]) -> list[Missing]:
    """The dependencies of a package that the present packages do not meet."""
    by_name: dict[str, list[Package]] = {}
    for other in present:
        by_name.setdefault(other.name, []).append(other)
    problems = []
    for name, wanted in package.dependencies.items():
        candidates = by_name.get(name, [])
        if not any(satisfies(other.version, wanted) for other in candidates):
            instead = max(candidates, key=lambda other: version_key(other.version)).label if candidates else None
            problems.append(Missing(package.label, name, wanted, instead))
    return problems


def choose(available: Iterable[Package], version: FhirVersion, wanted: Iterable[str] = ()) -> list[Package]:
    """The packages to validate with, most specific first, the core package last.

    ``wanted`` holds ``name`` or ``name@version``; their dependencies come along (the nearest version when the exact
    one is absent). Without ``wanted`` the newest version of every package for this release is used.
    PackageError names a wanted package that is not there.
    """
    by_name: dict[str, list[Package]] = {}
    for package in available:
        if package.speaks(version):
            by_name.setdefault(package.name, []).append(package)
    for versions in by_name.values():
        versions.sort(key=lambda package: version_key(package.version), reverse=True)
    chosen: dict[str, Package] = {}
    queue = [_split(text) for text in wanted] or [(name, "*") for name in sorted(by_name)]
    named = {name for name, _ in queue} if queue else set()
    while queue:
        name, text = queue.pop(0)
        if name in chosen:
            continue
        versions = by_name.get(name, [])
        fitting = [package for package in versions if satisfies(package.version, text)]
        if not fitting and name in named and text != "*":
            raise PackageError(f"package {name}@{text} is not in the package cache")
        if not fitting and not versions:
            if name in named:
                raise PackageError(f"package {name} is not in the package cache")
            continue
        chosen[name] = (fitting or versions)[0]
        queue.extend(chosen[name].dependencies.items())
    core = CORE[version]
    if core not in chosen and core in by_name:
        chosen[core] = by_name[core][0]
    return sorted(chosen.values(), key=lambda package: package.name == core)


def _split(text: str) -> tuple[str, str]:
    name, _, version = text.replace("#", "@").partition("@")
    return name, version or "*"
