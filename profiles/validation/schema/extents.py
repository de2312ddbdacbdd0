"""The parts of value sets, system by system, and what including, excluding and combining does to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Extent:
    """The part of a value set that lies in one code system: known codes, rules that tell of any code whether it
    belongs, and whether there are more than we know."""

    codes: frozenset[str]
    open: bool = False
    rules: tuple[Callable[[str], bool | None], ...] = ()

    def __or__(self, other: Extent) -> Extent:
        return Extent(self.codes | other.codes, self.open or other.open, self.rules + other.rules)

    def tell(self, code: str) -> bool | None:
        """Whether a code belongs; None when that cannot be told."""
        if code in self.codes:
            return True
        answers = [rule(code) for rule in self.rules]
        return True if True in answers else None if None in answers or self.open else False


def merge(total: dict[str, Extent], more: Mapping[str, Extent]) -> None:
    """Take another set in."""
    for system, extent in more.items():
        total[system] = total[system] | extent if system in total else extent


def remove(total: dict[str, Extent], less: Mapping[str, Extent]) -> None:
    """Take the codes of another set out."""
    for system, extent in less.items():
        if system in total:
            before = total[system]
            if before.rules or extent.rules:
                total[system] = _without(before, extent)
                continue
            total[system] = Extent(before.codes - extent.codes, before.open)


def intersection(one: Mapping[str, Extent], other: Mapping[str, Extent]) -> dict[str, Extent]:
    """What lies in both. System "" stands for a set that is not here: what only it might hold is left open."""
    common = {}
    unsure = "" in other
    for system in one if unsure else one.keys() & other.keys():
        a, b = one[system], other.get(system, Extent(frozenset()))
        if unsure:
            common[system] = Extent(a.codes & b.codes, open=True)
            continue
        if a.rules or b.rules:
            common[system] = _within(a, b)
            continue
        both = a.codes & b.codes | (a.codes if b.open else frozenset()) | (b.codes if a.open else frozenset())
        common[system] = Extent(frozenset(both), a.open and b.open)
    return common


def _without(one: Extent, less: Extent) -> Extent:
    def rule(code: str) -> bool | None:
        first, second = one.tell(code), less.tell(code)
        return False if first is False or second is True else None if None in (first, second) else True

    return Extent(frozenset(code for code in one.codes if less.tell(code) is False), rules=(rule,))


def _within(one: Extent, other: Extent) -> Extent:
    def rule(code: str) -> bool | None:
        answers = (one.tell(code), other.tell(code))
        return False if False in answers else None if None in answers else True

    known = one.codes | other.codes
    return Extent(frozenset(code for code in known if rule(code) is True), rules=(rule,))


def expansion(data: Mapping[str, Any]) -> dict[str, Extent]:
    """What an expansion lists."""
    by_system: dict[str, set[str]] = {}
    queue = list(data.get("contains", ()))
    while queue:
        row = queue.pop()
        if "code" in row and not row.get("abstract"):
            by_system.setdefault(str(row.get("system", "")), set()).add(str(row["code"]))
        queue.extend(row.get("contains", ()))
    return {system: Extent(frozenset(codes)) for system, codes in by_system.items()}
