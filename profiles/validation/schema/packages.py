"""FHIR definition packages: reading them safely, keeping them in the FHIR package cache, choosing versions.

A package is an npm archive (``package/package.json`` and one JSON file per resource). The cache is the one that other
FHIR tools use: a folder ``name#version/package/*.json`` per package (https://confluence.hl7.org/display/FHIR/FHIR+Package+Cache).
"""

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from profiles.fhir.version import FhirVersion
from profiles.validation.schema.package import MAX_FILE, Entry, Package, PackageError, open_package

__all__ = [
    "CORE",
    "MAX_ARCHIVE",
    "Entry",
    "MissingDependency",
    "Package",
    "PackageError",
    "check_dependencies",
    "choose",
    "default_cache",
    "install",
    "installed",
    "open_package",
    "satisfies",
    "version_key",
]


MAX_FILES = 20_000


MAX_TOTAL = 1024 * 1024 * 1024


MAX_ARCHIVE = 256 * 1024 * 1024


CORE = {FhirVersion.STU3: "hl7.fhir.r3.core", FhirVersion.R4: "hl7.fhir.r4.core"}


def default_cache(given: str = "") -> Path:
    """The package cache: the folder that is given, else GATEWAY_PACKAGE_CACHE, else the usual ``~/.fhir/packages``."""
    # GATEWAY_PACKAGES is the name before; who reads settings is told so.
    chosen = given or os.environ.get("GATEWAY_PACKAGE_CACHE") or os.environ.get("GATEWAY_PACKAGES")
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
    packages = []
    if cache.is_dir():
        for folder in sorted(cache.iterdir()):
            if "#" in folder.name and folder.is_dir():
                try:
                    packages.append(open_package(folder))
                except PackageError:
                    continue
    return sorted(packages, key=lambda package: (package.name, version_key(package.version)))


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
class MissingDependency:
    """A dependency that is not in the cache, and what stands in for it (another version), if anything."""

    package: str
    needs: str
    wanted: str
    instead: str | None


def check_dependencies(package: Package, present: Iterable[Package]) -> list[MissingDependency]:
    """The dependencies of a package that the present packages do not meet."""
    by_name: dict[str, list[Package]] = {}
    for other in present:
        by_name.setdefault(other.name, []).append(other)
    problems = []
    for name, wanted in package.dependencies.items():
        candidates = by_name.get(name, [])
        if not any(satisfies(other.version, wanted) for other in candidates):
            instead = max(candidates, key=lambda other: version_key(other.version)).label if candidates else None
            problems.append(MissingDependency(package.label, name, wanted, instead))
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
