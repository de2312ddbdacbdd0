"""Why a search finds little: how many of the candidates each of its parameters leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass

from profiles.fhir.search.execute import Find, H
from profiles.fhir.search.search import Search, compile_search
from profiles.fhir.tree import Resource


@dataclass(frozen=True, slots=True)
class ParameterLoss:
    """One parameter of a search: its name as asked (never its value), and how many candidates do not fit it."""

    parameter: str
    left_out: int


def losses(search: Search, candidates: Sequence[H], find: Find[H]) -> tuple[ParameterLoss, ...]:
    """Every parameter that leaves out something, in the order of the query.

    Each is looked at alone: two that leave out 3 of 5 may leave out 5 together. ``find`` follows chained parameters.
    """

    def resolve(type_: str, id_: str) -> Resource | None:
        held = find(type_, id_)
        return None if held is None else held.data

    lost = []
    for name, value in search.pairs:
        alone = compile_search(search.version, search.type, [(name, value)]) if _narrows(name) else None
        if alone is None or not alone.filters:
            continue
        left = sum(not alone.matches(held.data, resolve) for held in candidates)
        if left:
            lost.append(ParameterLoss(name, left))
    return tuple(lost)


def _narrows(name: str) -> bool:
    return name != "max" and not name.startswith(("_include", "_revinclude", "_sort", "_count"))
