"""What an information standard is: services, and one row per request that a client may make. All of it is data."""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path

from profiles.fhir.search.matching import split
from profiles.fhir.version import FhirVersion
from profiles.standards.receives import Receives

INCLUDES = ("_include", "_revinclude")
PLACEHOLDERS = frozenset({"{date}", "{episode}", "{identifier}", "{code}", "{bsn}", "{vitalsigns}", "{mime}"})
"""What a client fills in; the meaning of each is that of spec/datasets.yaml."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter of a row: fixed (``status=active``) or open (``date=ge{date}``)."""

    name: str
    value: str
    values: tuple[str, ...] = ()
    """The values that an open parameter is limited to; empty is any."""

    @property
    def is_open(self) -> bool:
        """Whether the client fills in the value."""
        return "{" in self.value

    @property
    def is_include(self) -> bool:
        """Whether this is an include rather than a filter."""
        return self.name.partition(":")[0] in INCLUDES

    @property
    def is_person(self) -> bool:
        """Whether the value identifies the patient."""
        return "{bsn}" in self.value

    @property
    def prefix(self) -> str:
        """What stands before the placeholder: a date prefix, a reference type, a system."""
        return self.value.partition("{")[0]

    @property
    def alternatives(self) -> frozenset[str]:
        """The values that may be asked; empty for an open parameter without limits."""
        return frozenset(self.values if self.is_open else (part.strip() for part in split(self.value, ",")))

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


@dataclass(frozen=True)
class RequestRule:
    """One row: a request, what it returns, and how people call it."""

    id: str
    usecase: str
    method: str
    path: str
    interaction: str
    type: str | None
    operation: str | None
    on_instance: bool
    """Whether the path names one resource."""
    required: tuple[Parameter, ...]
    optional: tuple[Parameter, ...]
    profiles: tuple[str, ...]
    included_profiles: Mapping[str, tuple[str, ...]]
    answer: str
    name_nl: str
    name_en: str
    zibs: tuple[str, ...]
    secondary: tuple[str, ...] = ()
    """Types that a match may point at. With any, reading by id gives what the row finds and what that points at."""
    brings: tuple[Parameter, ...] = ()
    """Includes that every answer gets without being asked."""
    within: str = ""
    """The row of which the resource that is read or written must be an answer; empty: any of the person's."""
    tolerant: bool = False
    """Whether other search parameters of FHIR itself may be sent; what the gateway does not know does nothing."""
    must: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Elements that must be there whenever the source has them, by profile (profiles.standards.must)."""
    expected: Mapping[str, str] = field(default_factory=dict)
    """Required by the standard, yet answered when a client leaves it out: the name, and why. A fixed value then holds
    as if it had been sent; an open one (a first day) does not narrow."""
    receives: Receives | None = field(default=None, repr=False)
    """What a row that writes takes in; None: nothing, it is answered 405."""

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Required and optional parameters."""
        return self.required + self.optional

    @cached_property
    def includes(self) -> tuple[Parameter, ...]:
        """Every include that the row offers."""
        return tuple(one for one in self.parameters if one.is_include)

    @cached_property
    def fixed(self) -> tuple[tuple[str, str], ...]:
        """Filters with a fixed value that hold whether or not a client sends them (see ``expected``)."""
        return tuple((one.name, one.value) for one in self.required if one.name in self.expected and not one.is_open)

    @cached_property
    def types(self) -> frozenset[str]:
        """Every type that an answer of the row holds or points at."""
        return frozenset((self.type or "", *self.included_profiles, *self.secondary)) - {""}

    @cached_property
    def query(self) -> str:
        """The required filters as a query, for people."""
        return "&".join(str(one) for one in self.required if not one.is_include)


@dataclass(frozen=True)
class Service:
    """A data service: what a provider offers in the national list under one number."""

    id: str
    name: str
    """The name on the consent page, in Dutch."""
    about: str
    """One sentence for the consent page, in plain Dutch."""
    name_en: str
    function: str
    roles: tuple[str, ...]
    usecases: tuple[str, ...]
    rows: tuple[str, ...] = ()
    """The rows of a service for one building block; empty: all rows of its use cases."""
    images: str | None = None
    """The row whose documents lead to images, which the service gives by WADO-RS."""
    version: str = ""
    """Tells versions of one service apart; empty where there is one."""
    group: str | None = None
    """Services of one group are one line on the consent page."""
    test: bool = False
    """True when no MedMij number is known: the number is ours and for test mode only."""
    valid_from: date | None = None
    """First and last day on which it is offered and served; None: no such bound."""
    valid_until: date | None = None

    @property
    def dated(self) -> bool:
        """Whether there are days on which the service is not in force."""
        return self.valid_from is not None or self.valid_until is not None

    def valid_on(self, day: date) -> bool:
        """Whether the service is in force on a day; the first and the last day count."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )


@dataclass(frozen=True)
class Standard:
    """An information standard in one FHIR version."""

    id: str
    title: str
    name_nl: str
    name_en: str
    fhir: FhirVersion
    ring: int
    patient_from: str
    services: tuple[Service, ...]
    packages: Mapping[str, str]
    missing_packages: tuple[str, ...]
    """Named by the standard, found in no public source."""
    missing_profiles: frozenset[str]
    """Named by the rows, found in no public source: these are not claimed."""
    rules: tuple[RequestRule, ...]
    reads: Mapping[str, tuple[str, ...]]
    """Types that may be read by id without a row of their own, with the profiles they follow."""
    testsets: tuple[str, ...] = ()
    capability: str | None = None
    variants: Mapping[str, str] = field(default_factory=dict)
    draft: bool = False
    """Whether the standard is not settled yet."""
    replaces: str | None = None
    """The standard that this one is a later version of."""
    converts: str | None = None
    """The standard whose data this one gives in another release."""
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Rows or use cases of other standards that belong to this set."""
    folder: Path | None = field(default=None, compare=False)

    @cached_property
    def types(self) -> frozenset[str]:
        """Every resource type that a client may search, read or receive."""
        return frozenset(rule.type for rule in self.rules if rule.type is not None) | frozenset(self.reads)

    def rule(self, rule_id: str) -> RequestRule:
        """One row by id; KeyError when there is none."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)

    def claims(self, rule: RequestRule) -> tuple[str, ...]:
        """The profiles of a row that a resource may claim: those with a definition that can be had."""
        return tuple(profile for profile in rule.profiles if profile not in self.missing_profiles)

    def rules_of(self, service: Service | None) -> tuple[RequestRule, ...]:
        """The rows of one service, or all rows."""
        if service is None:
            return self.rules
        if service.rows:
            return tuple(rule for rule in self.rules if rule.id in service.rows)
        return tuple(rule for rule in self.rules if rule.usecase in service.usecases)

    def reads_of(self, service: Service | None) -> Mapping[str, tuple[str, ...]]:
        """What may be read by id in one service, or in any: where rows say what they point at, nothing beyond that."""
        rules = self.rules_of(service)
        if not any(rule.method == "GET" for rule in rules):
            return {}
        if not any(rule.secondary or rule.within for rule in rules):
            return self.reads
        types = frozenset(name for rule in rules for name in rule.types)
        return {name: profiles for name, profiles in self.reads.items() if name in types}

    def used(self) -> tuple[tuple[str, str], ...]:
        """Standard, and row or use case, of everything that the set takes from others."""
        return tuple((name, row) for name, rows in self.uses.items() for row in rows)

    def only(self, ids: Container[str]) -> "Standard":
        """The standard with some of its rows."""
        return replace(self, rules=tuple(rule for rule in self.rules if rule.id in ids))

    def without(self, resource_type: str) -> "Standard":
        """The standard at a provider that has no such resources: neither its rows nor reads of it remain."""
        rules = tuple(rule for rule in self.rules if rule.type != resource_type)
        reads = {name: profiles for name, profiles in self.reads.items() if name != resource_type}
        return replace(self, rules=rules, reads=reads)

    @property
    def divergences(self) -> str:
        """What the public material leaves unclear and what we chose (divergences.md); empty when there is none."""
        path = None if self.folder is None else self.folder / "divergences.md"
        return path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""


_PATH = re.compile(
    r"(?P<type>[A-Z][A-Za-z]*)?(?:/(?P<id>\{[a-z]+\}))?(?:/?\$(?P<operation>[a-z\-]*))?|\{notificationEndpoint\}/\{id\}"
)
_SIMPLE = {"GET": ("search-type", "read"), "POST": ("create", "create"), "PUT": ("update", "update")}


def interaction_of(method: str, path: str) -> tuple[str, str | None, str | None, bool]:
    """Interaction, type, operation and "names one resource" of a row's method and path; ValueError for another form."""
    if path == "" and method == "POST":
        return "transaction", None, None, False
    if path == "{notificationEndpoint}/{id}":
        return "notification", None, None, False
    found = _PATH.fullmatch(path)
    if found is None or found["type"] is None or method not in _SIMPLE:
        raise ValueError(f"{method} {path} is no request that a row can offer")
    if found["operation"] is not None:
        return "operation", found["type"], found["operation"], found["id"] is not None
    return _SIMPLE[method][found["id"] is not None], found["type"], None, found["id"] is not None
