"""What one request may not show: decided for each resource, before anything is searched, included or read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from adapters.port import Gap, Reason
from auth.ages import ZONE
from gateway.release.rules import NEVER_HIDDEN, UNFINISHED, ReleaseRules, rules, visible_from
from gateway.store.flags import FLAGS_OF_PATIENT, FLAGS_OF_PERSON, release_flag
from gateway.store.reader import Reader
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

Key = tuple[str, str]

ITEM, UNDATED, NOT_YET = "item", "undated", "not-authorised"
"""Rules that are no row: a person withheld this item; a result that waits and does not say since when; not final."""

_TEXTS: Mapping[Reason, str] = {
    Reason.WITHHELD: "Something is withheld by the care provider.",
    Reason.DELAYED: "A result is there and is not released yet.",
}


class Flag(StrEnum):
    """What a person decided about one item."""

    WITHHELD = "withheld"
    RELEASED = "released"


class Audience(StrEnum):
    """For whom a record is read: the person and their apps, or another institution, for which nothing waits."""

    PERSON = "person"
    INSTITUTION = "institution"


@dataclass(frozen=True, slots=True)
class Hidden:
    """Why a resource is not shown: by which rule, whether the person may know, and from which day it is shown."""

    type: str
    reason: Reason
    rule: str
    told: bool = True
    until: date | None = None

    def gap(self) -> Gap:
        """What an answer says about it: the type and the reason, and nothing of what it holds."""
        text = _TEXTS[self.reason]
        if self.until is not None:
            text = f"{text} It can be read from {self.until}."
        return Gap(self.type, self.reason, text, available_from=self.until)


@dataclass(frozen=True, slots=True)
class Shield:
    """Judges the resources of one person. ``flags`` are the items that somebody decided about, as they are served."""

    rules: ReleaseRules
    flags: Mapping[Key, tuple[Flag, bool]]
    now: datetime
    audience: Audience = Audience.PERSON

    @property
    def delays(self) -> bool:
        """Whether any result waits for this reader."""
        return self.audience is Audience.PERSON and self.rules.delays

    @property
    def withheld(self) -> frozenset[Key]:
        """The items that somebody withheld."""
        return frozenset(key for key, (flag, _) in self.flags.items() if flag is Flag.WITHHELD)

    def judge(self, type_: str, id_: str, data: Callable[[], Resource]) -> Hidden | None:
        """Why a resource is not shown; None when it is. ``data`` gives the resource or its search keys."""
        if type_ in NEVER_HIDDEN:
            return None
        flag, told = self.flags.get((type_, id_), (None, True))
        if flag is Flag.WITHHELD:
            return Hidden(type_, Reason.WITHHELD, ITEM, told)
        resource = data()
        label = self.rules.label_of(resource) if "security" in (resource.get("meta") or ()) else None
        if label is not None and label.policy == "withhold":
            return Hidden(type_, Reason.WITHHELD, label.id, label.told)
        if not self.delays or flag is Flag.RELEASED:
            return None
        return self._waits(type_, resource)

    def shown_since(self, type_: str, id_: str, resource: Resource, came: datetime) -> datetime | None:
        """Since when a resource that came at a moment is shown, also when that is yet to come; None while withheld."""
        hidden = self.judge(type_, id_, lambda: resource)
        if hidden is not None and (hidden.reason is Reason.WITHHELD or hidden.until is None):
            return None
        fitting = self.rules.kind_of(resource) if self.delays else None
        if fitting is None or fitting[1] is None or self.flags.get((type_, id_), (None,))[0] is Flag.RELEASED:
            return came
        return max(came, visible_from(fitting[0], fitting[1]))

    def _waits(self, type_: str, resource: Resource) -> Hidden | None:
        fitting = self.rules.kind_of(resource)
        if fitting is None or fitting[0].days == 0:
            return None
        kind, authorised = fitting
        if authorised is None:
            # Fail closed: who delays a kind of result does not show one that nobody vouches for.
            rule = NOT_YET if resource.get("status") in UNFINISHED else UNDATED
            return Hidden(type_, Reason.DELAYED, f"{kind.id}:{rule}")
        begin = visible_from(kind, authorised)
        return (
            None if self.now >= begin else Hidden(type_, Reason.DELAYED, kind.id, until=begin.astimezone(ZONE).date())
        )


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """Makes the shield of each request. ``path`` is a file of rules; empty: ours."""

    path: str = ""
    audience: Audience = Audience.PERSON
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    async def shield(
        self, reader: Reader, provider: str, version: FhirVersion, person: str, patient_id: str = ""
    ) -> Shield:
        """The shield for a person by pseudonym, or for a patient by id. Raises StoreUnavailable: fail closed."""
        who = {"provider": provider, "fhir": version.value, "person": person, "patient_id": patient_id}
        rows = await reader.fetch(FLAGS_OF_PATIENT if patient_id else FLAGS_OF_PERSON, who)
        return Shield(rules(self.path), _flags(rows), self.clock(), self.audience)

    def shield_now(self, connection: Connection, provider: str, person: str, now: datetime) -> Shield:
        """The same, on a connection of work beside requests."""
        columns = (release_flag.c.type, release_flag.c.id, release_flag.c.deed, release_flag.c.told)
        mine = (release_flag.c.person == person, release_flag.c.provider == provider, release_flag.c.ended.is_(None))
        rows = connection.execute(select(*columns).where(*mine)).all()
        return Shield(rules(self.path), _flags(rows), now, self.audience)


def _flags(rows: Sequence[Any]) -> Mapping[Key, tuple[Flag, bool]]:
    """What holds of each item; of one that was both withheld and released, that it is withheld."""
    flags: dict[Key, tuple[Flag, bool]] = {}
    for type_, id_, deed, told in rows:
        before = flags.get((str(type_), str(id_)))
        if before is None or before[0] is not Flag.WITHHELD:
            flags[str(type_), str(id_)] = (Flag(deed), bool(told))
    return flags
