"""Conditions on what is stored now, under which an update or delete may be carried out (RFC 9110, section 13)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from gateway.calendar import utc
from gateway.intake.refusal import refusal
from gateway.store.known import StoredRow

MOST = 100
"""Entity tags in one header."""
_TAG = re.compile(r'(?:W/)?"?([1-9][0-9]{0,8})"?', re.ASCII)
_FOREIGN = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"', re.ASCII)
"""An entity tag that is none of ours: well-formed, and equal to no version."""

HEADERS = ("if-match", "if-none-match", "if-unmodified-since")
"""The headers that are read; the others of section 13 are about reading."""


@dataclass(frozen=True, slots=True)
class Tags:
    """The versions that a header names. ``any`` stands for ``*``: whatever is there."""

    versions: frozenset[int] = frozenset()
    any: bool = False

    def match(self, row: StoredRow | None) -> bool:
        """Whether something is stored, and is one of these."""
        return row is not None and not row.deleted and (self.any or row.version in self.versions)


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What has to be true of the stored resource. FHIR's entity tags are weak, so they are compared weakly."""

    match: Tags | None = None
    none_match: Tags | None = None
    unmodified: datetime | None = None

    def fault(self, row: StoredRow | None) -> str:
        """Why they do not hold of what is stored; empty when they do."""
        if self.match is not None and not self.match.match(row):
            return "the stored version is another one"
        if self.match is None and self.unmodified is not None and not _unmodified(row, self.unmodified):
            return "the resource was changed since"
        if self.none_match is not None and self.none_match.match(row):
            return "the resource is there already"
        return ""


def preconditions(headers: Mapping[str, str], place: str = "") -> Preconditions | None:
    """Read the headers (names in lower case); None without any. Raises Refusal 400 for one that cannot be read.

    A date that is none is left aside, as RFC 9110 (13.1.4) has it; tags that are none never are: what a sender wanted
    to protect must not be overwritten.
    """
    match, none_match = (
        _tags(name, headers[name], place) if headers.get(name) else None for name in ("if-match", "if-none-match")
    )
    unmodified = _date(headers.get("if-unmodified-since", ""))
    return Preconditions(match, none_match, unmodified) if match or none_match or unmodified else None


def version_is(number: int) -> Preconditions:
    """That this version is the one that is stored."""
    return Preconditions(Tags(frozenset({number})))


def _tags(name: str, text: str, place: str) -> Tags:
    if text.strip() == "*":
        return Tags(any=True)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    versions = set()
    for part in parts:
        if (found := _TAG.fullmatch(part)) is not None:
            versions.add(int(found[1]))
        elif _FOREIGN.fullmatch(part) is None:
            parts = []
            break
    if not parts or len(parts) > MOST:
        header = name.title()
        raise refusal(400, "invalid", f'{header} is *, or names versions: W/"3"', place or None)
    return Tags(frozenset(versions))


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return None if found is None else found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _unmodified(row: StoredRow | None, since: datetime) -> bool:
    if row is None or row.deleted:
        return True
    updated = utc(row.updated)
    return updated.replace(microsecond=0) <= since
