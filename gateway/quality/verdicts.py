"""Verdicts: one shared validator per FHIR release, and which definitions serve which standard.

Official packages of the cache come first; for STU3 our own zib tables fill in what they do not hold; below both are
the base facts of FHIR.
"""

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from weakref import WeakSet

from gateway.terminology import TerminologyService
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.model import Standard
from profiles.validation import Report, Validator
from profiles.validation.schema.codestore import CodeStore
from profiles.validation.schema.definitions import Definitions
from profiles.validation.schema.kept import FOLDER
from profiles.validation.schema.packages import Package, choose, default_cache, installed
from profiles.zibs.load import RELEASES, sources, tables

_shared: Final[WeakSet[Validator]] = WeakSet()
"""Those that are in use."""


@lru_cache(maxsize=2 * len(FhirVersion))
def shared_validator(version: FhirVersion, cache: str = "", terminology: str = "", codes: str = "") -> Validator:
    """The validator of a release, with the packages of a cache folder (empty: the default folder) and our tables.

    ``terminology``: URL of a FHIR terminology service that is asked last about a code; ``codes``: file with code
    systems of the institution; empty: none. StoreError when that file is no store of codes.
    """
    made = Validator(
        version,
        Definitions(_sources(version, cache)),
        _service(terminology) if terminology else None,
        codes=CodeStore(Path(codes)) if codes else None,
        kept=default_cache(cache) / FOLDER,
    )
    _shared.add(made)
    return made


def keep_definitions() -> None:
    """Keep what the shared validators merged of the packages, so that the next start has its first verdict sooner."""
    for made in tuple(_shared):
        made.keep()


@lru_cache(maxsize=2)
def _service(url: str) -> TerminologyService:
    return TerminologyService.at(url)


def _sources(version: FhirVersion, cache: str) -> list[Package]:
    return sources(version, choose(installed(default_cache(cache)), version))


class Verdicts:
    """Reports on resources. Safe to use from several threads; a verdict on the same content is given once."""

    def __init__(self, cache: str = "", terminology: str = "", codes: str = "") -> None:
        self._codes = codes
        self._cache = cache
        self._terminology = terminology
        self._lock = threading.Lock()

    def validator(self, version: FhirVersion) -> Validator:
        """The shared validator of a release."""
        return shared_validator(version, self._cache, self._terminology, self._codes)

    def report(self, version: FhirVersion, resource: Resource, content: bytes) -> Report:
        """The report on a resource whose canonical bytes are ``content``."""
        with self._lock:
            return self.validator(version).validate_cached(content, resource)


@dataclass(frozen=True, slots=True)
class Basis:
    """What a standard is checked against: packages that are there (as ``name@version``), and what stands in."""

    standard: str
    packages: tuple[str, ...]
    other_versions: tuple[str, ...]
    absent: tuple[str, ...]
    tables: str

    @property
    def kind(self) -> str:
        """``official`` when every package that the standard names is there, ``tables`` or ``base`` else."""
        if self.packages and not self.absent and not self.other_versions:
            return "official"
        return "tables" if self.tables else "base"


def basis(standard: Standard, cache: str = "") -> Basis:
    """Which definitions serve a standard on this machine."""
    there = {package.name: package.version for package in _sources(standard.fhir, cache)}
    exact, other, absent = [], [], []
    for name, version in standard.packages.items():
        if there.get(name) == version:
            exact.append(f"{name}@{version}")
        elif name in there:
            other.append(f"{name}@{there[name]}")
        else:
            absent.append(f"{name}@{version}")
    return Basis(standard.id, tuple(exact), tuple(other), tuple(absent), _tables_of(standard))


def _tables_of(standard: Standard) -> str:
    """Our tables, where they are about what the standard reads."""
    release = RELEASES.get(standard.fhir)
    if release is None:
        return ""
    ours = tables(release)
    known = {entry.url for entry in ours.entries()}
    named = {url for profiles in standard.reads.values() for url in profiles}
    # In STU3 they are of whole packages; in R4 of the BgZ and what it refers to.
    return ours.label if standard.fhir is FhirVersion.STU3 or not named.isdisjoint(known) else ""
