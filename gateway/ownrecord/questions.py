"""Which searches give a whole record: the rows of a data service, with their open values filled in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.calendar import today_here
from profiles.fhir.interactions import FhirRequest
from profiles.standards.admit import Admitted, admit
from profiles.standards.load import catalogue
from profiles.standards.model import RequestRule, Service, Standard

EVERYTHING = "1900-01-01"
"""The first day of a record: what is a person's own is shown from the beginning."""

EPISODE = "{episode}"


@dataclass(frozen=True, slots=True)
class OwnQuestion:
    """One search of a data service."""

    standard: Standard
    service: Service
    rule: RequestRule
    request: FhirRequest
    admitted: Admitted


def searchable(service_id: str) -> Iterator[tuple[Standard, Service, RequestRule]]:
    """The rows of a service that search; none of one that converts: its data are shown as they came."""
    standard, service = catalogue().service(service_id, today_here())
    for rule in standard.rules_of(service) if standard.converts is None else ():
        searches = rule.interaction in ("search-type", "operation") and rule.method == "GET"
        if searches and not rule.on_instance and rule.answer in ("all", "last", "one"):
            yield standard, service, rule


def waits(rule: RequestRule) -> bool:
    """Whether a row asks by the episodes that another row finds."""
    return any(EPISODE in one.value for one in rule.required)


def question(
    standard: Standard, service: Service, rule: RequestRule, base: str, bsn: str, episodes: tuple[str, ...] = ()
) -> OwnQuestion | None:
    """A row as a request that is admitted like any other; None when it asks for what we do not have."""
    known: Mapping[str, tuple[str, ...]] = {
        "{date}": (EVERYTHING,),
        "{vitalsigns}": ("vital-signs",),
        "{bsn}": (bsn,),
        EPISODE: episodes,
    }
    query = []
    for parameter in rule.required:
        value = parameter.value
        for placeholder, found in known.items():
            if placeholder in value:
                value = ",".join(value.replace(placeholder, each) for each in found)
        if "{" in value or not value:
            return None
        query.append((parameter.name, value))
    request = FhirRequest(
        version=standard.fhir,
        interaction=rule.interaction,
        type=rule.type,
        operation=rule.operation,
        query=tuple(query),
        base=f"{base}/{service.id}/fhir",
    )
    return OwnQuestion(standard, service, rule, request, admit(standard, request, service))


def reading(service_id: str, id_: str, base: str) -> OwnQuestion:
    """The read of one Binary by its id, admitted like any other. Raises Refused when the service has no documents."""
    standard, service = catalogue().service(service_id, today_here())
    request = FhirRequest(standard.fhir, "read", "Binary", id_, base=f"{base}/{service.id}/fhir")
    admitted = admit(standard, request, service)
    return OwnQuestion(standard, service, admitted.rule, request, admitted)
