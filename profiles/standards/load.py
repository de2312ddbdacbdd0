"""Read the standards from their folders: ``data/<id>/standard.toml``, ``requests.toml`` and ``divergences.md``.

Everything is checked while reading; an error names the file, the row and what is wrong with it.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
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


def is_summary(rule: RequestRule) -> bool:
    """Whether a row gives one document made of all rows of the standard that is converted."""
    return rule.operation == "summary"


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
