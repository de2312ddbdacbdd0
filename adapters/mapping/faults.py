"""What is wrong with a mapping, all of it at once: each fault with its line and its place in the file."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import yaml

from adapters.port import AdapterMisconfigured

Steps = tuple[str | int, ...]
"""A place in the file: keys, and numbers of list items."""

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class MappingFault:
    """One thing that is wrong. ``text`` is for who writes the mapping."""

    place: Steps
    text: str


class MappingFaults(ValueError):
    """A mapping that cannot be used, with everything that is wrong with it."""

    def __init__(self, faults: Iterable[MappingFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{shown(one.place)}: {one.text}" for one in self.faults))


def shown(place: Iterable[str | int]) -> str:
    """A place as text: ``sections.problem.rows[0]``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def steps(place: str) -> Steps:
    """The steps of a place that was written as text: ``code.coding[0]``."""
    return tuple(int(number) if number else name for number, name in _STEP.findall(place))


def misconfigured(name: str, text: str, faults: Sequence[MappingFault]) -> AdapterMisconfigured:
    """The faults of a file with this name and text, in the order of its lines: one on the line itself, more on lines
    of their own."""
    node = yaml.compose(text, yaml.CSafeLoader)
    lines = sorted({(_line(node, one.place), shown(one.place), one.text) for one in faults})
    told = [f"line {line}, {place}: {words}" if place else f"line {line}: {words}" for line, place, words in lines]
    if len(told) == 1:
        return AdapterMisconfigured(f"mapping {name}, {told[0]}")
    return AdapterMisconfigured("\n  ".join([f"mapping {name}: {len(told)} faults", *told]))


def _line(node: yaml.Node | None, place: Steps) -> int:
    """The line of a place, or of the last step towards it that is there."""
    line = 1
    for step in place:
        following = _step(node, step)
        if following is None:
            break
        line, node = following
    return line


def _step(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item.start_mark.line + 1, item
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in node.value:
        if key.value == str(step):
            return key.start_mark.line + 1, value
    merged = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
    parts = [part for one in merged for part in (one.value if isinstance(one, yaml.SequenceNode) else [one])]
    return next((found for part in parts if (found := _step(part, step)) is not None), None)
