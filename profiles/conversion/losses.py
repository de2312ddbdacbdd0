"""What a conversion lost or assumed: entries for machines, in words for people, and as an OperationOutcome."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.rows import Row, read

TABLE = Path(__file__).parent / "data" / "losses.toml"
TURNING = "LB-13"
"""A part that would turn the meaning is no part to lose: the resource stays behind."""
LONGEST = 200
"""Of a value no more than this is told."""

Kind = Literal["lost", "partial", "code-outside", "profile-outside", "unmapped", "assumed", "not-selected"]
"""Gone; gone in part or kept where the zib does not look; a code outside its list, or another rule of the profile that
the source does not meet (the profile is not claimed); not in our tables; added by us;
not in a summary, by its rules of selection."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that a conversion did not keep as it was.

    ``id`` names a row of losses.toml (``LL-06``); only ``lost``, ``partial`` and ``code-outside`` need one.
    ``resource`` is the source (``Condition/1``), ``path`` the element in the source, ``value`` what stood there, cut
    after 200 characters.
    """

    kind: Kind
    id: str
    resource: str
    path: str
    value: str = ""

    @property
    def whole(self) -> bool:
        """Whether the resource was not converted at all."""
        return self.id == TURNING or (self.kind == "unmapped" and "." not in self.path)


class LossText(Row, frozen=True):
    """What a loss is called, for people."""

    nl: str
    en: str


class LossTexts(Row, frozen=True):
    """losses.toml: the losses by id, the other kinds by name, and the heading in a narrative."""

    loss: dict[str, LossText]
    kind: dict[str, LossText]
    heading: LossText


@cache
def texts() -> LossTexts:
    """The words for losses (losses.toml)."""
    return read(TABLE, LossTexts)


def told(value: Any) -> str:
    """A value as text, for a loss: what is text as it is, all else as JSON with its digits."""
    if value is None:
        return ""
    text = jsonio.dump(value).decode() if isinstance(value, dict) else _plain(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(told(one) for one in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, Decimal)) else repr(value)


def sentence(loss: Loss, language: str = "nl") -> str:
    """A loss in words, in Dutch or English."""
    table: Mapping[str, LossText] = texts().loss if loss.id else texts().kind
    words = table[loss.id or loss.kind]
    text = words.en if language == "en" else words.nl
    return f"{loss.resource}, {loss.path}: {text}" + (f" ({loss.value})" if loss.value else "")


def as_outcome(losses: Iterable[Loss], language: str = "nl") -> Resource:
    """The losses as an OperationOutcome: what is gone as warnings, the rest as information; without any, it says so."""
    issues: list[Resource] = [
        {
            "severity": "information" if loss.kind == "assumed" else "warning",
            "code": "informational" if loss.kind == "assumed" else "incomplete",
            "details": {"text": sentence(loss, language)},
            "diagnostics": f"{loss.kind} {loss.id}".strip(),
            "expression": [loss.path],
        }
        for loss in losses
    ]
    clean = "Niets verloren bij de omzetting." if language == "nl" else "Nothing was lost in the conversion."
    return {
        "resourceType": "OperationOutcome",
        "issue": issues or [{"severity": "information", "code": "informational", "details": {"text": clean}}],
    }
