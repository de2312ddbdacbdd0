"""Repair rules: small changes to what the EHR says, as data, each with a note.

A rule has a name, a text for the trace, and one deed: ``replace`` (one value of a named property by another, anywhere),
``add`` (an element where it is absent and a condition holds), ``display`` (fill the display of a reference from its
target) or ``claim`` (put the expected profile into ``meta.profile``). A rule that changes codes says with
``withholds`` which search parameters can then no longer be left to the EHR.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from profiles.fhir.tree import Resource
from profiles.record.neighbours import ONE_PERSON, Neighbours
from profiles.record.walk import nodes, values
from profiles.record.whose import is_shared

HERE = Path(__file__).parent / "repairs"

_STRICT = ConfigDict(extra="forbid", frozen=True)


class RulesError(ValueError):
    """A file of rules that cannot be read, or a set that is not there; the text says which and why."""


@dataclass(frozen=True, slots=True)
class RepairNote:
    """One change that was made to what the source said.

    ``resource`` is ``Type/id``, ``rule`` the name of the repair rule, ``expression`` the place (FHIRPath),
    ``text`` says what was done in a few words ("code system URL corrected"). ``before`` and ``after`` are for the
    repair log, not for log lines: they may hold patient data.
    """

    resource: str
    rule: str
    expression: str
    text: str
    before: Any = field(default=None, repr=False)
    after: Any = field(default=None, repr=False)


class Replace(BaseModel):
    """Replace values of the property ``key``, wherever it stands."""

    model_config = _STRICT
    key: str
    values: dict[str, str]


class Add(BaseModel):
    """Put ``value`` at the top-level element ``at`` when it has none; appended to a list unless it is in it."""

    model_config = _STRICT
    at: str
    value: Any
    when: dict[str, str] = {}
    """Conditions: a path of element names, and the value that must be found there."""


class RepairRule(BaseModel):
    """One repair rule; exactly one deed."""

    model_config = _STRICT
    rule: str
    text: str
    types: tuple[str, ...] = ()
    withholds: frozenset[str] = frozenset()
    replace: Replace | None = None
    add: Add | None = None
    display: dict[str, str] | None = None
    claim: bool = False

    @model_validator(mode="after")
    def _one_deed(self) -> "RepairRule":
        if sum((self.replace is not None, self.add is not None, self.display is not None, self.claim)) != 1:
            raise ValueError("a rule has one of replace, add, display and claim")
        return self

    def covers(self, resource: Resource) -> bool:
        """Whether the rule is meant for a resource of this type."""
        return not self.types or resource.get("resourceType") in self.types


@dataclass(frozen=True, slots=True)
class Repairs:
    """The rules in force, in order."""

    rules: Sequence[RepairRule]

    @property
    def withheld(self) -> frozenset[str]:
        """The search parameters that the EHR cannot answer rightly, because it has the values from before repair."""
        return frozenset().union(*(rule.withholds for rule in self.rules))

    def apply(self, resources: Sequence[Resource], asked: "Asked") -> list[RepairNote]:
        """Change resources of one person (and shared ones) in place; returns a note for every change."""
        notes: list[RepairNote] = []
        held = {
            (str(one.get("resourceType")), str(one.get("id"))): ("" if is_shared(one) else ONE_PERSON, one)
            for one in resources
        }
        for rule in self.rules:
            for resource in resources:
                if not rule.covers(resource):
                    continue
                if rule.replace is not None:
                    notes.extend(_replace(rule, rule.replace, resource))
                elif rule.add is not None:
                    notes.extend(_add(rule, rule.add, resource))
                elif rule.display is not None:
                    whose = "" if is_shared(resource) else ONE_PERSON
                    notes.extend(_display(rule, rule.display, resource, Neighbours(whose, held.get)))
                else:
                    notes.extend(_claim(rule, resource, asked))
        return notes


@dataclass(frozen=True, slots=True)
class Asked:
    """What the resources are the answer to: the type, the profiles that are expected per type, and whether a resource
    of that type answers it. The rule that claims profiles looks at it, no other does."""

    type: str = ""
    profiles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    matches: Callable[[Resource], bool] = lambda _resource: True


def _note(rule: RepairRule, resource: Resource, expression: str, before: Any, after: Any) -> RepairNote:
    name = f"{resource.get('resourceType')}/{resource.get('id')}"
    return RepairNote(name, rule.rule, expression, rule.text, before, after)


def _replace(rule: RepairRule, deed: Replace, resource: Resource) -> Iterator[RepairNote]:
    for place, node in nodes(resource):
        before = node.get(deed.key)
        after = deed.values.get(before) if isinstance(before, str) else None
        if after is not None:
            node[deed.key] = after
            yield _note(rule, resource, f"{place}.{deed.key}", before, after)


def _add(rule: RepairRule, deed: Add, resource: Resource) -> Iterator[RepairNote]:
    if not all(value in list(values(resource, path)) for path, value in deed.when.items()):
        return
    held = resource.get(deed.at)
    if held is None:
        resource[deed.at] = deed.value
    elif isinstance(held, list) and isinstance(deed.value, list):
        missing = [item for item in deed.value if item not in held]
        if not missing:
            return
        resource[deed.at] = [*held, *missing]
    else:
        return
    yield _note(rule, resource, f"{resource.get('resourceType')}.{deed.at}", held, resource[deed.at])


def _display(
    rule: RepairRule, deed: dict[str, str], resource: Resource, neighbours: Neighbours
) -> Iterator[RepairNote]:
    for place, node in nodes(resource):
        literal = node.get("reference")
        if not isinstance(literal, str) or node.get("display") is not None:
            continue
        target = neighbours.find(literal)
        wanted = deed.get(str(target.get("resourceType"))) if target else None
        text = _label(target.get(wanted)) if target and wanted else None
        if text:
            node["display"] = text
            yield _note(rule, resource, f"{place}.display", None, text)


def _claim(rule: RepairRule, resource: Resource, asked: Asked) -> Iterator[RepairNote]:
    expected = asked.profiles.get(str(resource.get("resourceType")), ())
    held = resource.get("meta") if isinstance(resource.get("meta"), dict) else None
    claimed = held.get("profile") if held is not None else None
    before = list(claimed) if isinstance(claimed, list) else []
    plain = {str(item).split("|", 1)[0] for item in before}
    if not expected or plain.intersection(expected):
        return
    if resource.get("resourceType") == asked.type and not asked.matches(resource):
        return
    resource["meta"] = {**(held or {}), "profile": [*before, expected[0]]}
    yield _note(rule, resource, f"{resource.get('resourceType')}.meta.profile", before, [*before, expected[0]])


def _label(value: Any) -> str | None:
    """What a person would call it: a plain name, a HumanName, or the text of a CodeableConcept."""
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, dict) and item.get("use") == "official"), value[:1])
        value = value[0] if isinstance(value, list) and value else value
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("text"), str):
        return str(value["text"])
    coding = value.get("coding")
    if isinstance(coding, list):
        return next((c["display"] for c in coding if isinstance(c, dict) and isinstance(c.get("display"), str)), None)
    parts = [*_strings(value.get("prefix")), *_strings(value.get("given")), *_strings(value.get("family"))]
    return " ".join(parts) or None


def _strings(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


_RULES = TypeAdapter(tuple[RepairRule, ...])


@cache
def _read(path: Path) -> tuple[RepairRule, ...]:
    try:
        return _RULES.validate_python(yaml.safe_load(path.read_text("utf-8")) or ())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RulesError(f"repair rules {path.name}: {place}: {first['msg']}") from None
    except (OSError, yaml.YAMLError) as error:
        raise RulesError(f"repair rules {path.name} cannot be read") from error


def load_repairs(names: Sequence[str], own: Path | None = None) -> Repairs:
    """The rule sets of these names, the EHR's own rules first. Raises `RulesError`."""
    known = {path.stem: path for path in HERE.glob("*.yaml")}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise RulesError(f"unknown repair rules {unknown[0]!r}; known are {', '.join(sorted(known))}")
    files = ([own] if own else []) + [known[name] for name in names]
    return Repairs(tuple(rule for path in files for rule in _read(path)))
