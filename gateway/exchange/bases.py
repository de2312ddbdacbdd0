"""On what an exchange may rest, as a table; what is no row there, or not for the flow, is no base."""

from functools import cache
from pathlib import Path

from profiles.rows import Row, read


class Base(Row, frozen=True):
    """One row of bases.toml."""

    id: str
    nl: str
    en: str
    flows: tuple[str, ...]
    days: int
    evidence: bool
    asks: str = ""


class _Bases(Row, frozen=True):
    base: tuple[Base, ...]


class NoBase(ValueError):
    """An exchange without a base that counts; the text says why, for staff."""


@cache
def bases() -> tuple[Base, ...]:
    """All rows."""
    return read(Path(__file__).with_name("bases.toml"), _Bases).base


def base_of(id_: str, flow: str, evidence: str) -> Base:
    """The base of an exchange. Raises NoBase when it does not count for the flow, or lacks its evidence."""
    row = next((row for row in bases() if row.id == id_), None)
    if row is None:
        known = ", ".join(row.id for row in bases())
        raise NoBase(f"unknown legal base; known are {known}")
    if flow not in row.flows:
        raise NoBase(f"{row.id} is no base for {flow}")
    if row.evidence and not evidence.strip():
        raise NoBase(f"{row.id} needs evidence: how is it known")
    return row
