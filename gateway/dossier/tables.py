"""From collected resources to what a page shows: the table ``zibs.toml`` says which elements, under which label."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup

from gateway.dossier.moments import when
from gateway.dossier.paths import values
from gateway.dossier.plots import range_plot
from gateway.dossier.readings import readings
from gateway.dossier.speech import in_dutch, label, said
from gateway.dossier.words import UNKNOWN, number, text_of, unit_of
from profiles.fhir.tree import Resource
from profiles.fhirpath.quantities import quantity_of, side_by_side
from profiles.rows import Row, read, typed

TABLE = Path(__file__).parent / "zibs.toml"


class ShownColumn(Row, frozen=True):
    """One element of a resource, under a label in Dutch."""

    label: str
    path: str


class RowShape(Row, frozen=True):
    """How the resources of one profile are shown."""

    title: str
    columns: tuple[ShownColumn, ...]
    layout: Literal["table", "card"] = "table"
    title_label: str = "Omschrijving"
    document: str = ""
    over: str = ""
    """A second value of the title, for what is said as one over the other."""
    alone: tuple[str, ...] = ()
    """What each of the two is called when the other is not there."""


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """What checking a resource gave: ok, partly (nothing wrong found, not everything could be checked) or wrong."""

    kind: str
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One resource: its title, its cells in the order of the columns (each a list of lines), and its verdict."""

    title: str
    cells: tuple[tuple[str, ...], ...]
    verdict: RowVerdict
    document: str
    plot: Markup | None = None
    """Where a result stands against what is normal, when the result says what that is."""
    origins: tuple[str, ...] = ()
    """The sources that tell the same, when it is more than one."""


@dataclass(frozen=True, slots=True)
class Table:
    """The resources of one shape. Columns that nothing fills are left out."""

    shape: RowShape
    columns: tuple[str, ...]
    rows: tuple[ShownRow, ...]


Check = Callable[[Resource], RowVerdict]
Origins = Callable[[Resource], tuple[str, ...]]
"""The sources that tell the same as a resource, when it is more than one."""


def _alone(_resource: Resource) -> tuple[str, ...]:
    return ()


@lru_cache(maxsize=1)
def _config() -> tuple[Mapping[str, RowShape], Mapping[str, str]]:
    content = read(TABLE, dict[str, dict[str, Any]])
    words = typed(f"{TABLE}: words", content.pop("words"), dict[str, str])
    return {name: typed(f"{TABLE}: {name}", given, RowShape) for name, given in content.items()}, words


def shape_of(resource: Resource) -> RowShape:
    """How to show a resource: the last profile it claims that we know, else its type, else the least."""
    shapes, _ = _config()
    claimed = [str(url).rsplit("/", 1)[-1] for url in resource.get("meta", {}).get("profile", [])]
    for name in [*reversed(claimed), resource.get("resourceType", "")]:
        if name in shapes:
            return shapes[name]
    return shapes["Resource"]


def tables(resources: Iterable[Resource], check: Check, origins: Origins = _alone) -> list[Table]:
    """One table per shape, in the order in which the shapes first occur."""
    by_shape: dict[RowShape, list[Resource]] = {}
    for resource in resources:
        by_shape.setdefault(shape_of(resource), []).append(resource)
    return [_table(shape, found, check, origins) for shape, found in by_shape.items()]


def _table(shape: RowShape, resources: Sequence[Resource], check: Check, origins: Origins) -> Table:
    cells = [[lines(resource, column.path) for column in shape.columns] for resource in resources]
    filled = [place for place in range(len(shape.columns)) if any(row[place] for row in cells)]
    rows = tuple(
        ShownRow(
            _title(resource, shape) or label(UNKNOWN),
            tuple(row[place] for place in filled),
            check(resource),
            str(next(iter(values(resource, shape.document)), "")) if shape.document else "",
            _plot(resource),
            origins(resource),
        )
        for resource, row in zip(resources, cells, strict=True)
    )
    return Table(shape, tuple(label(shape.columns[place].label) for place in filled), rows)


def _title(resource: Resource, shape: RowShape) -> str:
    """What a row is called; a pair of values as one over the other: 138 over 83 mmHg."""
    if not shape.over:
        return ", ".join(lines(resource, shape.title))
    found = [values(resource, path) for path in (shape.title, shape.over)]
    if all(len(one) == 1 and isinstance(one[0], dict) and "value" in one[0] for one in found):
        upper, lower = found[0][0], found[1][0]
        if unit_of(upper) == unit_of(lower) and not {"comparator"} & (upper.keys() | lower.keys()):
            return said("one_over_other", upper=number(upper), lower=text_of(lower, {}))
    pair = zip(shape.alone, (lines(resource, path) for path in (shape.title, shape.over)), strict=True)
    return ", ".join(f"{label(name)} {', '.join(told)}" for name, told in pair if told)


def once(resources: Sequence[Resource]) -> list[Resource]:
    """Without a measurement that only says again, in another unit, what one of the same moment said: 72 kg and 72000 g.

    Anything that differs in more than the unit stays.
    """
    kept: list[Resource] = []
    said: dict[tuple[str, str], list[Resource]] = {}
    for resource in resources:
        key = (str(resource.get("code")), when(resource))
        if not any(_same_in_another_unit(resource, one) for one in said.get(key, ())):
            kept.append(resource)
            said.setdefault(key, []).append(resource)
    return kept


def _same_in_another_unit(one: Resource, other: Resource) -> bool:
    left, right = one.get("valueQuantity"), other.get("valueQuantity")
    if not isinstance(left, dict) or not isinstance(right, dict) or left.get("code") == right.get("code"):
        return False
    if left.get("comparator") != right.get("comparator"):
        return False
    first, second = quantity_of(left), quantity_of(right)
    pair = side_by_side(first, second) if first and second else None
    return pair is not None and pair[0] == pair[1]


def _plot(resource: Resource) -> Markup | None:
    found = [one for one in readings(resource) if one.normal is not None]
    if len(found) != 1 or not found[0].exact or found[0].normal is None:
        return None
    return range_plot(found[0].number, found[0].normal, found[0].what)


def lines(resource: Resource, path: str) -> tuple[str, ...]:
    """What a path points at, in words, each text once."""
    _, words = _config()
    if not in_dutch():
        words = {code: label(code, "codes") for code in words}
    return tuple(dict.fromkeys(text_of(value, words) for value in values(resource, path)))
