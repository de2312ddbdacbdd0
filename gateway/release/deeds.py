"""What staff decide about one item of a record: withhold it, let it be shown before its time, and end either."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from gateway.calendar import utc
from gateway.release.rules import NEVER_HIDDEN
from gateway.release.shield import Flag
from gateway.store.flags import release_flag
from gateway.store.schema import patient, resource

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}", re.ASCII)
SHORTEST = 5
"""Characters of a reason that says anything."""


class NotFlagged(Exception):
    """This cannot be decided about this item; the text says why, and nothing of the person."""


@dataclass(frozen=True, slots=True)
class FlagLine:
    """A decision about an item, and whether it still holds."""

    number: int
    provider: str
    person: str
    type: str
    id: str
    deed: Flag
    told: bool
    reason: str
    at: datetime
    account: str
    ended: datetime | None
    ended_by: str


@dataclass(frozen=True, slots=True)
class FlagWish:
    """What somebody wants: of which item, by which reason; ``told``: whether the person may know of it."""

    type: str
    id: str
    deed: Flag
    reason: str
    told: bool = True

    def check(self) -> None:
        """Raises NotFlagged."""
        if self.type in NEVER_HIDDEN:
            raise NotFlagged("who the person is cannot be withheld")
        if not _TYPE.fullmatch(self.type) or not _ID.fullmatch(self.id):
            raise NotFlagged("an item is named by its type and id, as they are served")
        if len(self.reason.strip()) < SHORTEST:
            raise NotFlagged("a reason is needed")


def person_of(connection: Connection, provider: str, type_: str, id_: str) -> str:
    """The pseudonym of the person of a stored item; empty when the store does not have it."""
    whose = select(patient.c.person).join(
        resource,
        (patient.c.provider == resource.c.provider)
        & (patient.c.fhir == resource.c.fhir)
        & (patient.c.patient_id == resource.c.patient_id),
    )
    asked = whose.where(resource.c.provider == provider, resource.c.type == type_, resource.c.id == id_)
    found = {str(row.person) for row in connection.execute(asked)}
    return found.pop() if len(found) == 1 else ""


def check(connection: Connection, provider: str, person: str, wish: FlagWish) -> None:
    """Raises NotFlagged when this cannot be decided, or holds already."""
    wish.check()
    if not person:
        raise NotFlagged("the store does not have this item, or of more than one person: say whose it is (--bsn)")
    same = (release_flag.c.type == wish.type, release_flag.c.id == wish.id, release_flag.c.deed == wish.deed.value)
    mine = (release_flag.c.person == person, release_flag.c.provider == provider, release_flag.c.ended.is_(None))
    if connection.execute(select(release_flag.c.number).where(*same, *mine).limit(1)).scalar() is not None:
        raise NotFlagged("that holds already")


def flag(connection: Connection, provider: str, person: str, wish: FlagWish, account: str, now: datetime) -> int:
    """Decide; the number of the decision. Raises NotFlagged, also when the same holds already."""
    check(connection, provider, person, wish)
    values = {
        "provider": provider, "person": person, "type": wish.type, "id": wish.id, "deed": wish.deed.value,
        "told": wish.told, "reason": wish.reason.strip(), "at": now, "account": account, "ended_by": "",
    }  # fmt: skip
    made = connection.execute(insert(release_flag).values(values))
    return int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0


def end(connection: Connection, providers: Sequence[str], number: int, account: str, now: datetime) -> FlagLine:
    """End a decision: from now on the rows decide again. Raises NotFlagged when there is none that holds."""
    held = [one for one in flags(connection, providers, ended=False) if one.number == number]
    if not held:
        raise NotFlagged("there is no such decision that holds")
    done = update(release_flag).where(release_flag.c.number == number, release_flag.c.ended.is_(None))
    if connection.execute(done.values(ended=now, ended_by=account)).rowcount != 1:
        raise NotFlagged("somebody ended it just now")
    return held[0]


def flags(connection: Connection, providers: Sequence[str], *, ended: bool = True) -> list[FlagLine]:
    """The decisions of some providers, the newest first."""
    wanted = select(release_flag).where(release_flag.c.provider.in_(providers)).order_by(release_flag.c.number.desc())
    if not ended:
        wanted = wanted.where(release_flag.c.ended.is_(None))
    return [
        FlagLine(
            row.number, row.provider, row.person, row.type, row.id, Flag(row.deed), bool(row.told), row.reason,
            utc(row.at), row.account, utc(row.ended) if row.ended else None, row.ended_by,
        )
        for row in connection.execute(wanted)
    ]  # fmt: skip
