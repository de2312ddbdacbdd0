"""Updates as HL7 v2 means them: a field that is not sent leaves what is known, and null (``""``) deletes it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.intake.hl7v2.row import SegmentRow
from profiles.fhir.tree import Resource

_STRICT = ConfigDict(extra="forbid", frozen=True)
OURS = frozenset({"resourceType", "id", "meta"})


class KeepRule(BaseModel):
    """What an element of the resource is fed by: it is replaced when one of the fields was sent, and else kept.

    ``element`` may be of an element (``period.end``). ``only`` and ``but`` choose among the items of a list by their
    values; ``fresh`` names messages after which nothing is kept; ``otherwise`` is the value when there is none at all.
    """

    model_config = _STRICT
    element: str = Field(pattern=r"^[a-z][A-Za-z]*(\.[a-z][A-Za-z]*)?$")
    fields: tuple[str, ...] = ()
    only: dict[str, str] = Field(default_factory=dict)
    but: dict[str, str] = Field(default_factory=dict)
    fresh: tuple[str, ...] = ()
    otherwise: str | None = None

    def sent(self, row: SegmentRow) -> bool:
        """Whether the message says something about it."""
        if row.message.kind in self.fresh:
            return True
        return any(row.sent(name, int(number)) for name, number in (one.split("_") for one in self.fields))

    def holds(self, item: Any) -> bool:
        """Whether an item of a list is one that this rule is about."""
        if not isinstance(item, dict):
            return not self.only
        return all(item.get(name) == value for name, value in self.only.items()) and not (
            self.but and all(item.get(name) == value for name, value in self.but.items())
        )


def kept(rules: Sequence[KeepRule], row: SegmentRow, made: Resource, stored: Resource | None) -> Resource:
    """The resource that a message makes, with what it says nothing about taken from what is stored."""
    known = stored or {}
    result = {**made}
    for rule in rules:
        name, _, inner = rule.element.partition(".")
        if inner:
            result[name] = _with(result.get(name), known.get(name), rule, row, inner)
        else:
            result.update(_with(result, known, rule, row, name))
    ruled = {rule.element.partition(".")[0] for rule in rules}
    for name, value in known.items():
        if name.lstrip("_") not in ruled | OURS and name not in result:
            result[name] = value
    _one_choice(result, row)
    return {name: value for name, value in result.items() if value not in (None, [], {})}


def _with(made: Any, known: Any, rule: KeepRule, row: SegmentRow, name: str) -> Resource:
    """The object with one element settled, and the extensions beside it."""
    result: Resource = dict(made or {})
    old: Mapping[str, Any] = known if isinstance(known, dict) else {}
    if rule.only or rule.but:
        new = [item for item in result.get(name, ()) if rule.holds(item)]
        others = [item for item in result.get(name, ()) if not rule.holds(item)]
        if not rule.sent(row):
            new = new or [item for item in old.get(name, ()) if rule.holds(item)]
        result[name] = [*others, *new]
        return result
    if name not in result and not rule.sent(row):
        for one in (name, f"_{name}"):
            if one in old:
                result[one] = old[one]
    if name not in result and rule.otherwise is not None:
        result[name] = rule.otherwise
    return result


def _one_choice(result: Resource, row: SegmentRow) -> None:
    """Of deceased[x] one may stay: the day, unless it was just said that the person lives."""
    if "deceasedDateTime" not in result or "deceasedBoolean" not in result:
        return
    lives = result["deceasedBoolean"] is False and row.sent("PID", 30)
    del result["deceasedDateTime" if lives else "deceasedBoolean"]
