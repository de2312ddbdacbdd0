"""Which profile a resource without one should claim: what the rows of the standards expect, when they agree."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from profiles.fhir.codec import jsonio
from profiles.fhir.search.search import Search, SearchError, compile_search
from profiles.fhir.search.searchparams import parameters
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.claims import copies, correct, parents
from profiles.record.repair import Repair
from profiles.standards.load import Catalogue
from profiles.standards.model import RequestRule, Standard

FREE = ("{date}", "{code}", "{vitalsigns}")
"""Placeholders that a client fills in by itself."""
REMEMBERED = 4096
"""Looks of a type of which is remembered what was expected."""


class Expectations:
    """The profiles that the rows of a catalogue name and expect."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._rows: dict[tuple[FhirVersion, str], _TypeRows] = {}
        self._named: dict[FhirVersion, Mapping[str, str]] = {}

    def correct(self, resource: Resource, version: FhirVersion) -> list[Repair]:
        """Let a resource claim what receivers know, in place (`profiles.record.claims`); returns what was done."""
        return correct(resource, version, self.named(version), self)

    def named(self, version: FhirVersion) -> Mapping[str, str]:
        """Every profile that the standards of a release name, by its address in lower case."""
        if version not in self._named:
            standards = self._catalogue.of_version(version)
            found = [one for standard in standards for read in standard.reads.values() for one in read]
            for rule in (rule for standard in standards for rule in standard.rules):
                found += rule.profiles
                found += (one for profiles in rule.included_profiles.values() for one in profiles)
            self._named[version] = {one.lower(): one for one in found}
        return self._named[version]

    def __call__(self, resource: Resource, version: FhirVersion) -> Sequence[str]:
        """The canonical that every fitting row expects; none when no row fits, or rows expect different ones.

        Rows that filter (``code=...``) go before rows that take every resource of a type.
        """
        type_ = str(resource.get("resourceType"))
        if (version, type_) not in self._rows:
            self._rows[version, type_] = _TypeRows(version, type_, self._rows_of(version, type_))
        return self._rows[version, type_].expected(resource)

    def _rows_of(self, version: FhirVersion, type_: str) -> tuple[Sequence["_ExpectingRow"], ...]:
        """The rows that expect something of a type, once of the standards that come first and once of all.

        What goes to persons comes first: sets between institutions name profiles of their own for the same data.
        """
        standards = self._catalogue.of_version(version)
        for_persons = [one for one in standards if one.patient_from == "token"]
        return tuple(
            [row for one in some for row in _rows_of(one, type_, version)] for some in (for_persons, standards)
        )


@dataclass(frozen=True, slots=True)
class _ExpectingRow:
    """What one row expects of what its search matches; without a search, a read expects it of everything."""

    search: Search | None
    filters: bool
    profiles: frozenset[str]


class _TypeRows:
    """The rows of a type, and what they said before.

    What comes in by thousands (results of a laboratory) looks alike where the rows look: their searches see of a
    resource what their parameters extract, so two of which these are the same are expected to be the same.
    """

    def __init__(self, version: FhirVersion, type_: str, sets: tuple[Sequence[_ExpectingRow], ...]) -> None:
        self._version = version
        self._sets = sets
        names = {name.partition(":")[0] for rows in sets for row in rows if row.search for name, _ in row.search.pairs}
        there = parameters(version, type_)
        self._looked_at = [there[name].extract for name in sorted(names & there.keys())]
        # A chained parameter looks at other resources, and one that is not here was read in another way.
        self._alike = names <= there.keys()
        self._said: OrderedDict[bytes, Sequence[str]] = OrderedDict()

    def expected(self, resource: Resource) -> Sequence[str]:
        """What the first set of rows that expects something agrees on."""
        if not self._alike:
            return self._found(resource)
        key = jsonio.dump([list(extract(resource)) for extract in self._looked_at])
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = self._found(resource)
            if len(self._said) > REMEMBERED:
                self._said.popitem(last=False)
        return said

    def _found(self, resource: Resource) -> Sequence[str]:
        matched: dict[int, bool] = {}
        return next(filter(None, (_agreed(rows, resource, self._version, matched) for rows in self._sets)), ())


def _rows_of(standard: Standard, type_: str, version: FhirVersion) -> Iterator[_ExpectingRow]:
    for rule in standard.rules:
        if rule.type == type_ and rule.method == "GET" and rule.profiles:
            fixed = fixed_of(rule)
            try:
                search = None if fixed is None else _compiled(version, type_, fixed)
            except SearchError:
                continue
            if search is not None:
                yield _ExpectingRow(search, bool(rule.query), frozenset(rule.profiles))
    yield _ExpectingRow(None, filters=False, profiles=frozenset(standard.reads.get(type_, ())))


def _agreed(
    rows: Sequence[_ExpectingRow], resource: Resource, version: FhirVersion, matched: dict[int, bool]
) -> Sequence[str]:
    """``matched`` holds what is known of searches already: many rows have the same one."""
    by_query: dict[bool, set[str]] = {True: set(), False: set()}
    for row in rows:
        if row.search is None:
            by_query[False] |= row.profiles - by_query[True]
            continue
        if row.profiles <= by_query[row.filters]:
            continue
        known = matched.get(id(row.search))
        if known is None:
            known = matched[id(row.search)] = _fits(row.search, resource)
        if known:
            by_query[row.filters] |= row.profiles
    above = {**parents()[version], **copies()[version]}
    for named in (by_query[True], by_query[False]):
        # Of a profile and one derived from it the parent is right for both.
        canonicals = {one for one in named if above.get(one) not in named}
        if canonicals:
            return tuple(canonicals) if len(canonicals) == 1 else ()
    return ()


def fixed_of(rule: RequestRule) -> tuple[tuple[str, str], ...] | None:
    """The fixed parameters of a row; None for one that asks more than those."""
    if any(one.is_open for one in rule.required) or rule.on_instance:
        return None
    return tuple((one.name, one.value) for one in rule.required if not one.is_include)


def fits(rule: RequestRule, version: FhirVersion, resource: Resource) -> bool:
    """Whether a row's fixed parameters match a resource; a row that asks more than that never does."""
    fixed = fixed_of(rule)
    return fixed is not None and _matches(version, rule.type or "", fixed, resource)


def may_fit(rule: RequestRule, version: FhirVersion, resource: Resource) -> bool:
    """Whether a client gets the resource through a row once it fills in a day or a code: its fixed parameters match,
    and one of its profiles is claimed. A row that asks for another resource first (an episode) never does."""
    open_ = [one.value for one in rule.required if one.is_open]
    if rule.on_instance or not all(any(kind in value for kind in FREE) for value in open_):
        return False
    fixed = tuple((one.name, one.value) for one in rule.required if not one.is_include and not one.is_open)
    claimed = resource.get("meta", {}).get("profile", ())
    return any(profile in rule.profiles for profile in claimed) and _matches(version, rule.type or "", fixed, resource)


def _matches(version: FhirVersion, type_: str, pairs: tuple[tuple[str, str], ...], resource: Resource) -> bool:
    try:
        return _fits(_compiled(version, type_, pairs), resource)
    except SearchError:
        return False


def _fits(search: Search, resource: Resource) -> bool:
    try:
        return search.matches(resource)
    except SearchError:
        return False


_compiled = lru_cache(maxsize=512)(compile_search)
