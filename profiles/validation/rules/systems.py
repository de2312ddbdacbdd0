"""Rule: identifiers and codes of known (mostly Dutch) systems have their form; a BSN passes the eleven test."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

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

    def accepts(self, value: str) -> bool:
        """Whether a value has the form of the system and passes its check digits."""
        if self.matches(value) is None:
            return False
        if not self.weights:
            return True
        total = sum(int(digit) * weight for digit, weight in zip(value, self.weights, strict=True))
        return total % 11 == 0 and any(digit != "0" for digit in value)


@cache
def systems(kind: str) -> Mapping[str, System]:
    """The known systems for identifiers or for codes, by URL."""
    text = (Path(__file__).parents[1] / "systems.toml").read_text(encoding="utf-8")
    found = {}
    for row in tomllib.loads(text)["system"]:
        if row["kind"] in (kind, "both"):
            one = System(
                row["id"],
                row["name"],
                re.compile(row["form"]).fullmatch,
                tuple(row.get("eleven", ())),
                row["form"],
                row.get("severity", "warning"),
            )
            found.update(dict.fromkeys(row["urls"], one))
    return found


def system_check(node: Node, kind: str) -> Check:
    """A check for Identifier (kind ``identifier``) or Coding (kind ``code``)."""
    known = systems(kind)
    key = "value" if kind == "identifier" else "code"

    def check(value: Any, context: Any) -> Hits | None:
        system = known.get(value.get("system")) if type(value.get("system")) is str else None
        if system is None:
            return None
        text = value.get(key)
        if type(text) is not str or system.accepts(text):
            return None
        shown = "" if system.id == "bsn" else text[:80]
        message = "system.bsn" if system.id == "bsn" else f"system.{kind}"
        particulars = {"system": system.name, "value": shown, "allowed": system.form}
        hit = Hit(message, node, particulars, system.severity)
        hit.path.append(Segment(key, key))
        return [hit]

    return check
