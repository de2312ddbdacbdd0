"""A compiled search over the resources of one patient: matches, order, ``$lastn``, and what comes along."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from profiles.fhir.search.dates import OPEN_START, latest
from profiles.fhir.search.includes import Include
from profiles.fhir.search.lastn import last_of_each
from profiles.fhir.search.search import Search
from profiles.fhir.tree import Resource


class HeldResource(Protocol):
    """A resource as someone holds it."""

    @property
    def type(self) -> str:
        """The resource type."""

    @property
    def id(self) -> str:
        """The logical id."""

    @property
    def data(self) -> Resource:
        """The resource itself."""


H = TypeVar("H", bound=HeldResource)
Find = Callable[[str, str], H | None]
HeldByType = Callable[[str], Iterable[H]]

Key = tuple[str, str]

MAX_INCLUDED = 10_000


@dataclass(frozen=True, slots=True)
class Found(Generic[H]):
    """What a search gives: matches in order, and resources that come along (search.mode include)."""

    matches: tuple[H, ...]
    included: tuple[H, ...]


def run(
    search: Search, candidates: Iterable[H], find: Find[H], held_by_type: HeldByType[H] = lambda _type: ()
) -> Found[H]:
    """Run a search: ``select`` what matches, then ``bring`` what comes along.

    ``candidates`` are the resources that may match (those of another type are passed over), ``find`` gives a resource
    by type and id, ``held_by_type`` all resources of a type (for ``_revinclude``). All three must already be limited to
    what this patient's answer may hold.
    """
    matches = select(search, candidates, find)
    return Found(matches, bring(search, matches, find, held_by_type))


def select(search: Search, candidates: Iterable[H], find: Find[H]) -> tuple[H, ...]:
    """The matches, in order: as ``_sort`` asks; without it newest first by the principal date of the type, those
    without a date last, and equal ones by id.
    """

    def resolve(resource_type: str, resource_id: str) -> Resource | None:
        held = find(resource_type, resource_id)
        return None if held is None else held.data

    unique: dict[Key, H] = {}
    for held in candidates:
        if held.type == search.type and (not search.filters or search.matches(held.data, resolve)):
            unique.setdefault((held.type, held.id), held)
    matches: list[H] = list(unique.values())
    if search.last is not None:
        matches = last_of_each(matches, search.last)
    if len(matches) > 1:
        matches = _ordered(search, matches)
    return tuple(matches if search.count is None else matches[: search.count])


def bring(search: Search, matches: Sequence[H], find: Find[H], held_by_type: HeldByType[H]) -> tuple[H, ...]:
    """What the includes add to the matches, each once, in the order in which it is first pointed at."""
    if not search.includes and not search.revincludes:
        return ()
    seen: set[Key] = {(held.type, held.id) for held in matches}
    included: list[H] = []
    fresh: Sequence[H] = matches
    first = True
    while fresh and len(included) < MAX_INCLUDED:
        following: list[H] = []
        forward = [one for one in search.includes if first or one.iterate]
        backward = [one for one in search.revincludes if first or one.iterate]
        for held in (*_pointed_at(forward, fresh, find), *_pointing_at(backward, fresh, held_by_type)):
            key = (held.type, held.id)
            if key not in seen:
                seen.add(key)
                following.append(held)
        included.extend(following)
        fresh, first = following, False
    return tuple(included)


def _ordered(search: Search, matches: list[H]) -> list[H]:
    ordered = sorted(matches, key=lambda held: held.id)
    for key in reversed(search.sort):
        if key.param.kind == "date":
            ordered.sort(key=lambda held: _moment(key.param.extract(held.data)), reverse=key.descending)
        else:
            ordered.sort(key=lambda held: held.id, reverse=key.descending)
    return ordered


def _moment(nodes: Sequence[object]) -> datetime:
    return max((found for node in nodes if (found := latest(node)) is not None), default=OPEN_START)


def _pointed_at(includes: Sequence[Include], sources: Sequence[H], find: Find[H]) -> Iterable[H]:
    for source in sources if includes else ():
        for include in includes:
            for target in include.targets(source.data):
                if (held := find(*target)) is not None:
                    yield held


def _pointing_at(includes: Sequence[Include], targets: Sequence[H], held_by_type: HeldByType[H]) -> Iterable[H]:
    wanted = {(held.type, held.id) for held in targets}
    for include in includes:
        for held in held_by_type(include.source):
            if any(target in wanted for target in include.targets(held.data)):
                yield held
