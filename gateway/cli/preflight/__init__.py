"""What `gateway doctor` looks at (SC-H1). Each module looks at one kind of thing and yields a line for each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from gateway.settings import Settings

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class PreflightLine:
    """One line of the preflight: what was looked at, how it is, and what to do."""

    what: str
    level: Level
    text: str


Check = Callable[[Settings], Iterator[PreflightLine]]
"""Looks at one kind of thing, by the settings that a start would use."""


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 service, 2 services."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def guarded(name: str, check: Check, settings: Settings) -> Iterator[PreflightLine]:
    """The lines of a check. One that fails is a line itself, so that what comes after it is looked at too."""
    try:
        yield from check(settings)
    except Exception as fault:
        yield PreflightLine(name, "error", f"cannot be looked at: {type(fault).__name__}: {fault}")
