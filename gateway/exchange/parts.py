"""The parts of a BgZ that a referral may hold, as a table, and the searches that they come down to."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import quote

from profiles.rows import Row, read
from profiles.standards.model import RequestRule, Standard

DATA_SETS = ("bgz-msz-2", "bgz-msz-1.2.2")
"""The versions of the BgZ between institutions; the first is what a referral holds when nobody says otherwise."""
LETTERS_CODE = "http://loinc.org|77599-9"
LETTERS_SEARCH = "DocumentReference?status=current"


class BgzPart(Row, frozen=True):
    """One row of parts.toml."""

    id: str
    nl: str
    codes: tuple[str, ...]
    rows: tuple[str, ...]
    off: bool = False


class _Parts(Row, frozen=True):
    part: tuple[BgzPart, ...]


class UnknownPart(ValueError):
    """A part that a referral cannot hold; the text names those that it can."""


@cache
def parts() -> tuple[BgzPart, ...]:
    """All rows."""
    return read(Path(__file__).with_name("parts.toml"), _Parts).part


def chosen(ids: Sequence[str], standard: Standard) -> list[BgzPart]:
    """The parts by their ids; none named: all that a referral holds by itself. Raises UnknownPart.

    What the version of the data set has no row for is left out when nobody named it.
    """
    has = {rule.id for rule in standard.rules}
    offered = [part for part in parts() if has & set(part.rows)]
    if not ids:
        return [part for part in offered if not part.off]
    unknown = set(ids) - {part.id for part in offered}
    if unknown:
        raise UnknownPart(f"no part {sorted(unknown)[0]} here; known are {', '.join(part.id for part in offered)}")
    return [part for part in offered if part.id in ids]


def rows_of(part: BgzPart, standard: Standard) -> Iterator[RequestRule]:
    """The rows of the data set that a part grants; the first is the search that the Task names."""
    by_id = {rule.id: rule for rule in standard.rules}
    return (by_id[name] for name in part.rows if name in by_id)


def search_of(rule: RequestRule) -> str:
    """The search of a row as a relative address, without who it is about: that follows from the grant."""
    shown = [f"{one.name}={quote(one.value, safe=':/|,$')}" for one in rule.required if not one.is_person]
    return f"{rule.path}?{'&'.join(shown)}" if shown else rule.path
