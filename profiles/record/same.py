"""The same fact from two sources: found by rules in ``same.toml``, told as one with both origins, never merged.

Only what different sources say of one person is compared; what one source says twice is its own matter. A resource
is never changed, and whoever cannot be told to be the same person is another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from profiles.fhir.tree import Resource
from profiles.rows import Row, read

TABLE = Path(__file__).with_name("same.toml")


class SameRule(Row, frozen=True):
    """``[[rule]]`` of same.toml: when two resources of a type tell the same fact."""

    id: str
    type: str
    about: str
    named: str
    told: tuple[str, ...]
    aside: frozenset[str]


class AlwaysRow(Row, frozen=True):
    """``[always]``: elements that no rule compares."""

    aside: frozenset[str]


class SameRows(Row, frozen=True):
    """same.toml."""

    always: AlwaysRow
    rule: tuple[SameRule, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """A resource, who said it, and whose it is: a token that only one person has. Empty: that is not known."""

    resource: Resource
    origin: str
    person: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact: what tells it, the first that came in front, and the rule by which more than one tell the same."""

    tellers: tuple[Told, ...]
    rule: str = ""

    @property
    def origins(self) -> tuple[str, ...]:
        """Who says it, each once."""
        return tuple(dict.fromkeys(one.origin for one in self.tellers))


@lru_cache(maxsize=1)
def same_rules() -> Mapping[str, SameRule]:
    """The rules, by type. Raises RowError when the table has not the shape of its rows."""
    table = read(TABLE, SameRows)
    return {row.type: replace(row, aside=row.aside | table.always.aside) for row in table.rule}


def facts_of(told: Iterable[Told]) -> list[Fact]:
    """The facts, in the order in which they were first told."""
    facts: list[list[Told]] = []
    near: dict[tuple[Any, ...], list[list[Told]]] = {}
    for each in told:
        place = _place(each)
        alike = near.setdefault(place, []) if place else []
        found = next((fact for fact in alike if all(_same(each, other) for other in fact)), None)
        if found is not None:
            found.append(each)
            continue
        facts.append([each])
        alike.append(facts[-1])
    return [Fact(tuple(fact), same_rules()[_type(fact[0])].id if len(fact) > 1 else "") for fact in facts]


def _type(one: Told) -> str:
    return str(one.resource.get("resourceType"))


def _place(statement: Told) -> tuple[Any, ...]:
    """What resources that could be the same have in common; empty: nothing can be the same as this one."""
    rule = same_rules().get(_type(statement))
    if rule is None or not statement.person or not statement.origin or not _codings(statement.resource.get(rule.named)):
        return ()
    values = [_told(statement.resource, name) for name in rule.told]
    if any(value is None for value in values) or statement.resource.get("status") == "entered-in-error":
        return ()
    return (rule.type, statement.person, *map(repr, values))


def _same(statement: Told, other: Told) -> bool:
    if statement.origin == other.origin or statement.person != other.person:
        return False
    rule = same_rules()[_type(statement)]
    if not _codings(statement.resource[rule.named]) & _codings(other.resource.get(rule.named)):
        return False
    passed = rule.aside | {rule.about, rule.named}
    return _rest(statement.resource, passed) == _rest(other.resource, passed)


def _rest(resource: Resource, passed: frozenset[str]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in resource.items() if name.lstrip("_") not in passed}


def _told(resource: Resource, name: str) -> Any:
    """An element that must be there, a choice by its stem (``value``), or one of two names (``a|b``)."""
    for stem in name.split("|"):
        for key, value in resource.items():
            if key == stem or (key.startswith(stem) and key[len(stem) : len(stem) + 1].isupper()):
                return key, _plain(value)
    return None


def _codings(concept: Any) -> frozenset[tuple[str, str]]:
    found = concept.get("coding") if isinstance(concept, dict) else None
    pairs = [(one.get("system"), one.get("code")) for one in found or () if isinstance(one, dict)]
    return frozenset((str(system), str(code)) for system, code in pairs if system and code)


def _plain(value: Any) -> Any:
    """A value for comparing: what only helps a reader (display, text beside a code, the words of a unit) left out."""
    if isinstance(value, Mapping):
        codings = _codings(value)
        if codings:
            rest = {name: item for name, item in value.items() if name not in ("coding", "text")}
            return ("concept", tuple(sorted(codings)), _plain(rest) if rest else ())
        passed = {"display"} | ({"unit"} if value.get("code") and value.get("system") else set())
        return tuple(sorted((name, _plain(item)) for name, item in value.items() if name not in passed))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(map(_plain, value))
    if isinstance(value, str) and "T" in value:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return ("moment", moment.timestamp()) if moment.tzinfo else value
    return str(value) if not isinstance(value, str) else value
