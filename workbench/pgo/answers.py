"""What comes back for a search: matches, includes, and in words what is missing. Nothing here calls anybody."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urljoin, urlsplit

from profiles.fhir.tree import Resource
from workbench.pgo.searches import SearchRequest

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


@dataclass(frozen=True, slots=True)
class Origin:
    """A source that resources of an answer came from: asked for it (live), or delivered to the gateway before."""

    source: str
    live: bool
    count: int

    def __str__(self) -> str:
        return f"{self.source} ({'rechtstreeks' if self.live else 'aangeleverd'}): {self.count}"


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What came back for one search. ``problems`` says in words what is missing and why."""

    search: SearchRequest
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
    tries: int = 1
    """How often it was asked: more than once when no byte came in time."""
    more: tuple[bytes, ...] = field(default=(), repr=False)
    """The pages after the first, when they were followed."""

    @property
    def id(self) -> str:
        """A name for this answer within a visit."""
        return f"{self.search.service.id}-{self.search.rule.id}"

    @property
    def name(self) -> str:
        """What people call it, in Dutch."""
        return self.search.rule.name_nl

    @property
    def complete(self) -> bool:
        """True when the gateway answered, and said of nothing that it is missing."""
        return self.status == 200 and not self.problems


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
        return (), (), tuple(_problems(answer))
    matches: list[Resource] = []
    included: list[Resource] = []
    problems: list[str] = []
    for resource, mode in entries(answer):
        if resource.get("resourceType") == "OperationOutcome":
            problems += _problems(resource)
        else:
            (included if mode == "include" else matches).append(resource)
    return tuple(matches), tuple(included), tuple(problems)


def next_page(body: bytes, here: str) -> str | None:
    """The address of the next page that a searchset names, when it lies on the server that was asked.

    Elsewhere a token must not go: such a link is not followed.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for link in dicts(answer.get("link")) if isinstance(answer, dict) else ():
        if link.get("relation") == "next" and isinstance(link.get("url"), str):
            try:
                url = urljoin(here, link["url"])
                return url if urlsplit(url)[:2] == urlsplit(here)[:2] else None
            except ValueError:
                return None
    return None


def entries(bundle: Mapping[str, Any]) -> Iterator[tuple[Resource, str]]:
    """Each resource of a Bundle with its search mode; what has not the shape of an entry is passed over."""
    found = bundle.get("entry", [])
    for entry in found if isinstance(found, list) else []:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
            search = entry.get("search")
            yield resource, str(search.get("mode", "match")) if isinstance(search, dict) else "match"


def issues(outcome: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The text and the code of every issue of an OperationOutcome; either is empty when it has none."""
    for issue in dicts(outcome.get("issue")):
        details = issue.get("details")
        text = details.get("text") if isinstance(details, dict) else None
        yield str(text or issue.get("diagnostics") or ""), str(issue.get("code") or "")


def dicts(node: Any) -> list[dict[str, Any]]:
    """The objects in what should be a list of objects; an answer may hold anything."""
    return [one for one in node if isinstance(one, dict)] if isinstance(node, list) else []


def _problems(outcome: Mapping[str, Any]) -> Iterator[str]:
    for text, code in issues(outcome):
        yield _said(text or code or "onbekend", code)


def _said(text: str, code: str) -> str:
    for pattern, wanted, words in SAID:
        # A gap says first what is missing: the section's name says that already.
        found = re.fullmatch(f"(?:[^:]*: )?{pattern}", text) if wanted in ("", code) else None
        if found:
            return words.format(*found.groups())
    return text
