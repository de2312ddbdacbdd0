"""The kinds of step of a table, each read in reverse. What a step lost is not made up: `first`, `drop` and `one-note`
have no way back."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from profiles.conversion.back.around import BackWork
from profiles.conversion.paths import (
    Node,
    add_extension,
    codings,
    every,
    holders,
    holds,
    listed,
    put,
    split,
    take,
)  # fmt: skip
from profiles.conversion.steps import moved
from profiles.conversion.tables import Call, Codes, Concept, Lift, Move, Note, Set, Step, value_of
from profiles.conversion.work import NICTIZ
from profiles.fhir.basetypes import facts
from profiles.fhir.version import FhirVersion

CODE_SPECIFICATION: Final = NICTIZ + "ext-CodeSpecification"


def undo(work: BackWork, step: Step, special: Mapping[str, Callable[[BackWork], None]]) -> None:
    """Do one step on a resource in reverse."""
    if isinstance(step, Call):
        special[step.name](work)
    elif type(step) in STEPS:
        STEPS[type(step)](work, step)


def as_code(work: BackWork, path: str, system: str, lesser: Mapping[str, str] | None = None) -> list[Node]:
    """A concept becomes the code that it has of a system; its other codings stand beside it. Returns those.

    ``lesser``: codes that STU3 does not have, and the nearest that it has (LB-03).
    """
    rest: list[Node] = []
    for holder, name in list(every(work.resource, path)):
        value, beside = take(holder, name)
        rows = codings(value)
        code = next((str(row["code"]) for row in rows if row.get("system") == system and "code" in row), None)
        rest = [row for row in rows if row.get("system") != system]
        if code in (lesser or {}):
            work.lose("partial", "LB-03", f"{work.kind}.{path}", code)
            code = (lesser or {})[str(code)]
        more = {key: held for key, held in value.items() if key not in ("coding", "text")} if value else {}
        if more:
            work.lose("lost", "LB-01", f"{work.kind}.{path}", more)
        extra = {"coding": rest} if rest else {}
        if isinstance(value, dict) and "text" in value:
            extra["text"] = value["text"]
        if extra:
            beside = beside or {}
            add_extension(beside, CODE_SPECIFICATION, "CodeableConcept", extra)
        put(holder, name, code, beside)
    return rest


def _move(work: BackWork, step: Move) -> None:
    if not step.one_way:
        moved(work, step.to, step.at)


def _concept(work: BackWork, step: Concept) -> None:
    as_code(work, step.at, step.system)


def _codes(work: BackWork, step: Codes) -> None:
    table: dict[str, str] = {}
    for there, here in step.map.items():
        table.setdefault(here, there)
    for holder, name in every(work.resource, step.at):
        if not step.system:
            rows = [table.get(one, one) if isinstance(one, str) else one for one in listed(holder.get(name))]
            if rows:
                holder[name] = rows if isinstance(holder[name], list) else rows[0]
            continue
        for row in [row for concept in listed(holder.get(name)) for row in codings(concept)]:
            if row.get("system") == (step.into or step.system) and row.get("code") in table:
                row["code"], row["system"] = table[row["code"]], step.system
                if step.into:
                    row.pop("display", None)


def _set(work: BackWork, step: Set) -> None:
    way, name = split(step.at)
    if not step.always:
        if (
            not way
            and facts(FhirVersion.STU3).property(work.kind, name) is None
            and work.resource.get(name) == step.value
        ):
            del work.resource[name]
        elif not way and step.was is not None and _same(work.resource.get(name), step.value):
            work.resource[name] = value_of(step.was)
        return
    for holder in list(holders(work.resource, way)):
        given = listed(holder.pop(name, None))
        rest = [one for one in given if not _holds_all(one, step.value)]
        if step.was is not None:
            was = value_of(step.was)
            holder[name] = [*was, *rest] if isinstance(was, list) else was
        if rest and not isinstance(holder.get(name), list):
            work.lose("lost", "LB-01", f"{work.kind}.{step.at}", rest)


def _same(concept: Any, other: Any) -> bool:
    """Whether two concepts have the same codings, whatever the words."""
    rows, others = ([(row.get("system"), row.get("code")) for row in codings(one)] for one in (concept, other))
    return bool(rows) and rows == others


def _holds_all(concept: Any, value: Any) -> bool:
    """Whether a concept has the coding that the step there gives, and no other."""
    return any(_same(concept, one) for one in listed(value))


def _note(work: BackWork, step: Note) -> None:
    rows = [row for row in listed(work.resource.pop("note", None)) if isinstance(row, dict)]
    texts = [str(row["text"]) for row in rows if row.get("text")]
    if texts:
        work.resource[step.at] = "\n\n".join(texts)
    if [beside := row["_text"] for row in rows if "_text" in row and "text" not in row]:
        work.resource[f"_{step.at}"] = beside
    for row in rows:
        rest = {key: value for key, value in row.items() if key not in ("text", "_text")}
        if rest:
            work.lose("partial", "LB-06", f"{work.kind}.note", rest)


def _lift(work: BackWork, step: Lift) -> None:
    way, name = split(step.to)
    for holder in list(holders(work.resource, way)):
        rows = [row for row in listed(holder.get(name)) if isinstance(row, dict)]
        gone = [row for row in rows if not step.system or _of(row, step.system)]
        if not gone:
            continue
        rest = [row for row in rows if row not in gone]
        holder.pop(name)
        if rest:
            holder[name] = rest
        for row in gone:
            add_extension(work.resource, step.url, "CodeableConcept", row, modifier=step.modifier)


def _of(concept: Node, system: str) -> bool:
    return any(holds(concept, system, str(row.get("code"))) for row in codings(concept))


STEPS: Final[Mapping[Any, Callable[[BackWork, Any], None]]] = {
    Move: _move,
    Concept: _concept,
    Codes: _codes,
    Set: _set,
    Note: _note,
    Lift: _lift,
}
