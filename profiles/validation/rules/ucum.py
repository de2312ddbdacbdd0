"""Rule: a unit that says it is of UCUM is one: https://ucum.org/ucum, case sensitive, with the symbols of ucum.toml."""

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from profiles.rows import Row, read
from profiles.validation.hits import Check, Hit, Hits, Segment
from profiles.validation.schema.nodes import Node

SYSTEM: Final = "http://unitsofmeasure.org"
MEASURED: Final = frozenset({"Coding", "Quantity", "Age", "Count", "Distance", "Duration"})
MAX_UNIT: Final = 200
_PIECE = re.compile(r"(?:\[[^\[\]]*\]|[^\[\](){}./])+")
_NOTE = re.compile(r"\{[ -z|~]*\}")
"""An annotation; UCUM leaves out the blank, HL7's own lists of units use it."""
_POWER = re.compile(r"[+-]?[0-9]+$")


class Symbols(Row, frozen=True):
    """ucum.toml."""

    prefixes: str
    metric: str
    plain: str
    prescribed: str


@cache
def symbols() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The prefixes, the units that take one, and all units."""
    rows = read(Path(__file__).with_name("ucum.toml"), Symbols)
    metric = frozenset(rows.metric.split())
    return frozenset(rows.prefixes.split()), metric, metric | frozenset(rows.plain.split())


@cache
def prescribed() -> frozenset[str]:
    """What published definitions call a unit of UCUM and is none."""
    return frozenset(read(Path(__file__).with_name("ucum.toml"), Symbols).prescribed.split())


@lru_cache(maxsize=4096)
def is_unit(text: str) -> bool:
    """Whether a text is a unit by the grammar of UCUM (section 2.1)."""
    if not 0 < len(text) <= MAX_UNIT or not text.isascii():
        return False
    end = _term(text, 1 if text[0] == "/" else 0, 0)
    return end == len(text)


def _term(text: str, at: int, depth: int) -> int:
    """The place after a term that begins here; -1 when there is none."""
    while True:
        at = _component(text, at, depth)
        if at < 0 or text[at : at + 1] not in (".", "/"):
            return at
        at += 1


def _component(text: str, at: int, depth: int) -> int:
    if text[at : at + 1] == "(":
        at = _term(text, at + 1, depth + 1) if depth < 10 else -1
        if at < 0 or text[at : at + 1] != ")":
            return -1
        at += 1
    elif (piece := _PIECE.match(text, at)) is not None:
        if not _is_simple(piece.group()):
            return -1
        at = piece.end()
    elif text[at : at + 1] != "{":
        return -1
    note = _NOTE.match(text, at)
    return note.end() if note is not None else at


def _is_simple(text: str) -> bool:
    """A number, or a unit with or without prefix and power."""
    if text.isdigit():
        return True
    if text[:3] in ("10*", "10^"):
        return len(text) == 3 or _POWER.fullmatch(text, 3) is not None
    prefixes, metric, units = symbols()
    unit = _POWER.sub("", text)
    if unit in units:
        return True
    return any(unit[:size] in prefixes and unit[size:] in metric for size in (1, 2))


def told_once(hits: Hits) -> Hits:
    """What was found, with one finding for a unit that is wrong by more than one rule.

    Its code may be no unit of UCUM, and be outside a list for the code and one for the quantity: the list that stands
    nearest to the code says best what is wanted.
    """
    kept: dict[tuple[str | int, ...], list[Hit]] = {}
    for hit in hits:
        if hit.key in ("code.unit", "binding.required") and hit.severity == "error":
            kept.setdefault(_measured(hit), []).append(hit)
    dropped: set[int] = set()
    for same in kept.values():
        lists = sorted((hit for hit in same if hit.key == "binding.required"), key=lambda hit: not _of_code(hit))
        if any(hit.key == "code.unit" for hit in same) or (lists and _of_code(lists[0]) and not _of_code(lists[-1])):
            dropped.update(id(hit) for hit in same if hit is not (lists or same)[0])
    return [hit for hit in hits if id(hit) not in dropped]


def _of_code(hit: Hit) -> bool:
    """Whether a hit is about the code of something, not about the whole of it."""
    first = hit.path[0] if hit.path else None
    return isinstance(first, Segment) and first.key == "code"


def _measured(hit: Hit) -> tuple[str | int, ...]:
    """The place of what has the code."""
    path = hit.path[1:] if _of_code(hit) else hit.path
    return tuple(step if isinstance(step, int) else step.key for step in path)


def unit_check(node: Node) -> Check:
    """A check for a Coding or a Quantity."""

    def check(value: Any, context: Any) -> Hits | None:
        if value.get("system") != SYSTEM:
            return None
        code = value.get("code")
        if type(code) is not str or is_unit(code):
            return None
        hit = Hit("code.unit", node, {"value": code[:80]}, "warning" if code in prescribed() else "error")
        hit.path.append(Segment("code", "code"))
        return [hit]

    return check
