"""Rule: identifiers and codes of known (mostly Dutch) systems have their form; a BSN passes the eleven test."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from profiles.rows import Row, read
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


class SystemRow(Row, frozen=True):
    """``[[system]]`` of systems.toml."""

    id: str
    name: str
    urls: tuple[str, ...]
    kind: Literal["identifier", "code", "both"]
    form: str
    source: str
    severity: Literal["error", "warning"] = "warning"
    eleven: tuple[int, ...] = ()


class SystemRows(Row, frozen=True):
    """systems.toml."""

    system: tuple[SystemRow, ...]


@cache
def systems(kind: str) -> Mapping[str, System]:
    """The known systems for identifiers or for codes, by URL."""
    known = {}
    for row in read(Path(__file__).parents[1] / "systems.toml", SystemRows).system:
        if row.kind in (kind, "both"):
            form = re.compile(row.form).fullmatch
            known.update(dict.fromkeys(row.urls, System(row.id, row.name, form, row.eleven, row.form, row.severity)))
    return known


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
