"""Read the standards from their folders: ``data/<id>/standard.toml``, ``requests.toml`` and ``divergences.md``.

Everything is checked while reading; an error names the file, the row and what is wrong with it.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path

from profiles.fhir.search.includes import read_include
from profiles.fhir.version import FhirVersion
from profiles.standards.model import RequestRule, Service, Standard
from profiles.standards.names import full_profile
from profiles.standards.rows import profile_map, read_rules
from profiles.standards.tables import ServiceTable, StandardError, StandardTable, read_row, read_table

__all__ = ["Catalogue", "StandardError", "UnknownService", "catalogue", "read_standard"]

DATA = Path(__file__).parent / "data"


Offer = tuple[Standard, Service]
"""A data service, and the standard whose rows it has."""


class UnknownService(LookupError):
    """No standard offers this service."""


@dataclass(frozen=True)
class Catalogue:
    """Every standard that the gateway can serve."""

    standards: Mapping[str, Standard]

    @cached_property
    def versions(self) -> Mapping[str, tuple[Offer, ...]]:
        """Standard and service of each version by service id, the earliest first; nearly always there is one."""
        offers: dict[str, list[Offer]] = {}
        for standard in self.standards.values():
            for service in standard.services:
                offers.setdefault(service.id, []).append((standard, service))
        return {id_: tuple(sorted(given, key=_begins)) for id_, given in offers.items()}

    @cached_property
    def services(self) -> Mapping[str, Offer]:
        """Standard and service by service id; of more versions the earliest."""
        return {id_: given[0] for id_, given in self.versions.items()}

    def service(self, service_id: str, day: date | None = None) -> Offer:
        """The standard and service of a service id; of more versions the earliest that is in force on ``day``.

        UnknownService when nobody offers it.
        """
        try:
            given = self.versions[service_id]
        except KeyError:
            raise UnknownService("no standard offers this service") from None
        return next((one for one in given if day is not None and one[1].valid_on(day)), given[0])

    def addressed(self, address: str, day: date) -> Offer | None:
        """What an address names on a day: ``id`` the earliest version in force, ``id.version`` that one alone."""
        id_, _, version = address.partition(".")
        for standard, service in self.versions.get(id_, ()):
            if service.valid_on(day) and version in ("", service.version):
                return standard, service
        return None

    def addresses(self, service_id: str, day: date) -> Mapping[str, Offer]:
        """Where the versions of a service that are in force have their addresses: the earliest at its id alone."""
        return {self.address_of(one[1]): one for one in self.versions.get(service_id, ()) if one[1].valid_on(day)}

    def address_of(self, service: Service) -> str:
        """The address of a version: the id for the earliest (or only) one, ``id.version`` for what came later."""
        first = self.versions[service.id][0][1]
        return service.id if service.version == first.version else f"{service.id}.{service.version}"

    def without(self, resource_type: str) -> "Catalogue":
        """The standards as a provider offers them that has no resources of a type (a variant of the agreement)."""
        return Catalogue({name: standard.without(resource_type) for name, standard in self.standards.items()})

    def of_version(self, version: FhirVersion) -> tuple[Standard, ...]:
        """The standards that data of one FHIR version come in for; one that converts has none of its own."""
        return tuple(one for one in self.standards.values() if one.fhir is version and one.converts is None)

    def delivering(self, standard: Standard, service: Service | None = None) -> Standard:
        """The standard that says what is collected: the one that this one converts, with the same rows, or itself."""
        if standard.converts is None:
            return standard
        rules = standard.rules_of(service)
        source = self.standards[standard.converts]
        return source if any(map(is_summary, rules)) else source.only({rule.id for rule in rules})


def catalogue(extra: Iterable[Path | str] = ()) -> Catalogue:
    """Load all standards of the package, and those in ``extra`` folders (each the folder of one standard). Cached.

    StandardError when a folder is not usable, or when two standards have the same id or service id.
    """
    return _catalogue(tuple(str(path) for path in extra))


@lru_cache(maxsize=8)
def _catalogue(extra: tuple[str, ...]) -> Catalogue:
    folders = sorted(path for path in DATA.iterdir() if (path / "standard.toml").is_file())
    standards: dict[str, Standard] = {}
    for folder in [*folders, *map(Path, extra)]:
        standard = read_standard(folder)
        if standard.id in standards:
            raise StandardError(f"{folder}: standard {standard.id} exists already")
        for other in standards.values():
            _side_by_side(folder, standard, other)
        standards[standard.id] = standard
    for standard in standards.values():
        _check_conversion(standard, standards)
    return Catalogue(standards)


def _check_conversion(standard: Standard, standards: Mapping[str, Standard]) -> None:
    if standard.converts is None:
        return
    source = standards.get(standard.converts)
    if source is None or source.fhir is standard.fhir or source.converts is not None:
        raise StandardError(f"{standard.id}: converts names no standard of another release: {standard.converts}")
    known = {rule.id for rule in source.rules if rule.method == "GET"}
    for rule in standard.rules:
        if rule.method != "GET" or (rule.id not in known and not is_summary(rule)):
            raise StandardError(f"{standard.id}: row {rule.id} has no row of this id in {source.id} to convert")
        if is_summary(rule) and standard.fhir is not FhirVersion.R4:
            raise StandardError(f"{standard.id}: row {rule.id} asks a summary, which is of R4 only")


def is_summary(rule: RequestRule) -> bool:
    """Whether a row gives one document made of all rows of the standard that is converted."""
    return rule.operation == "summary"


def _side_by_side(folder: Path, standard: Standard, other: Standard) -> None:
    """Two standards may offer one service as two versions of it, never as two things. Raises StandardError."""
    known = {service.id: service for service in other.services}
    for service in standard.services:
        if (one := known.get(service.id)) is None:
            continue
        told = f"{folder}: service {service.id} is offered by {other.id} already"
        if not (service.version and one.version) or service.version == one.version:
            raise StandardError(f"{told}; versions side by side each have a version of their own")
        if (service.function, service.test, standard.draft) != (one.function, one.test, other.draft):
            raise StandardError(f"{told}, with another function, or as a draft: that takes a service id of its own")


def _begins(offer: Offer) -> tuple[date, str]:
    return offer[1].valid_from or date.min, offer[1].version


def read_standard(folder: Path) -> Standard:
    """Read one folder; StandardError names the file and row that is wrong."""
    names, where = short_names(), str(folder / "standard.toml")
    row = read_table(folder / "standard.toml", StandardTable)
    if row.id != folder.name:
        raise StandardError(f"{where}: id {row.id} differs from the name of the folder")
    try:
        version = FhirVersion.of(row.fhir)
    except ValueError as error:
        raise StandardError(f"{where}: {error}") from error
    rules = read_rules(folder / "requests.toml", version, names, none=bool(row.uses))
    usecases, ids = {rule.usecase for rule in rules}, {rule.id for rule in rules}
    return Standard(
        id=row.id,
        title=row.title,
        name_nl=row.nl,
        name_en=row.en,
        fhir=version,
        ring=row.ring,
        patient_from=row.patient,
        services=tuple(_service(f"{where}: service {n}", one, usecases, ids) for n, one in enumerate(row.service, 1)),
        packages=row.packages,
        missing_packages=row.missing_packages,
        missing_profiles=frozenset(full_profile(one, names) for one in row.missing_profiles),
        rules=rules,
        reads=_reads(version, rules, profile_map(row.reads, names)),
        testsets=row.testsets,
        capability=row.capability or None,
        variants=row.variants,
        draft=row.draft,
        replaces=row.replaces,
        converts=row.converts,
        uses=row.uses,
        folder=folder,
    )


def _service(where: str, table: object, usecases: Container[str], rows: Container[str]) -> Service:
    row = read_row(where, table, ServiceTable)
    if unknown := [one for one in row.usecases if one not in usecases]:
        raise StandardError(f"{where} ({row.id}) names unknown use cases {', '.join(sorted(unknown))}")
    if unknown := [one for one in (*row.rows, *filter(None, [row.images])) if one not in rows]:
        raise StandardError(f"{where} ({row.id}) names unknown rows {', '.join(sorted(unknown))}")
    return Service(
        id=row.id,
        name=row.name,
        about=row.about,
        name_en=row.en,
        function=row.function,
        roles=row.roles,
        usecases=row.usecases,
        rows=row.rows,
        version=row.version or "",
        group=row.group,
        images=row.images,
        test=row.test,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
    )


@lru_cache(maxsize=1)
def safety_relevant() -> frozenset[str]:
    """The zibs of which a list that is not whole is dangerous (data/safety.toml)."""
    return frozenset(read_table(DATA / "safety.toml", dict[str, tuple[str, ...]])["zibs"])


@lru_cache(maxsize=1)
def short_names() -> Mapping[str, str]:
    """Short names for code systems and profile bases, from data/names.toml."""
    return read_table(DATA / "names.toml", dict[str, str])


def _reads(
    version: FhirVersion, rules: Iterable[RequestRule], extra: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Types that can be read by id: those of the rows that read, those that come along, and those named extra."""
    by_type: dict[str, dict[str, None]] = {}
    for rule in rules:
        if rule.method != "GET" or rule.type is None or rule.answer == "refused":
            continue
        by_type.setdefault(rule.type, {}).update(dict.fromkeys(rule.profiles))
        for name in rule.secondary:
            by_type.setdefault(name, {})
        for include in (*rule.includes, *rule.brings):
            one = read_include(version, include.name, include.value, own=include in rule.brings)
            targets = {one.source} if one.reverse else {one.target} if one.target is not None else one.param.targets
            # A Group is in the targets of many patient parameters, but is nobody's own data.
            for target in targets - {"Group"}:
                by_type.setdefault(target, {})
        for resource_type, profiles in rule.included_profiles.items():
            by_type.setdefault(resource_type, {}).update(dict.fromkeys(profiles))
    for resource_type, profiles in extra.items():
        by_type.setdefault(resource_type, {}).update(dict.fromkeys(profiles))
    return {resource_type: tuple(profiles) for resource_type, profiles in sorted(by_type.items())}
