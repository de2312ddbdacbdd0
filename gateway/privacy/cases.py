"""Requests to erase what is held of a person: asked by one, decided by another; and what holds against them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from auth.crypto import KeyRing, SealError
from gateway.calendar import utc
from gateway.privacy.holdings import PersonScope, erase
from gateway.store.cases import person_case
from profiles.rows import Row as TableRow
from profiles.rows import read

Kind = Literal["erase", "hold"]
ASKED, DONE, REFUSED, HELD, ENDED = "asked", "done", "refused", "held", "ended"
SHORTEST = 5
"""Characters of a reason that says anything."""


class CaseRefused(Exception):
    """This cannot be done to the case; the text says why, and nothing of the person."""


class PrivacyBasis(TableRow, frozen=True):
    """``[[basis]]`` of bases.toml."""

    id: str
    kind: Kind
    nl: str
    en: str


class PrivacyBases(TableRow, frozen=True):
    """bases.toml."""

    basis: tuple[PrivacyBasis, ...]


@cache
def bases(kind: Kind) -> Sequence[PrivacyBasis]:
    """The grounds for a kind of case."""
    rows = read(Path(__file__).with_name("bases.toml"), PrivacyBases).basis
    return [one for one in rows if one.kind == kind]


@dataclass(frozen=True, slots=True)
class PersonCase:
    """A case. ``person`` is a pseudonym, empty once everything is erased."""

    number: int
    kind: str
    provider: str
    person: str
    basis: str
    reason: str
    asked: datetime
    asked_by: str
    state: str
    decided: datetime | None
    decided_by: str
    counts: dict[str, int]
    sealed_bsn: bytes = field(repr=False)

    @property
    def open(self) -> bool:
        """Whether it waits for a decision, or holds."""
        return self.state in (ASKED, HELD)


@dataclass(frozen=True, slots=True)
class PersonCases:
    """The cases of some providers, inside the caller's transaction. ``account``: who acts."""

    connection: Connection
    ring: KeyRing
    providers: Sequence[str]
    account: str
    now: datetime

    def lines(self, *, open_only: bool = False) -> list[PersonCase]:
        """The cases, the newest first."""
        wanted = select(person_case).where(person_case.c.provider.in_(self.providers))
        rows = self.connection.execute(wanted.order_by(person_case.c.number.desc())).all()
        return [one for one in map(_case, rows) if one.open or not open_only]

    def get(self, number: int) -> PersonCase:
        """A case by its number. Raises CaseRefused."""
        asked = select(person_case).where(person_case.c.number == number, person_case.c.provider.in_(self.providers))
        row = self.connection.execute(asked).first()
        if row is None:
            raise CaseRefused("there is no such case")
        return _case(row)

    def ask(self, kind: Kind, scope: PersonScope, bsn: str, basis: str, reason: str) -> int:
        """Open a case; its number. Raises CaseRefused."""
        if scope.provider not in self.providers:
            raise CaseRefused("this provider is not yours")
        if basis not in {one.id for one in bases(kind)}:
            raise CaseRefused(f"the ground must be one of {', '.join(one.id for one in bases(kind))}")
        if len(reason.strip()) < SHORTEST:
            raise CaseRefused("a reason is needed")
        if any(one.kind == kind and one.person == scope.person and one.provider == scope.provider
               for one in self.lines(open_only=True)):  # fmt: skip
            raise CaseRefused("there is such a case already")
        values = {
            "kind": kind, "provider": scope.provider, "person": scope.person, "basis": basis, "reason": reason.strip(),
            "asked": self.now, "asked_by": self.account, "state": ASKED if kind == "erase" else HELD,
            "decided_by": "", "counts": "{}", "sealed_bsn": self.ring.seal("bsn", bsn.encode()),
        }  # fmt: skip
        made = self.connection.execute(insert(person_case).values(values)).inserted_primary_key
        return int(made[0]) if made else 0

    def check(self, number: int, *, erasing: bool = False) -> PersonCase:
        """The request that this account may decide. Raises CaseRefused: decided, one's own, or (``erasing``) held."""
        case = self.get(number)
        if case.kind != "erase" or case.state != ASKED:
            raise CaseRefused("this is no request that waits for a decision")
        if case.asked_by == self.account:
            raise CaseRefused("somebody else has to decide on what you asked")
        holds = [one.basis for one in self.lines(open_only=True)
                 if one.kind == "hold" and (one.person, one.provider) == (case.person, case.provider)]  # fmt: skip
        if erasing and holds:
            raise CaseRefused(f"it is held against: {', '.join(holds)}")
        return case

    def approve(self, number: int) -> dict[str, int]:
        """Erase all that is held of the person of the case; rows by table. Raises CaseRefused."""
        case = self.check(number, erasing=True)
        self._close(case, DONE)
        try:
            bsn = self.ring.open("bsn", case.sealed_bsn).decode()
            counts = erase(self.connection, self.ring, PersonScope(case.provider, case.person), bsn)
        except SealError as fault:
            raise CaseRefused("something that is sealed cannot be opened: a key is missing") from fault
        # The proof forgets who it was; the access trail knows that by its pseudonym.
        mine = (person_case.c.person == case.person, person_case.c.provider == case.provider)
        gone = {"person": "", "reason": "", "sealed_bsn": b""}
        self.connection.execute(update(person_case).where(*mine).values(gone))
        told = update(person_case).where(person_case.c.number == number)
        self.connection.execute(told.values(counts=json.dumps(counts, sort_keys=True)))
        return counts

    def refuse(self, number: int) -> None:
        """Say no to a request, as a second person; the reason is with the one who asked. Raises CaseRefused."""
        self._close(self.check(number), REFUSED)

    def release(self, number: int) -> None:
        """End a hold. Raises CaseRefused."""
        case = self.get(number)
        if case.kind != "hold" or case.state != HELD:
            raise CaseRefused("this is no hold")
        self._close(case, ENDED)

    def _close(self, case: PersonCase, state: str) -> None:
        mine = (person_case.c.number == case.number, person_case.c.state == case.state)
        values = {"state": state, "decided": self.now, "decided_by": self.account}
        if self.connection.execute(update(person_case).where(*mine).values(values)).rowcount != 1:
            raise CaseRefused("somebody decided on it just now")


def _case(row: Row[Any]) -> PersonCase:
    return PersonCase(
        row.number, row.kind, row.provider, row.person, row.basis, row.reason, utc(row.asked), row.asked_by, row.state,
        utc(row.decided) if row.decided else None, row.decided_by, json.loads(row.counts), bytes(row.sealed_bsn),
    )  # fmt: skip
