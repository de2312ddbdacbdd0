"""Where each value of a resource comes from: of a section as it is written, and of a row as it was worked out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from adapters.mapping import formula
from adapters.mapping.compiled import CompiledSection
from adapters.mapping.formula import Row


@dataclass(frozen=True, slots=True)
class ElementOrigin:
    """An element of a template: its path, what stands there, the columns that it reads, the zib elements it fills."""

    path: str
    written: str
    columns: tuple[str, ...] = ()
    zib: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ValueOrigin:
    """A formula that was worked out for a row: its place, the columns with what they held, what it gave.

    Holds data of a patient; neither repr nor str shows them.
    """

    place: str
    formula: str
    columns: dict[str, Any] = field(repr=False)
    value: Any = field(repr=False)


class OriginTrace:
    """Remembers what was worked out: a `adapters.mapping.template.Watch`. For one thread."""

    def __init__(self) -> None:
        self._held: list[ValueOrigin] = []

    def __call__(self, place: str, source: str, row: Row, value: Any) -> None:
        """Remember a formula that gave a value."""
        read = dict.fromkeys(formula.columns(formula.parse(source)))
        self._held.append(ValueOrigin(place, source, {name: row.get(name) for name in read}, value))

    def taken(self) -> tuple[ValueOrigin, ...]:
        """What was worked out since the last time."""
        held, self._held = self._held, []
        return tuple(held)


def explained(section: CompiledSection) -> Iterator[ElementOrigin]:
    """The elements of a section in the order in which they are written."""
    zibs = section.zib.elements if section.zib else {}
    for path, written in _leaves(section.template, ()):
        plain = ".".join(step for step in path if not step.startswith(("$", "[")))
        shown = ".".join(path).replace(".[", "[")
        read = tuple(dict.fromkeys(formula.columns(formula.parse(written[1:])))) if written[:1] == "=" else ()
        filled = tuple(name for name, target in zibs.items() if f"{plain}.".startswith(f"{target}."))
        yield ElementOrigin(shown, written, read, filled)


def _leaves(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(node, dict):
        for name, item in node.items():
            yield from _leaves(item, (*path, str(name)))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _leaves(item, (*path, f"[{index}]"))
    else:
        yield path, str(node)
