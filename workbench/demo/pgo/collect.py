"""Collect everything that a token gives: all searches of the granted services at once, as a PGO does."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from profiles.fhir.tree import Resource
from profiles.standards.load import Catalogue, UnknownService, catalogue
from profiles.standards.model import RequestRule, Service, Standard
from workbench.demo.pgo.client import CORRELATION_ID, REQUEST_ID, Dva, Tokens

AT_ONCE = 32
"""Searches under way at the same time."""
SAID = (
    (r".*\(source ([a-z0-9-]+)\)", "transient", "Een deel ontbreekt: bronsysteem {} antwoordt nu niet."),
    (r".*\(source ([a-z0-9-]+)\)", "incomplete", "Een deel ontbreekt: bronsysteem {} kan het niet goed aanleveren."),
    (
        r"A source gave an answer that cannot be used\.",
        "",
        "Een deel ontbreekt: het antwoord van een bronsysteem klopt niet.",
    ),
    (r"The source of these data does not answer at the moment.*", "", "Het bronsysteem antwoordt nu niet."),
)
"""Sentences of this gateway (pattern, issue code or any) in words for the person; other ones are shown as they are."""

_ORIGIN = re.compile(r'"((?:[^"\\]|\\.)*)";via=(live|store);count=(\d{1,9})')
EPISODE = "{episode}"
"""The one placeholder that a first answer fills in: birth care asks by the episodes it found."""


SINCE = {("MedicationRequest", "periodofuse"): 0, ("Appointment", "date"): 0, ("Observation", "date"): 425}
"""How many days back a search with a first day looks: what is used now, what is to come, 14 months of results."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One search to send."""

    standard: Standard
    service: Service
    rule: RequestRule
    url: str


@dataclass(frozen=True, slots=True)
class Origin:
    """A source that resources of an answer came from: asked for it (live), or delivered to the gateway before."""

    source: str
    live: bool
    count: int

    def __str__(self) -> str:
        return f"{self.source} ({'rechtstreeks' if self.live else 'aangeleverd'}): {self.count}"


@dataclass(frozen=True, slots=True)
class Section:
    """What came back for one search. ``problems`` says in words what is missing and why."""

    ask: Ask
    status: int
    milliseconds: int
    matches: tuple[Resource, ...]
    included: tuple[Resource, ...]
    problems: tuple[str, ...]
    raw: bytes = field(repr=False)
    origins: tuple[Origin, ...] = ()
    media: str = ""
    """The Content-Type of the answer."""
    failure: str = ""
    """What kept an answer away, when there is none."""

    @property
    def id(self) -> str:
        """A name for this section within a visit."""
        return f"{self.ask.service.id}-{self.ask.rule.id}"

    @property
    def name(self) -> str:
        """What people call it, in Dutch."""
        return self.ask.rule.name_nl

    @property
    def complete(self) -> bool:
        """True when the gateway answered, and said of nothing that it is missing."""
        return self.status == 200 and not self.problems


Progress = Callable[[Section, int], None]
"""Called after every search, with the number of searches that the visit is known to have."""


async def collect(
    http: httpx.AsyncClient, settings: Dva, tokens: Tokens, progress: Progress = lambda _section, _total: None
) -> tuple[Section, ...]:
    """Send every search of the granted services and wait for all answers, in the order of the standards' rows.

    Failures become sections with a problem; nothing is raised for them.
    """
    gate = asyncio.Semaphore(AT_ONCE)
    first = list(asks(settings, tokens, catalogue()))
    waiting = _dependent(tokens, catalogue())
    total = len(first) + len(waiting)

    async def one(item: Ask) -> Section:
        async with gate:
            section = await _search(http, item, tokens)
        progress(section, total)
        return section

    sections = list(await asyncio.gather(*map(one, first)))
    episodes = _episodes(sections)
    later = [item for item in (_filled(settings, tokens, *row, episodes) for row in waiting) if item is not None]
    total = len(first) + len(later)
    sections += await asyncio.gather(*map(one, later))
    order = {id(rule): place for place, (_, _, rule) in enumerate(_rows(tokens, catalogue()))}
    return tuple(sorted(sections, key=lambda section: order[id(section.ask.rule)]))


def asks(settings: Dva, tokens: Tokens, known: Catalogue) -> Iterator[Ask]:
    """The searches that need nothing but the token and the calendar."""
    for standard, service, rule in _rows(tokens, known):
        values = _given(rule)
        if values is not None:
            yield _ask(settings, tokens, standard, service, rule, values)


def _given(rule: RequestRule) -> Mapping[str, Sequence[str]] | None:
    """What fills the placeholders of a row without asking anything first; None when something else is needed."""
    values: dict[str, Sequence[str]] = {}
    for one in rule.required:
        days = SINCE.get((rule.type or "", one.name))
        if "{date}" in one.value and days is not None:
            values["{date}"] = ((datetime.now(UTC).date() - timedelta(days)).isoformat(),)
        elif "{vitalsigns}" in one.value:
            values["{vitalsigns}"] = ("vital-signs",)
        elif one.is_open:
            return None
    return values


async def fetch(http: httpx.AsyncClient, url: str, tokens: Tokens, accept: str) -> httpx.Response:
    """One GET with the token and the ids that every request carries (RES-04, HDR-01). Raises httpx.HTTPError."""
    headers = {
        "Authorization": f"Bearer {tokens.access_token}",
        "Accept": accept,
        REQUEST_ID: str(uuid4()),
        CORRELATION_ID: tokens.correlation,
    }
    return await http.get(url, headers=headers)


def accept(standard: Standard, form: str = "json") -> str:
    """The Accept header for a standard's FHIR version; ``form`` is json or xml."""
    return f"application/fhir+{form}; fhirVersion={standard.fhir.mime}"


def _rows(tokens: Tokens, known: Catalogue) -> Iterator[tuple[Standard, Service, RequestRule]]:
    for service_id in tokens.services:
        try:
            standard, service = known.service(service_id)
        except UnknownService:
            continue
        for rule in standard.rules_of(service):
            searches = rule.interaction in ("search-type", "operation") and rule.method == "GET"
            if searches and not rule.on_instance and rule.answer in ("all", "last", "one"):
                yield standard, service, rule


def _dependent(tokens: Tokens, known: Catalogue) -> list[tuple[Standard, Service, RequestRule]]:
    def waits(rule: RequestRule) -> bool:
        open_ = [one for one in rule.required if one.is_open]
        return bool(open_) and all(EPISODE in one.value for one in open_)

    return [row for row in _rows(tokens, known) if waits(row[2])]


def _filled(
    settings: Dva,
    tokens: Tokens,
    standard: Standard,
    service: Service,
    rule: RequestRule,
    episodes: Mapping[str, Sequence[str]],
) -> Ask | None:
    found = episodes.get(service.id, ())
    if not found:
        return None
    return _ask(settings, tokens, standard, service, rule, {EPISODE: found})


def _ask(
    settings: Dva,
    tokens: Tokens,
    standard: Standard,
    service: Service,
    rule: RequestRule,
    values: Mapping[str, Sequence[str]],
) -> Ask:
    pairs = []
    for one in rule.required:
        value = one.value
        for placeholder, found in values.items():
            # "EpisodeOfCare/{episode}" is written once for each episode, the reference type included.
            value = ",".join(value.replace(placeholder, each) for each in found) if placeholder in value else value
        pairs.append(f"{one.name}={quote(value, safe='/|:,$')}")
    path = f"{settings.resource(tokens.provider, service.id)}/{rule.path.lstrip('/')}"
    return Ask(standard, service, rule, path + ("?" + "&".join(pairs) if pairs else ""))


def _episodes(sections: Iterable[Section]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for section in sections:
        matches = (item for item in section.matches if item["resourceType"] == "EpisodeOfCare" and "id" in item)
        ids = [str(item["id"]) for item in matches]
        found.setdefault(section.ask.service.id, []).extend(ids)
    return found


async def _search(http: httpx.AsyncClient, item: Ask, tokens: Tokens) -> Section:
    start = time.perf_counter()
    try:
        response = await fetch(http, item.url, tokens, accept(item.standard))
    except httpx.HTTPError as error:
        spent = round((time.perf_counter() - start) * 1000)
        name = type(error).__name__
        return Section(item, 0, spent, (), (), (f"Geen antwoord ({name}).",), b"", failure=name)
    spent = round((time.perf_counter() - start) * 1000)
    matches, included, problems = read(response.content)
    if response.status_code != 200 and not problems:
        problems = (f"De zorgaanbieder antwoordde met status {response.status_code}.",)
    origins = tuple(origins_of(response.headers.get("gateway-source", "")))
    media = response.headers.get("content-type", "")
    status, raw = response.status_code, response.content
    return Section(item, status, spent, matches, included, problems, raw, origins, media)


def origins_of(header: str) -> Iterator[Origin]:
    """What the header Gateway-Source says; nothing of what cannot be read."""
    for source, via, count in _ORIGIN.findall(header):
        yield Origin(source.replace('\\"', '"').replace("\\\\", "\\"), via == "live", int(count))


def read(body: bytes) -> tuple[tuple[Resource, ...], tuple[Resource, ...], tuple[str, ...]]:
    """The matches, the included resources and the problems in an answer; an unreadable one is a problem."""
    try:
        answer = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return (), (), ("Het antwoord was niet te lezen.",)
    if not isinstance(answer, dict) or answer.get("resourceType") not in ("Bundle", "OperationOutcome"):
        return (), (), ("Het antwoord was geen FHIR.",)
    if answer["resourceType"] == "OperationOutcome":
        return (), (), tuple(_issues(answer))
    matches: list[Resource] = []
    included: list[Resource] = []
    problems: list[str] = []
    for resource, mode in entries(answer):
        if resource.get("resourceType") == "OperationOutcome":
            problems += _issues(resource)
        else:
            (included if mode == "include" else matches).append(resource)
    return tuple(matches), tuple(included), tuple(problems)


def entries(bundle: Mapping[str, Any]) -> Iterator[tuple[Resource, str]]:
    """Each resource of a Bundle with its search mode; what has not the shape of an entry is passed over."""
    found = bundle.get("entry", [])
    for entry in found if isinstance(found, list) else []:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
            search = entry.get("search")
            yield resource, str(search.get("mode", "match")) if isinstance(search, dict) else "match"


def _issues(outcome: Mapping[str, Any]) -> Iterator[str]:
    for issue in outcome.get("issue", []):
        code = issue.get("code", "onbekend")
        yield _said(str(issue.get("details", {}).get("text") or issue.get("diagnostics") or code), code)


def _said(text: str, code: str) -> str:
    for pattern, wanted, words in SAID:
        # A gap says first what is missing: the section's name says that already.
        found = re.fullmatch(f"(?:[^:]*: )?{pattern}", text) if wanted in ("", code) else None
        if found:
            return words.format(*found.groups())
    return text
