"""Checks on the rows themselves: what a mistake in a folder would break later is found here, with a line that says so.

Loading already refuses what cannot be read; these checks look at what a row means. ``gateway standards check`` and the
tests run them.
"""

from collections.abc import Iterator
from datetime import date

from profiles.fhir.interactions import FhirRequest
from profiles.fhir.search.search import SearchError, compile_search
from profiles.standards.admit import Refused, admit
from profiles.standards.capability import statement
from profiles.standards.load import Catalogue
from profiles.standards.model import PLACEHOLDERS, Parameter, RequestRule, Service, Standard
from profiles.standards.must import must_elements

EXAMPLES = {
    "{date}": "2026-01-05",
    "{episode}": "episode-1",
    "{identifier}": "urn:oid:2.16.840.1.113883.2.4.3.11.999.7|1",
    "{code}": "http://loinc.org|8302-2",
    "{bsn}": "999990019",
    "{vitalsigns}": "vital-signs",
    "{mime}": "application/pdf",
}
"""A value for each placeholder, to try a row with."""

TEST_NUMBERS = range(9000, 10_000)
"""Data service numbers that are ours; those of the granular services have nine digits."""


def check(catalogue: Catalogue) -> list[str]:
    """Everything that is wrong in a catalogue, one line each; empty when all is well."""
    lines = [line for standard in catalogue.standards.values() for line in check_standard(standard)]
    return lines + [line for standard in catalogue.standards.values() for line in _of_uses(catalogue, standard)]


def _of_uses(catalogue: Catalogue, standard: Standard) -> Iterator[str]:
    """What a set names of others must be there, with a service of its own."""
    for name, row in standard.used():
        other = catalogue.standards.get(name)
        rules = () if other is None else [rule for one in other.services for rule in other.rules_of(one)]
        if not any(row in (rule.id, rule.usecase) for rule in rules):
            yield f"{standard.id}: uses {row} of {name}, which has no such row or use case in a service"
    if standard.replaces is not None and standard.replaces not in catalogue.standards:
        yield f"{standard.id}: replaces {standard.replaces}, which is not there"


def check_standard(standard: Standard) -> list[str]:
    """Everything that is wrong in one standard."""
    lines = [f"{standard.id}: {line}" for line in _of_standard(standard)]
    for rule in standard.rules:
        lines += [f"{standard.id}: {rule.id}: {line}" for line in _of_rule(standard, rule)]
    return lines


def _of_standard(standard: Standard) -> Iterator[str]:
    if not standard.services and not standard.uses:
        yield "offers no service"
    if not standard.packages and not standard.missing_packages and standard.converts is None:
        yield "names no FHIR package"
    if not standard.divergences:
        yield "has no divergences.md"
    served = {rule.id for service in standard.services for rule in standard.rules_of(service)}
    for rule in standard.rules:
        if rule.id not in served:
            yield f"row {rule.id} is in no service"
    for service in standard.services:
        yield from _of_service(standard, service)


def _of_service(standard: Standard, service: Service) -> Iterator[str]:
    if service.test != (service.id.isdigit() and int(service.id) in TEST_NUMBERS):
        yield f"service {service.id}: numbers from 9000 to 9999 are for test services, and only those"
    if not service.about.endswith(".") or len(service.about) > 200:
        yield f"service {service.id}: about is one short sentence with a full stop"
    statement(standard, service, "https://example.org/fhir", "0", date(2026, 1, 1).isoformat())


def _of_rule(standard: Standard, rule: RequestRule) -> Iterator[str]:
    if rule.answer == "refused":
        return
    unnamed = rule.interaction == "search-type" and not rule.profiles and rule.answer == "all"
    # What is converted by its type alone follows no profile of the other release.
    if rule.type is not None and unnamed and standard.converts is None:
        similar = [one for one in standard.rules if one.type == rule.type and one.profiles]
        if not similar:
            yield "names no profile"
    if rule.answer == "last" and rule.operation != "lastn":
        yield "the answer is the last of each kind, but the operation is not $lastn"
    for profile in (*rule.profiles, *(one for group in rule.included_profiles.values() for one in group)):
        if "://" not in profile:
            yield f"profile {profile} is not a canonical"
    if unknown := {name for names in rule.must.values() for name in names} - must_elements().keys():
        yield f"must names {', '.join(sorted(unknown))}, which elements.toml does not have"
    if strange := rule.must.keys() - {*rule.profiles, *(one for group in standard.reads.values() for one in group)}:
        yield f"must is about {', '.join(sorted(strange))}, which neither the row nor a read claims"
    if rule.interaction == "search-type" or rule.operation == "lastn":
        yield from _searchable(standard, rule)


def _searchable(standard: Standard, rule: RequestRule) -> Iterator[str]:
    """The required query and each optional parameter must compile, and must be admitted by this very row."""
    required = [example(one) for one in rule.required]
    for extra in (None, *rule.optional):
        query = tuple(required if extra is None else [*required, example(extra)])
        try:
            compile_search(standard.fhir, rule.type or "", query, rule.operation)
            request = FhirRequest(standard.fhir, rule.interaction, rule.type, None, rule.operation, query)
            admit(standard, request)
        except SearchError as error:
            yield f"{error.parameter}: {error.text}"
        except Refused as error:
            yield f"its own request is refused: {error.text}"


def example(parameter: Parameter) -> tuple[str, str]:
    """A parameter of a row with an example in the place of the placeholder."""
    if parameter.values:
        return parameter.name, parameter.values[0]
    value = parameter.value
    for placeholder in PLACEHOLDERS:
        value = value.replace(placeholder, EXAMPLES[placeholder])
    return parameter.name, value
