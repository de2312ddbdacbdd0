"""Rule: identifiers and codes of known (mostly Dutch) systems have their form; a BSN passes the eleven test."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

from profiles.rows import Row, read
from profiles.validation.hits import Check, Hit, Hits, Segment
from profiles.validation.schema.nodes import Node


@dataclass(frozen=True)
class System:
    """A system and the form of its values."""

    id: str
    name: str
    matches: Callable[[str], Any]
    weights: tuple[int, ...]
    form: str
    severity: str
    verhoeff: bool = False

    def accepts(self, value: str) -> bool:
        """Whether a value has the form of the system and passes its check digits."""
        if self.matches(value) is None:
            return False
        if not self.weights:
            return True
        total = sum(int(digit) * weight for digit, weight in zip(value, self.weights, strict=True))
        return total % 11 == 0 and any(digit != "0" for digit in value)


class SystemRow(Row, frozen=True):
    """``[[system]]`` of systems.toml."""

    id: str
    name: str
    urls: tuple[str, ...]
    kind: Literal["identifier", "code", "both"]
    form: str
    source: str
    severity: Literal["error", "warning"] = "warning"
    eleven: tuple[int, ...] = ()
    verhoeff: bool = False


class SystemRows(Row, frozen=True):
    """systems.toml."""

    system: tuple[SystemRow, ...]


@cache
def systems(kind: str) -> Mapping[str, System]:
    """The known systems for identifiers or for codes, by URL."""
    known = {}
    for row in read(Path(__file__).parents[1] / "systems.toml", SystemRows).system:
        if row.kind in (kind, "both"):
            form = re.compile(row.form).fullmatch
            known.update(
                dict.fromkeys(
                    row.urls, System(row.id, row.name, form, row.eleven, row.form, row.severity, row.verhoeff)
                )
            )
    return known


@lru_cache(maxsize=8192)
def verhoeff(digits: str) -> bool:
    """Whether a number ends in its check digit by Verhoeff: a walk through the symmetries of a pentagon."""
    state = 0
    for place, digit in enumerate(reversed(digits)):
        state = _turned(state, _permuted(int(digit), place % 8))
    return state == 0


def _turned(one: int, other: int) -> int:
    """The product in the dihedral group of ten elements: 0 to 4 are turns, 5 to 9 reflections."""
    if one < 5:
        return (one + other) % 5 if other < 5 else (one + other - 5) % 5 + 5
    return (one - 5 - other) % 5 + 5 if other < 5 else (one - other) % 5


@cache
def _permuted(digit: int, times: int) -> int:
    for _ in range(times):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit


def _digit(text: str, system: System, node: Node) -> Hits:
    hit = Hit("system.digit", node, {"system": system.name, "value": text[:80]})
    hit.path.append(Segment("code", "code"))
    return [hit]


def system_check(node: Node, kind: str) -> Check:
    """A check for Identifier (kind ``identifier``) or Coding (kind ``code``)."""
    known = systems(kind)
    key = "value" if kind == "identifier" else "code"

    def check(value: Any, context: Any) -> Hits | None:
        system = known.get(value.get("system")) if type(value.get("system")) is str else None
        if system is None:
            return None
        text = value.get(key)
        if type(text) is not str:
            return None
        if system.accepts(text):
            return _digit(text, system, node) if system.verhoeff and text.isdigit() and not verhoeff(text) else None
        shown = "" if system.id == "bsn" else text[:80]
        message = "system.bsn" if system.id == "bsn" else f"system.{kind}"
        particulars = {"system": system.name, "value": shown, "allowed": system.form}
        hit = Hit(message, node, particulars, system.severity)
        hit.path.append(Segment(key, key))
        return [hit]

    return check
