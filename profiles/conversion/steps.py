"""The kinds of step that a table can name, each done once."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from profiles.conversion.datatypes import CODE_SPECIFICATION
from profiles.conversion.paths import (
    Node,
    codings,
    every,
    extension_value,
    holders,
    listed,
    put,
    split,
    take,
    take_extensions,
)  # fmt: skip
from profiles.conversion.tables import (
    Call,
    Codes,
    Concept,
    Drop,
    First,
    Lift,
    Move,
    Note,
    OneNote,
    Set,
    Step,
    value_of,
)  # fmt: skip
from profiles.conversion.work import Work


def run(work: Work, step: Step, special: Mapping[str, Callable[[Work], None]]) -> None:
    """Do one step on a resource."""
    if isinstance(step, Call):
        special[step.name](work)
    else:
        STEPS[type(step)](work, step)


def _move(work: Work, step: Move) -> None:
    moved(work, step.at, step.to, step.loss)


def moved(work: Work, at: str, to: str, loss: str = "") -> None:
    """Give an element another name or place; a ``loss`` is told of each."""
    here, there = at.split("."), to.split(".")
    shared = 0
    while shared < min(len(here), len(there)) - 1 and here[shared] == there[shared]:
        shared += 1
    for top in list(holders(work.resource, here[:shared])):
        for holder, name in list(every(top, ".".join(here[shared:]))):
            value, beside = take(holder, name)
            if loss:
                work.lose("partial", loss, f"{work.kind}.{at}", value)
            target = top
            for way in there[shared:-1]:
                target = target.setdefault(way, {})
            put(target, there[-1], value, beside)
        _tidy(top, here[shared:-1])


def _tidy(top: Node, way: list[str]) -> None:
    """Take away the holders that a move left empty."""
    for depth in range(len(way), 0, -1):
        for holder in holders(top, way[: depth - 1]):
            value = holder.get(way[depth - 1])
            if isinstance(value, list):
                holder[way[depth - 1]] = value = [one for one in value if one != {}]
            if value in ({}, []):
                del holder[way[depth - 1]]


def _concept(work: Work, step: Concept) -> None:
    for holder, name in list(every(work.resource, step.at)):
        value, beside = take(holder, name)
        if isinstance(value, (dict, list)):
            put(holder, name, value, beside)
            continue
        rows = [{"system": step.system, "code": value}] if value else []
        concept: Node = {"coding": rows} if rows else {}
        for row in take_extensions(beside or {}, CODE_SPECIFICATION):
            given = extension_value(row)
            concept["coding"] = [*concept.get("coding", []), *codings(given)]
            if isinstance(given, dict) and given.get("text"):
                concept["text"] = given["text"]
        if beside and beside.get("extension"):
            concept["extension"] = beside["extension"]
        put(holder, name, concept)


def _codes(work: Work, step: Codes) -> None:
    for holder, name in every(work.resource, step.at):
        if not step.system:
            rows = [step.map.get(one, one) if isinstance(one, str) else one for one in listed(holder.get(name))]
            holder[name] = rows if isinstance(holder.get(name), list) else rows[0] if rows else None
            if holder[name] is None:
                del holder[name]
            continue
        for concept in listed(holder.get(name)):
            for row in codings(concept):
                if row.get("system") == step.system and row.get("code") in step.map:
                    row["code"] = step.map[row["code"]]
                    row["system"] = step.into or step.system


def _set(work: Work, step: Set) -> None:
    way, name = split(step.at)
    for holder in list(holders(work.resource, way)):
        if step.always or (name not in holder and f"_{name}" not in holder):
            holder[name] = value_of(step.value)
            if step.note:
                work.assume(f"{work.kind}.{step.at}", step.value)


def _drop(work: Work, step: Drop) -> None:
    if step.url:
        for holder in holders(work.resource, step.at.split(".") if step.at else []):
            for row in take_extensions(holder, step.url):
                work.lose(step.kind, step.loss, f"{work.kind}.{step.at}".rstrip("."), extension_value(row))  # type: ignore[arg-type]
        return
    for holder, name in list(every(work.resource, step.at)):
        value, _ = take(holder, name)
        work.lose(step.kind, step.loss, f"{work.kind}.{step.at}", value)  # type: ignore[arg-type]


def _first(work: Work, step: First) -> None:
    for holder, name in every(work.resource, step.at):
        rows = listed(holder.get(name))
        if len(rows) > 1:
            work.lose("partial", step.loss, f"{work.kind}.{step.at}", rows[1:])
        if rows:
            holder[name] = [rows[0]] if isinstance(holder[name], list) else rows[0]
        beside = holder.get(f"_{name}")
        if isinstance(beside, list):
            holder[f"_{name}"] = beside[:1]


def _note(work: Work, step: Note) -> None:
    value, beside = take(work.resource, step.at)
    if value is not None or beside is not None:
        row = {key: one for key, one in (("text", value), ("_text", beside)) if one is not None}
        work.resource["note"] = [*listed(work.resource.get("note")), row]


def _one_note(work: Work, step: OneNote) -> None:
    rows = [row for row in listed(work.resource.get("note")) if isinstance(row, dict)]
    if len(rows) > 1:
        said = [f"{_by(row)}{row.get('text', '')}" for row in rows]
        work.resource["note"] = [{"text": "\n\n".join(said)}]


def _by(row: Node) -> str:
    author = row.get("authorString") or (row.get("authorReference") or {}).get("display")
    words = ", ".join(str(one) for one in (author, row.get("time")) if one)
    return f"[{words}] " if words else ""


def _lift(work: Work, step: Lift) -> None:
    way = step.at.split(".") if step.at else []
    for holder in list(holders(work.resource, way)):
        for row in take_extensions(holder, step.url, modifier=step.modifier):
            value = extension_value(row)
            target = holder
            *names, last = step.to.split(".")
            for name in names:
                target = target.setdefault(name, {})
            put(target, last, value)


STEPS: Final[Mapping[Any, Callable[[Work, Any], None]]] = {
    Move: _move,
    Concept: _concept,
    Codes: _codes,
    Set: _set,
    Drop: _drop,
    First: _first,
    Note: _note,
    OneNote: _one_note,
    Lift: _lift,
}
