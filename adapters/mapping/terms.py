"""Terminology maps: from the source's own codes to codes of a code system."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

_STRICT = ConfigDict(extra="forbid", frozen=True)


class Term(BaseModel):
    """A code of a code system. ``system`` is that of the map when left out."""

    model_config = _STRICT
    code: str
    display: str | None = None
    system: str | None = None

    @field_validator("code", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class TermMap(BaseModel):
    """``map`` from a value of the source to a code, written short (a code) or long (code, display, system).

    ``otherwise`` says what a value outside the map becomes: ``fail`` (the record is left out, with a gap that says
    how many), ``text`` (a concept with only the text), ``omit`` (no element), or a term.
    """

    model_config = _STRICT
    system: str | None = None
    map: dict[str, Term]
    otherwise: Literal["fail", "text", "omit"] | Term = Field(default="fail", union_mode="left_to_right")

    @field_validator("map", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {str(key): {"code": item} if isinstance(item, str | int) else item for key, item in value.items()}

    @field_validator("otherwise", mode="before")
    @classmethod
    def _short_term(cls, value: Any) -> Any:
        return {"code": value} if isinstance(value, str) and value not in ("fail", "text", "omit") else value

    def coding(self, key: str) -> dict[str, Any] | None:
        """The Coding for a value of the source; None where it is left out. Raises `UnknownTermError`."""
        term = self.map.get(key)
        if term is None:
            if self.otherwise == "fail":
                raise UnknownTermError("a value that is not in the terminology map")
            if not isinstance(self.otherwise, Term):
                return None
            term = self.otherwise
        system = term.system or self.system
        coding = {"system": system, "code": term.code, "display": term.display}
        return {name: value for name, value in coding.items() if value is not None}

    @property
    def keeps_text(self) -> bool:
        """Whether a concept keeps the source's text for a value outside the map."""
        return self.otherwise == "text"


class UnknownTermError(ValueError):
    """A value that a terminology map does not have; it is not in the message."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terminology maps and the short names of code systems of one mapping."""

    maps: Mapping[str, TermMap]
    systems: Mapping[str, str]
