"""``Observation/$lastn``: the newest observations of each kind (FHIR STU3 OperationDefinition Observation-lastn)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from profiles.fhir.search.dates import OPEN_START, latest
from profiles.fhir.tree import Resource


class HasData(Protocol):
    """Anything that carries a resource."""

    @property
    def data(self) -> Resource:
        """The resource."""


H = TypeVar("H", bound=HasData)

_MOMENTS = ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued")


def last_of_each(observations: Sequence[H], most: int = 1) -> list[H]:
    """Keep the ``most`` newest of each group, in the order given.

    A group is what has the same code: observations that share a coding (system and code) belong together, also through
    a third, so that one with several codings stands in one group. Without codings the text of the code counts; without
    any code an observation stands alone. Those entered in error are left out (spec/datasets.md section 3).
    """
    sound = [held for held in observations if held.data.get("status") != "entered-in-error"]
    groups: dict[int, list[tuple[datetime, str, int]]] = {}
    for index, group in enumerate(_groups([_keys(held.data) for held in sound])):
        data = sound[index].data
        groups.setdefault(group, []).append((moment(data), str(data.get("id", "")), index))
    kept: set[int] = set()
    for members in groups.values():
        members.sort(key=lambda member: member[1])
        members.sort(key=lambda member: member[0], reverse=True)
        kept.update(index for _, _, index in members[:most])
    return [held for index, held in enumerate(sound) if index in kept]


def moment(observation: Resource) -> datetime:
    """When an observation was made, for ordering: the end of its effective time, else when it was issued."""
    for name in _MOMENTS:
        if (found := latest(observation.get(name))) is not None:
            return found
    return OPEN_START


def _keys(observation: Resource) -> list[tuple[str, str]]:
    code = observation.get("code")
    if not isinstance(code, dict):
        return []
    codings = [coding for coding in code.get("coding", ()) if isinstance(coding, dict) and "code" in coding]
    if codings:
        return [(str(coding.get("system", "")), str(coding["code"])) for coding in codings]
    return [("", "text " + code["text"].casefold())] if isinstance(code.get("text"), str) else []


def _groups(keys: list[list[tuple[str, str]]]) -> list[int]:
    """Give each index the number of its group: union of all that share a key."""
    parent = list(range(len(keys)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    owner: dict[tuple[str, str], int] = {}
    for index, own in enumerate(keys):
        for key in own:
            parent[root(index)] = root(owner.setdefault(key, index))
    return [root(index) for index in range(len(keys))]
