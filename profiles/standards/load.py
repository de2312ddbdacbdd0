"""Read the standards from their folders: ``data/<id>/standard.toml``, ``requests.toml`` and ``divergences.md``.

Everything is checked while reading; an error names the file, the row and what is wrong with it.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from profiles.fhir.includes import read_include
from profiles.fhir.version import FhirVersion
from profiles.standards import model
from profiles.standards.model import Parameter, RequestRule, Service, Standard, interaction_of

DATA = Path(__file__).parent / "data"


class StandardError(ValueError):
    """A folder of a standard that cannot be used; the text names file and row."""


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


T = TypeVar("T")


@dataclass
class _Row:
    """A TOML table under check: every key is taken once, what is left over is a mistake."""

    where: str
    table: dict[str, Any]

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        value = self.table.pop(key, default)
        if value is None:
            raise StandardError(f"{self.where}: {key} is missing")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise StandardError(f"{self.where}: {key} must be {kind.__name__}, not {type(value).__name__}")
        return value

    def texts(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        value = self.take(key, list, [] if default is None else default)
        if not all(isinstance(one, str) and one for one in value):
            raise StandardError(f"{self.where}: {key} must be a list of texts")
        return tuple(value)

    def choice(self, key: str, options: Sequence[str], default: str | None = None) -> str:
        value = self.take(key, str, default)
        if value not in options:
            raise StandardError(f"{self.where}: {key} is {value}; it must be one of {', '.join(options)}")
        return value

    def done(self) -> None:
        if self.table:
            raise StandardError(f"{self.where}: unknown key {', '.join(sorted(self.table))}")


def read_standard(folder: Path) -> Standard:
    """Read one folder; StandardError names the file and row that is wrong."""
    names = _names()
    row = _Row(str(folder / "standard.toml"), _toml(folder / "standard.toml"))
    standard_id = row.take("id", str)
    if standard_id != folder.name:
        raise StandardError(f"{row.where}: id {standard_id} differs from the name of the folder")
    try:
        version = FhirVersion.of(row.take("fhir", str))
    except ValueError as error:
        raise StandardError(f"{row.where}: {error}") from error
    rules = _rules(folder / "requests.toml", version, names)
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
        packages=_text_map(row.where, row.take("packages", dict, {})),
        missing_packages=row.texts("missing_packages"),
        missing_profiles=frozenset(_profile(one, names) for one in row.texts("missing_profiles")),
        rules=rules,
        reads=_reads(version, rules, _profile_map(row.where, row.take("reads", dict, {}), names)),
        testsets=row.texts("testsets"),
        capability=row.take("capability", str, "") or None,
        variants=_text_map(row.where, row.take("variants", dict, {})),
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


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StandardError(f"{path}: cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise StandardError(f"{path}: {error}") from error


def _service(where: str, table: dict[str, Any]) -> Service:
    row = _Row(where, dict(table))
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


def _rules(path: Path, version: FhirVersion, names: Mapping[str, str]) -> tuple[RequestRule, ...]:
    rows = _toml(path).get("request", [])
    if not isinstance(rows, list) or not rows:
        raise StandardError(f"{path}: no [[request]] rows")
    rules: list[RequestRule] = []
    seen: set[str] = set()
    for number, table in enumerate(rows, 1):
        rule = _rule(f"{path}: request {number} ({table.get('id', 'without id')})", table, version, names)
        if rule.id in seen:
            raise StandardError(f"{path}: request {number}: id {rule.id} exists already")
        seen.add(rule.id)
        rules.append(rule)
    return tuple(rules)


def _rule(where: str, table: dict[str, Any], version: FhirVersion, names: Mapping[str, str]) -> RequestRule:
    row = _Row(where, dict(table))
    methods = [method for method in ("GET", "POST", "PUT") if method.lower() in row.table]
    if len(methods) != 1:
        raise StandardError(f"{where}: exactly one of get, post and put gives the path")
    path = row.take(methods[0].lower(), str)
    values = {name: tuple(_full(one, names) for one in given) for name, given in row.take("values", dict, {}).items()}
    try:
        interaction, resource_type, operation, on_instance = interaction_of(methods[0], path)
        required = tuple(_parameter(one, names, values) for one in row.texts("query"))
        optional = tuple(_parameter(one, names, values) for one in row.texts("optional"))
        for one in required + optional:
            if one.is_include:
                read_include(version, one.name, one.value)
    except ValueError as error:
        raise StandardError(f"{where}: {error}") from error
    shape = "last" if operation == "lastn" else "all" if interaction == "search-type" else "one"
    rule = RequestRule(
        id=row.take("id", str),
        usecase=row.take("usecase", str, "serve"),
        method=methods[0],
        path=path,
        interaction=interaction,
        type=resource_type,
        operation=operation,
        on_instance=on_instance,
        required=required,
        optional=optional,
        profiles=tuple(_profile(one, names) for one in row.texts("profiles")),
        included_profiles=_profile_map(where, row.take("included", dict, {}), names),
        answer=row.choice("answer", model.ANSWERS, "accepted" if methods[0] != "GET" else shape),
        name_nl=row.take("nl", str),
        name_en=row.take("en", str),
        zibs=row.texts("zibs"),
    )
    row.done()
    return rule


def _parameter(text: str, names: Mapping[str, str], values: Mapping[str, tuple[str, ...]]) -> Parameter:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise ValueError(f"{text} is not name=value")
    value = _full(value, names)
    if unknown := set(re.findall(r"\{[^}]*\}?", value)) - model.PLACEHOLDERS:
        raise ValueError(f"unknown placeholder {', '.join(sorted(unknown))} in {text}")
    return Parameter(name, value, values.get(name, ()) if "{" in value else ())


@lru_cache(maxsize=1)
def _names() -> Mapping[str, str]:
    """Short names for code systems and profile bases, from data/names.toml."""
    return _text_map("names.toml", _toml(DATA / "names.toml"))


def _full(text: str, names: Mapping[str, str]) -> str:
    """Write ``{sct}`` and the like in full; other placeholders stay."""
    return re.sub(r"\{([a-z0-9\-]+)\}", lambda found: names.get(found[1], found[0]), text)


def _profile(text: str, names: Mapping[str, str]) -> str:
    short, colon, name = text.partition(":")
    return names[short] + name if colon and short in names else text


def _profile_map(where: str, table: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for resource_type, given in table.items():
        profiles = [given] if isinstance(given, str) else given
        if not isinstance(profiles, list) or not all(isinstance(one, str) for one in profiles):
            raise StandardError(f"{where}: profiles of {resource_type} must be a text or a list of texts")
        found[resource_type] = tuple(_profile(one, names) for one in profiles)
    return found


def _text_map(where: str, table: Mapping[str, Any]) -> dict[str, str]:
    for key, value in table.items():
        if not isinstance(value, str):
            raise StandardError(f"{where}: {key} must be a text")
    return dict(table)


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
