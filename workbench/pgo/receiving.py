"""A visit as a known receiver makes it: its searches, its patience, and what it would show of the answers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from profiles.fhir.interactions import FhirRequest, route
from profiles.fhir.search.search import SearchError, parse_query
from profiles.fhir.tree import Resource
from profiles.receivers.judge import Fate, Outcome, judge
from profiles.receivers.load import Receiver
from profiles.standards.admit import Refused, admit
from profiles.standards.load import UnknownService, catalogue
from profiles.standards.model import RequestRule, Service, Standard
from workbench.pgo.answers import SearchAnswer
from workbench.pgo.client import Patience
from workbench.pgo.endpoints import Dva
from workbench.pgo.oauth import Tokens
from workbench.pgo.searches import GrantedRow, SearchRequest

WHOLE = 10.0
"""Seconds after which the front end of the national client stops (SC-P5)."""


def patience_of(receiver: Receiver) -> Patience:
    """How long a receiver waits, and what it does then."""
    return Patience(WHOLE, receiver.first_byte, receiver.repeats, receiver.pages)


def searches_of(receiver: Receiver, dva: Dva, tokens: Tokens, today: date | None = None) -> list[SearchRequest]:
    """The searches that a receiver sends with these tokens, written as it writes them. Raises EndpointError."""
    made = []
    day = (today or datetime.now(UTC).date()).isoformat()
    for service_id in tokens.services:
        try:
            standard, service = catalogue().service(service_id)
        except UnknownService:
            continue
        for asked in receiver.searches.get(service_id, {}).values():
            query = asked.replace("{date}", day)
            row = GrantedRow(standard, service, _rule(standard, service, query))
            made.append(SearchRequest(row, f"{dva.resource(tokens.provider, service_id)}/{query}"))
    return made


def _rule(standard: Standard, service: Service, asked: str) -> RequestRule:
    """The row behind a search; when it is not on offer, a row of that type, so that the refusal has a name."""
    path, _, query = asked.partition("?")
    way = route("GET", path)
    request = FhirRequest(standard.fhir, way.interaction, way.type, way.id, way.operation, tuple(parse_query(query)))
    try:
        return admit(standard, request, service).rule
    except (Refused, SearchError):
        rules = standard.rules_of(service)
        return next((one for one in rules if one.type == way.type), rules[0])


@dataclass(frozen=True, slots=True)
class Received:
    """One resource of an answer, and what becomes of it. Included ones count where they are seen by themselves."""

    answer: SearchAnswer
    resource: Resource
    fate: Fate


def received(receiver: Receiver, answers: Sequence[SearchAnswer]) -> Iterator[Received]:
    """What becomes of every resource of some answers. One that loses the list takes the others of its answer along."""
    for answer in answers:
        version = answer.search.standard.fhir
        found = [Received(answer, one, judge(receiver, one, version)) for one in (*answer.matches, *answer.included)]
        lost = next((one.fate for one in found if one.fate.outcome is Outcome.LIST_LOST), None)
        for one in found:
            yield one if lost is None else Received(answer, one.resource, lost)


def counted(found: Sequence[Received]) -> Mapping[str, Counter[Outcome]]:
    """How many resources of each profile met which fate; without a profile by their type."""
    table: dict[str, Counter[Outcome]] = {}
    for one in found:
        name = one.fate.profile.rpartition("/")[2] or str(one.resource.get("resourceType"))
        table.setdefault(name, Counter())[one.fate.outcome] += 1
    return dict(sorted(table.items()))
