"""Which searches a grant gives: the rows of its services, filled in by token, calendar and first answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from profiles.standards.load import UnknownService, catalogue, is_summary
from profiles.standards.model import RequestRule, Service, Standard
from workbench.pgo.endpoints import Dva
from workbench.pgo.oauth import Tokens

EPISODE = "{episode}"
"""The one placeholder that a first answer fills in: birth care asks by the episodes it found."""

SINCE = {("MedicationRequest", "periodofuse"): 0, ("Appointment", "date"): 0, ("Observation", "date"): 425}
"""How many days back a search with a first day looks: what is used now, what is to come, 14 months of results."""


@dataclass(frozen=True, slots=True)
class GrantedRow:
    """A row of a standard that a token gives: one search, before its placeholders are filled in."""

    standard: Standard
    service: Service
    rule: RequestRule

    @property
    def waits(self) -> bool:
        """Whether all that is open in it are episodes, which another search finds."""
        open_ = [one for one in self.rule.required if one.is_open]
        return bool(open_) and all(EPISODE in one.value for one in open_)


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search to send."""

    row: GrantedRow
    url: str

    @property
    def standard(self) -> Standard:
        """The information standard whose row it is."""
        return self.row.standard

    @property
    def service(self) -> Service:
        """The data service that it belongs to."""
        return self.row.service

    @property
    def rule(self) -> RequestRule:
        """The row itself."""
        return self.row.rule


def granted_rows(tokens: Tokens) -> Iterator[GrantedRow]:
    """The searches of the granted services, in the order of the standards; services that we do not know give none."""
    for service_id in tokens.services:
        try:
            standard, service = catalogue().service(service_id)
        except UnknownService:
            continue
        for rule in standard.rules_of(service):
            searches = (
                rule.interaction in ("search-type", "operation") and rule.method == "GET" and not is_summary(rule)
            )
            if searches and not rule.on_instance and rule.answer in ("all", "last", "one"):
                yield GrantedRow(standard, service, rule)


def first_searches(dva: Dva, tokens: Tokens) -> list[SearchRequest]:
    """The searches that need nothing but the token and the calendar. Raises EndpointError."""
    found = ((row, _known_values(row.rule)) for row in granted_rows(tokens))
    return [_search(dva, tokens, row, values) for row, values in found if values is not None]


def waiting_rows(tokens: Tokens) -> list[GrantedRow]:
    """The rows that ask by the episodes that a first search finds."""
    return [row for row in granted_rows(tokens) if row.waits]


def later_searches(dva: Dva, tokens: Tokens, episodes: Mapping[str, Sequence[str]]) -> list[SearchRequest]:
    """The searches of the waiting rows, by the ids of the episodes that were found in each service."""
    return [
        _search(dva, tokens, row, {EPISODE: episodes[row.service.id]})
        for row in waiting_rows(tokens)
        if episodes.get(row.service.id)
    ]


def accept(standard: Standard, form: str = "json") -> str:
    """The Accept header for a standard's FHIR version; ``form`` is json or xml."""
    return f"application/fhir+{form}; fhirVersion={standard.fhir.mime}"


def _known_values(rule: RequestRule) -> Mapping[str, Sequence[str]] | None:
    """What fills the placeholders of a row without asking anything first; None when something else is needed."""
    values: dict[str, Sequence[str]] = {}
    for parameter in rule.required:
        days = SINCE.get((rule.type or "", parameter.name))
        if "{date}" in parameter.value and days is not None:
            values["{date}"] = ((datetime.now(UTC).date() - timedelta(days)).isoformat(),)
        elif "{vitalsigns}" in parameter.value:
            values["{vitalsigns}"] = ("vital-signs",)
        elif parameter.is_open:
            return None
    return values


def _search(dva: Dva, tokens: Tokens, row: GrantedRow, values: Mapping[str, Sequence[str]]) -> SearchRequest:
    pairs = []
    for one in row.rule.required:
        value = one.value
        for placeholder, found in values.items():
            # "EpisodeOfCare/{episode}" is written once for each episode, the reference type included.
            value = ",".join(value.replace(placeholder, each) for each in found) if placeholder in value else value
        pairs.append(f"{one.name}={quote(value, safe='/|:,$')}")
    path = f"{dva.resource(tokens.provider, row.service.id)}/{row.rule.path.lstrip('/')}"
    return SearchRequest(row, path + ("?" + "&".join(pairs) if pairs else ""))
