"""Read the standards from their folders: ``data/<id>/standard.toml``, ``requests.toml`` and ``divergences.md``.

Everything is checked while reading; an error names the file, the row and what is wrong with it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from profiles.fhir.search.includes import read_include
from profiles.fhir.version import FhirVersion
from profiles.standards import model
from profiles.standards.model import RequestRule, Service, Standard
from profiles.standards.rows import full_profile, profile_map, read_rules
from profiles.standards.tables import Row, StandardError, read_toml, text_map

__all__ = ["Catalogue", "StandardError", "UnknownService", "catalogue", "read_standard"]

DATA = Path(__file__).parent / "data"


class UnknownService(LookupError):
    """No standard offers this service."""


@dataclass(frozen=True)
class Catalogue:
    """Every standard that the gateway can serve."""

    standards: Mapping[str, Standard]

    @cached_property
    def services(self) -> Mapping[str, tuple[Standard, Service]]:
        """Standard and service by service id."""
        return {
            service.id: (standard, service) for standard in self.standards.values() for service in standard.services
        }

    def service(self, service_id: str) -> tuple[Standard, Service]:
        """The standard and service of a service id; UnknownService when nobody offers it."""
        try:
            return self.services[service_id]
        except KeyError:
            raise UnknownService("no standard offers this service") from None

    def without(self, resource_type: str) -> "Catalogue":
        """The standards as a provider offers them that has no resources of a type (a variant of the agreement)."""
        return Catalogue({name: standard.without(resource_type) for name, standard in self.standards.items()})

    def of_version(self, version: FhirVersion) -> tuple[Standard, ...]:
        """The standards of one FHIR version."""
        return tuple(standard for standard in self.standards.values() if standard.fhir is version)


def catalogue(extra: Iterable[Path | str] = ()) -> Catalogue:
    """Load all standards of the package, and those in ``extra`` folders (each the folder of one standard). Cached.

    StandardError when a folder is not usable, or when two standards have the same id or service id.
    """
    return _catalogue(tuple(str(path) for path in extra))


@lru_cache(maxsize=8)
def _catalogue(extra: tuple[str, ...]) -> Catalogue:
    folders = sorted(path for path in DATA.iterdir() if (path / "standard.toml").is_file())
    standards: dict[str, Standard] = {}
    owners: dict[str, str] = {}
    for folder in [*folders, *map(Path, extra)]:
        standard = read_standard(folder)
        if standard.id in standards:
            raise StandardError(f"{folder}: standard {standard.id} exists already")
        for service in standard.services:
            if service.id in owners:
                raise StandardError(f"{folder}: service {service.id} is offered by {owners[service.id]} already")
            owners[service.id] = standard.id
        standards[standard.id] = standard
    return Catalogue(standards)


def read_standard(folder: Path) -> Standard:
    """Read one folder; StandardError names the file and row that is wrong."""
    names = _names()
    row = Row(str(folder / "standard.toml"), read_toml(folder / "standard.toml"))
    standard_id = row.take("id", str)
    if standard_id != folder.name:
        raise StandardError(f"{row.where}: id {standard_id} differs from the name of the folder")
    try:
        version = FhirVersion.of(row.take("fhir", str))
    except ValueError as error:
        raise StandardError(f"{row.where}: {error}") from error
    rules = read_rules(folder / "requests.toml", version, names)
    standard = Standard(
        id=standard_id,
        title=row.take("title", str),
        name_nl=row.take("nl", str),
        name_en=row.take("en", str),
        fhir=version,
        ring=row.take("ring", int, 2),
        patient_from=row.choice("patient", model.PATIENT_FROM, "token"),
        services=tuple(
            _service(f"{row.where}: service {n}", one) for n, one in enumerate(row.take("service", list), 1)
        ),
        packages=text_map(row.where, row.take("packages", dict, {})),
        missing_packages=row.texts("missing_packages"),
        missing_profiles=frozenset(full_profile(one, names) for one in row.texts("missing_profiles")),
        rules=rules,
        reads=_reads(version, rules, profile_map(row.where, row.take("reads", dict, {}), names)),
        testsets=row.texts("testsets"),
        capability=row.take("capability", str, "") or None,
        variants=text_map(row.where, row.take("variants", dict, {})),
        folder=folder,
    )
    row.done()
    usecases = {rule.usecase for rule in rules}
    for service in standard.services:
        if unknown := set(service.usecases) - usecases:
            raise StandardError(
                f"{row.where}: service {service.id} names unknown use cases {', '.join(sorted(unknown))}"
            )
    return standard


def _service(where: str, table: dict[str, Any]) -> Service:
    row = Row(where, dict(table))
    service = Service(
        id=row.take("id", str),
        name=row.take("name", str),
        about=row.take("about", str),
        name_en=row.take("en", str),
        function=row.choice("function", model.FUNCTIONS, "collect"),
        roles=row.texts("roles"),
        usecases=row.texts("usecases"),
        test=row.take("test", bool, False),
        valid_from=row.table.pop("valid_from", None),
        valid_until=row.table.pop("valid_until", None),
    )
    row.done()
    if re.fullmatch(r"[A-Za-z0-9\-]{1,30}", service.id) is None:
        raise StandardError(f"{where}: id {service.id} is not a service id (1 to 30 letters, digits and dashes)")
    if not 3 <= len(service.name) <= 50:
        raise StandardError(f"{where}: name must have 3 to 50 characters")
    if not service.usecases:
        raise StandardError(f"{where}: usecases is missing")
    for day in (service.valid_from, service.valid_until):
        if day is not None and not isinstance(day, date):
            raise StandardError(f"{where}: valid_from and valid_until are dates")
    return service


@lru_cache(maxsize=1)
def _names() -> Mapping[str, str]:
    """Short names for code systems and profile bases, from data/names.toml."""
    return text_map("names.toml", read_toml(DATA / "names.toml"))


def _reads(
    version: FhirVersion, rules: Iterable[RequestRule], extra: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Types that can be read by id: those of the rows that read, those that come along, and those named extra."""
    found: dict[str, dict[str, None]] = {}
    for rule in rules:
        if rule.method != "GET" or rule.type is None or rule.answer == "refused":
            continue
        found.setdefault(rule.type, {}).update(dict.fromkeys(rule.profiles))
        for include in rule.includes:
            one = read_include(version, include.name, include.value)
            targets = {one.source} if one.reverse else {one.target} if one.target is not None else one.param.targets
            # A Group is in the targets of many patient parameters, but is nobody's own data.
            for target in targets - {"Group"}:
                found.setdefault(target, {})
        for resource_type, profiles in rule.included_profiles.items():
            found.setdefault(resource_type, {}).update(dict.fromkeys(profiles))
    for resource_type, profiles in extra.items():
        found.setdefault(resource_type, {}).update(dict.fromkeys(profiles))
    return {resource_type: tuple(profiles) for resource_type, profiles in sorted(found.items())}
