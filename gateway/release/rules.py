"""The rows that say what may be shown, and from when: kinds of results with their delay, labels with their policy."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any, Literal

from auth.ages import ZONE
from gateway.release.workingdays import after
from profiles.fhir.tree import Resource
from profiles.rows import Row, RowError, read

OURS = Path(__file__).with_name("release.toml")

DELAYABLE = frozenset({"Composition", "DiagnosticReport", "DocumentReference", "Observation"})
"""Types of results: of these search keys have what a row looks at."""

CODED = ("category", "code", "type", "class")
"""Elements that say which kind of result something is; search keys have them (profiles.fhir.search.keys)."""

MOMENTS = frozenset({"issued", "indexed", "date", "created", "meta.lastUpdated"})
"""Where a row may look for the moment of authorisation: what search keys have."""

UNFINISHED = frozenset({"registered", "preliminary", "partial"})
"""States of a result that nobody has authorised yet."""

NEVER_HIDDEN = frozenset({"Patient"})
"""Who the person is, is never withheld from them: without it nothing can be said at all."""


class ResultKind(Row, frozen=True):
    """``[[kind]]`` of release.toml: which results, and how many working days they wait."""

    id: str
    nl: str
    en: str
    types: tuple[str, ...]
    codes: tuple[str, ...]
    days: int
    moment: tuple[str, ...]
    valid_from: date | None = None
    valid_until: date | None = None

    def holds(self, day: date) -> bool:
        """Whether the row holds for what was authorised on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )

    def authorised(self, resource: Resource) -> datetime | None:
        """When a result was authorised; None while it is not, or when it does not say so."""
        if resource.get("status") in UNFINISHED:
            return None
        for place in self.moment:
            value: Any = resource
            for name in place.split("."):
                value = value.get(name) if isinstance(value, dict) else None
            if isinstance(value, str) and (moment := instant(value)) is not None:
                return moment
        return None


class SensitiveLabel(Row, frozen=True):
    """``[[sensitive]]`` of release.toml: a label of sensitive care, and what it means for which types."""

    id: str
    nl: str
    en: str
    codes: tuple[str, ...]
    types: tuple[str, ...]
    policy: Literal["withhold", "deliver"]
    told: bool


class ReleaseRules(Row, frozen=True):
    """release.toml. ``limit`` is the norm in working days, to which no delay may add."""

    version: str
    limit: int
    kind: tuple[ResultKind, ...] = ()
    sensitive: tuple[SensitiveLabel, ...] = ()

    @property
    def delays(self) -> bool:
        """Whether any row lets a result wait."""
        return any(kind.days for kind in self.kind)

    def kinds_of(self, resource: Resource) -> Iterator[ResultKind]:
        """The rows that fit a result, whatever the day."""
        type_ = resource.get("resourceType")
        codes: frozenset[str] | None = None
        for kind in self.kind:
            if type_ in kind.types:
                codes = codes_of(resource) if codes is None else codes
                if not codes.isdisjoint(kind.codes):
                    yield kind

    def kind_of(self, resource: Resource) -> tuple[ResultKind, datetime | None] | None:
        """The row of a result and when it was authorised; None for what is no result of any kind.

        What is not authorised yet falls under the row of the last wording.
        """
        fitting = list(self.kinds_of(resource))
        for kind in fitting:
            at = kind.authorised(resource)
            if at is not None and kind.holds(at.astimezone(ZONE).date()):
                return kind, at
        open_ = [one for one in fitting if one.valid_until is None]
        return (open_[0], None) if open_ and open_[0].authorised(resource) is None else None

    def label_of(self, resource: Resource) -> SensitiveLabel | None:
        """The first row of a label that the resource has; None without one."""
        meta = resource.get("meta")
        given = codings(meta.get("security")) if isinstance(meta, dict) else frozenset()
        if not given:
            return None
        type_ = resource.get("resourceType")
        fits = (row for row in self.sensitive if not row.types or type_ in row.types)
        return next((row for row in fits if not given.isdisjoint(row.codes)), None)


def visible_from(kind: ResultKind, authorised: datetime) -> datetime:
    """The moment from which a result may be shown: the beginning of the last working day of its delay."""
    if kind.days == 0:
        return authorised
    day = after(authorised.astimezone(ZONE).date(), kind.days)
    return datetime.combine(day, time(), ZONE).astimezone(UTC)


def codings(value: Any) -> frozenset[str]:
    """``system|code`` of a list of Codings."""
    return frozenset(
        f"{one.get('system', '')}|{one['code']}"
        for one in (value if isinstance(value, list) else ())
        if isinstance(one, dict) and "code" in one
    )


def codes_of(resource: Resource) -> frozenset[str]:
    """``system|code`` of everything that says which kind a resource is."""
    return frozenset(code for concept in _concepts(resource) for code in codings(concept.get("coding")))


def _concepts(resource: Resource) -> Iterator[dict[str, Any]]:
    for name in CODED:
        value = resource.get(name)
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, dict):
                yield one


def instant(text: str) -> datetime | None:
    """A FHIR moment; a day without a time is its beginning in the Netherlands. None when it is neither."""
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        return None
    return made if made.tzinfo else made.replace(tzinfo=ZONE)


@cache
def rules(path: str = "") -> ReleaseRules:
    """The rows of a file; of ours when none is named. Raises RowError."""
    where = Path(path) if path else OURS
    read_ = read(where, ReleaseRules)
    for fault in _faults(read_):
        raise RowError(f"{where}: {fault}")
    return read_


def _faults(table: ReleaseRules) -> Iterator[str]:
    for kind in table.kind:
        if not kind.types or not DELAYABLE.issuperset(kind.types):
            yield f"kind {kind.id}: types are some of {', '.join(sorted(DELAYABLE))}"
        if not 0 <= kind.days <= table.limit:
            yield f"kind {kind.id}: days must be 0 to {table.limit}, the norm"
        if not kind.moment or not MOMENTS.issuperset(kind.moment):
            yield f"kind {kind.id}: moment is some of {', '.join(sorted(MOMENTS))}"
    yield from (f"{what}: NAME|CODE is asked, not {code}" for what, code in _codes(table) if "|" not in code)
    for label in table.sensitive:
        if not NEVER_HIDDEN.isdisjoint(label.types):
            yield f"sensitive {label.id}: who the person is cannot be withheld"


def _codes(table: ReleaseRules) -> Iterator[tuple[str, str]]:
    rows: Sequence[ResultKind | SensitiveLabel] = (*table.kind, *table.sensitive)
    return ((row.id, code) for row in rows for code in row.codes)
