"""Which profile a resource without one should claim: what the rows of the standards expect, when they agree."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from profiles.fhir.search.search import SearchError, compile_search
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.claims import copies, correct, parents
from profiles.record.repair import Repair
from profiles.standards.load import Catalogue
from profiles.standards.model import RequestRule, Standard

FREE = ("{date}", "{code}", "{vitalsigns}")
"""Placeholders that a client fills in by itself."""


class Expectations:
    """The profiles that the rows of a catalogue name and expect."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
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
        standards = self._catalogue.of_version(version)
        # What goes to persons comes first: sets between institutions name profiles of their own for the same data.
        for_persons = [one for one in standards if one.patient_from == "token"]
        return self._agreed(for_persons, resource, version) or self._agreed(standards, resource, version)

    @staticmethod
    def _agreed(standards: Sequence[Standard], resource: Resource, version: FhirVersion) -> Sequence[str]:
        type_ = str(resource.get("resourceType"))
        by_query: dict[bool, set[str]] = {True: set(), False: set()}
        for standard in standards:
            for rule in standard.rules:
                if rule.type == type_ and rule.method == "GET" and rule.profiles and fits(rule, version, resource):
                    by_query[bool(rule.query)] |= set(rule.profiles)
            by_query[False] |= set(standard.reads.get(type_, ())) - by_query[True]
        above = {**parents()[version], **copies()[version]}
        for named in (by_query[True], by_query[False]):
            # Of a profile and one derived from it the parent is right for both.
            canonicals = {one for one in named if above.get(one) not in named}
            if canonicals:
                return tuple(canonicals) if len(canonicals) == 1 else ()
        return ()


def fits(rule: RequestRule, version: FhirVersion, resource: Resource) -> bool:
    """Whether a row's fixed parameters match a resource; a row that asks more than that never does."""
    fixed = tuple((one.name, one.value) for one in rule.required if not one.is_include and not one.is_open)
    if any(one.is_open for one in rule.required) or rule.on_instance:
        return False
    return _matches(version, rule.type or "", fixed, resource)


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
        return _compiled(version, type_, pairs).matches(resource)
    except SearchError:
        return False


_compiled = lru_cache(maxsize=512)(compile_search)
