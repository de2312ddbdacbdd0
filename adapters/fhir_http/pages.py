"""A search and its pages: collected within limits; what comes after a fault is a gap."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from adapters.fhir_http.wire import Budget, Pairs, Wire
from adapters.port import AdapterError, AdapterGarbage, Gap, Reason, RepairNote
from profiles.fhir.tree import Resource


@dataclass(slots=True)
class CollectedPages:
    """What a question has brought in so far, by type and id; nothing is taken in twice."""

    limit: int
    held: dict[tuple[str, str], Resource] = field(default_factory=dict)
    torn: set[tuple[str, str]] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    trace: list[RepairNote] = field(default_factory=list)
    unreadable: int = 0

    def take(self, bundle: Resource, what: str) -> None:
        """Take the entries of a Bundle in. Raises `AdapterGarbage` when it is none, or holds too much."""
        if bundle.get("resourceType") != "Bundle":
            raise AdapterGarbage("the source answered something else than a Bundle")
        for resource in entries(bundle):
            self._add(resource, what)
            if len(self.held) > self.limit:
                raise AdapterGarbage("the source sends more data than the limit allows")

    def resources(self, what: str) -> list[Resource]:
        """Everything that was taken in; what cannot be read or came twice, and differed, becomes a gap."""
        if self.unreadable:
            text = f"{self.unreadable} entries of the source could not be read"
            self.gaps.append(Gap(what, Reason.INVALID_BLOCKED, text))
            self.unreadable = 0
        return [resource for key, resource in self.held.items() if key not in self.torn]

    def _add(self, resource: Any, what: str) -> None:
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            self.unreadable += 1
            return
        kind, given = resource["resourceType"], resource.get("id")
        if kind == "OperationOutcome":
            if not_whole(resource):
                self.gaps.append(Gap(what, Reason.SOURCE_DOWN, "the source says that its answer is not complete"))
            return
        if not isinstance(given, str) or not given:
            self.unreadable += 1
            return
        before = self.held.setdefault((kind, given), resource)
        if before is resource:
            return
        name = f"{kind}/{given}"
        if before == resource:
            self.trace.append(RepairNote(name, "duplicates", kind, "came twice, identical: kept once"))
        elif (kind, given) not in self.torn:
            self.torn.add((kind, given))
            text = "the source sent two different records under one id; neither is delivered"
            self.gaps.append(Gap(name, Reason.INVALID_BLOCKED, text))


GRAVE = frozenset({"error", "fatal"})
NOT_WHOLE = frozenset({"transient", "timeout", "throttled", "incomplete"})
"""Issue severities and codes with which a source says that a part is missing; the codes also as a warning."""


def not_whole(resource: Resource) -> bool:
    """Whether this is an outcome that says that an answer is not whole: by an error, or by a code that means so."""
    issues = resource.get("issue") if resource.get("resourceType") == "OperationOutcome" else None
    return any(
        isinstance(issue, dict) and (issue.get("severity") in GRAVE or issue.get("code") in NOT_WHOLE)
        for issue in (issues if isinstance(issues, list) else ())
    )


def entries(bundle: Resource) -> Iterator[Any]:
    """The resources of a Bundle's entries, whatever they are; None for an entry without: that is a part not told.

    Raises `AdapterGarbage` for entries that are no list, and for a Bundle that counts matches and shows none of them.
    """
    listed = bundle.get("entry", [])
    if not isinstance(listed, list):
        raise AdapterGarbage("the entries of the source's Bundle are no list")
    total = bundle.get("total")
    if not listed and isinstance(total, int) and total > 0 and next_link(bundle) is None:
        raise AdapterGarbage("the source counts what it found and sends none of it")
    for entry in listed:
        yield entry.get("resource") if isinstance(entry, dict) else None


def next_link(bundle: Resource) -> str | None:
    """The link to the next page."""
    links = bundle.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
            return str(link["url"])
    return None


async def collect(wire: Wire, what: str, query: Pairs, budget: Budget, into: CollectedPages, pages: int) -> None:
    """Search one type and follow the pages. A fault on the first page is raised, a later one becomes a gap."""
    bundle = await wire.fetch(what, budget, query)
    into.take(bundle, what)
    seen: set[str] = set()
    try:
        while (following := next_link(bundle)) is not None:
            url = wire.link(following)
            if url in seen:
                raise AdapterGarbage("the source's pages go round in a circle")
            seen.add(url)
            if len(seen) >= pages:
                raise AdapterGarbage("the source has more pages than the limit allows")
            bundle = await wire.fetch(url, budget)
            into.take(bundle, what)
    except AdapterError as error:
        into.gaps.append(Gap(what, error.reason, f"only the first part was fetched: {error.text}", error.retry_after))
