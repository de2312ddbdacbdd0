"""A compiled search over the resources of one patient: matches, order, ``$lastn``, and what comes along."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from profiles.fhir.dates import OPEN_START, latest
from profiles.fhir.includes import Include
from profiles.fhir.lastn import last_of_each
from profiles.fhir.search import Search
from profiles.fhir.tree import Resource


class Held(Protocol):
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


Find = Callable[[str, str], Held | None]
HeldByType = Callable[[str], Iterable[Held]]

Key = tuple[str, str]

MAX_INCLUDED = 10_000


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gives: matches in order, and resources that come along (search.mode include)."""

    matches: tuple[Held, ...]
    included: tuple[Held, ...]


def run(search: Search, candidates: Iterable[Held], find: Find, held_by_type: HeldByType = lambda _type: ()) -> Found:
    """Run a search.

    ``candidates`` are the resources that may match (those of another type are passed over), ``find`` gives a resource
    by type and id, ``held_by_type`` all resources of a type (for ``_revinclude``). All three must already be limited to
    what this patient's answer may hold.

    Order: as ``_sort`` asks; without it newest first by the principal date of the type, those without a date last, and
    equal ones by id. Included resources come after all matches, in the order in which they are first pointed at.
    """

    def resolve(resource_type: str, resource_id: str) -> Resource | None:
        held = find(resource_type, resource_id)
        return None if held is None else held.data

    unique: dict[Key, Held] = {}
    for held in candidates:
        if held.type == search.type and search.matches(held.data, resolve):
            unique.setdefault((held.type, held.id), held)
    matches: list[Held] = list(unique.values())
    if search.last is not None:
        matches = last_of_each(matches, search.last)
    if len(matches) > 1:
        matches = _ordered(search, matches)
    if search.count is not None:
        matches = matches[: search.count]
    return Found(tuple(matches), tuple(_included(search, matches, find, held_by_type)))


def _ordered(search: Search, matches: list[Held]) -> list[Held]:
    ordered = sorted(matches, key=lambda held: held.id)
    for key in reversed(search.sort):
        if key.param.kind == "date":
            ordered.sort(key=lambda held: _moment(key.param.extract(held.data)), reverse=key.descending)
        else:
            ordered.sort(key=lambda held: held.id, reverse=key.descending)
    return ordered


def _moment(nodes: Sequence[object]) -> datetime:
    return max((found for node in nodes if (found := latest(node)) is not None), default=OPEN_START)


def _included(search: Search, matches: Sequence[Held], find: Find, held_by_type: HeldByType) -> Iterable[Held]:
    if not search.includes and not search.revincludes:
        return ()
    seen: set[Key] = {(held.type, held.id) for held in matches}
    included: list[Held] = []
    fresh: Sequence[Held] = matches
    first = True
    while fresh and len(included) < MAX_INCLUDED:
        following: list[Held] = []
        forward = [one for one in search.includes if first or one.iterate]
        backward = [one for one in search.revincludes if first or one.iterate]
        for held in _pointed_at(forward, fresh, find):
            _add(held, seen, following)
        for held in _pointing_at(backward, fresh, held_by_type):
            _add(held, seen, following)
        included.extend(following)
        fresh, first = following, False
    return included


def _add(held: Held, seen: set[Key], following: list[Held]) -> None:
    key = (held.type, held.id)
    if key not in seen:
        seen.add(key)
        following.append(held)


def _pointed_at(includes: Sequence[Include], sources: Sequence[Held], find: Find) -> Iterable[Held]:
    for source in sources if includes else ():
        for include in includes:
            for target in include.targets(source.data):
                if (held := find(*target)) is not None:
                    yield held


def _pointing_at(includes: Sequence[Include], targets: Sequence[Held], held_by_type: HeldByType) -> Iterable[Held]:
    wanted = {(held.type, held.id) for held in targets}
    for include in includes:
        for held in held_by_type(include.source):
            if any(target in wanted for target in include.targets(held.data)):
                yield held
