"""The receiving side: a notification is taken, known again, changed or taken back; nothing clinical happens here.

The sender named in it is the organisation of the token and the receiver one of ours, or it is refused with an alarm.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.exchange.settings import ExchangeSettings
from gateway.exchange.states import ENDED, REQUESTED
from gateway.exchange.tokens import TokenHeld
from gateway.exchange.workflow import Notified
from gateway.problems import Problem
from gateway.share.keep import Keys
from gateway.store.exchanged import received_event, received_notice, received_referral

SEAL = "exchange"


class WrongOrganisation(Exception):
    """A notification in the name of, or for, an organisation that it is not about: refused, and worth an alarm."""


@dataclass(frozen=True, slots=True)
class TakenNotice:
    """What became of a notification: the id of the item in the inbox, and whether it was known."""

    id: str
    known: bool


@dataclass(frozen=True, slots=True)
class NotificationTaker:
    """Takes notifications. Synchronous: call it from worker threads."""

    engine: Engine
    settings: ExchangeSettings
    keys: Keys

    def take(self, provider: str, held: TokenHeld, said: Notified, body: bytes, now: datetime) -> TakenNotice:
        """Take a notification once. Raises Problem (404, 409, 429) and WrongOrganisation."""
        self._for_us(provider, held, said)
        digest = sha256(body).digest()
        try:
            with self.engine.begin() as store:
                return self._taken(store, provider, held, said, digest, now)
        except IntegrityError:
            # Sent twice at the same moment: the other one was taken.
            with self.engine.begin() as store:
                return self._taken(store, provider, held, said, digest, now)

    def cancel(self, provider: str, held: TokenHeld, said: Notified, now: datetime) -> TakenNotice:
        """The sender takes a referral back. Raises Problem 404 for one that was never told, and WrongOrganisation."""
        self._for_us(provider, held, said)
        with self.engine.begin() as store:
            notice = self._notice(store, provider, held, said.identifier)
            if notice is None:
                raise Problem(404, "not-found", "There is no notification with this identifier.")
            self._close(store, notice.received_id, "cancelled", held.partner, now)
        return TakenNotice(notice.received_id, True)

    def handoff(self, provider: str, held: TokenHeld, task_id: str, now: datetime) -> TakenNotice:
        """The empty notification of a nursing handoff: the address names the Task (EO-01). Raises Problem 429."""
        said = Notified(task_id, task_id, task_id, held.ura, self.settings.parties[provider].ura, False, "")
        with self.engine.begin() as store:
            mine = self._referral(store, provider, held.partner, task_id)
            if mine is not None:
                store.execute(update(received_referral).where(received_referral.c.id == mine.id).values(changed=now))
                received(store, mine.id, now, "changed", held.partner, "")
                return TakenNotice(mine.id, True)
            return TakenNotice(self._new(store, provider, held, said, now), False)

    def _for_us(self, provider: str, held: TokenHeld, said: Notified) -> None:
        if said.sender != held.ura:
            raise WrongOrganisation("a notification in the name of another organisation than that of its token")
        if said.owner != self.settings.parties[provider].ura:
            raise Problem(404, "not-found", "The receiving organisation is not served here.")

    def _taken(
        self, store: Connection, provider: str, held: TokenHeld, said: Notified, digest: bytes, now: datetime
    ) -> TakenNotice:
        notice = self._notice(store, provider, held, said.identifier)
        if notice is not None:
            if bytes(notice.digest) != digest:
                raise Problem(409, "duplicate", "Another notification has this identifier.")
            return TakenNotice(notice.received_id, True)
        mine = self._referral(store, provider, held.partner, said.group)
        if mine is not None:
            if mine.task_id != said.task_id:
                raise Problem(409, "duplicate", "Another Task has this groupIdentifier.")
            values = {"changed": now, "sealed_base": self.keys.ring.seal(SEAL, said.base.encode())}
            store.execute(update(received_referral).where(received_referral.c.id == mine.id).values(**values))
            received(store, mine.id, now, "changed", held.partner, "")
        id_ = mine.id if mine is not None else self._new(store, provider, held, said, now)
        store.execute(
            insert(received_notice).values(
                provider=provider,
                partner=held.partner,
                identifier=said.identifier,
                digest=digest,
                received_id=id_,
                at=now,
            )
        )
        return TakenNotice(id_, mine is not None)

    def _new(self, store: Connection, provider: str, held: TokenHeld, said: Notified, now: datetime) -> str:
        mine = (received_referral.c.partner == held.partner, received_referral.c.ended.is_(None))
        if store.execute(select(func.count()).where(*mine)).scalar_one() >= self.settings.open_per_partner:
            raise Problem(429, "throttled", "Too many referrals wait here.", headers={"retry-after": "3600"})
        id_ = str(uuid.uuid4())
        store.execute(
            insert(received_referral).values(
                id=id_,
                provider=provider,
                partner=held.partner,
                ura=held.ura,
                group_id=said.group,
                task_id=said.task_id,
                sealed_base=self.keys.ring.seal(SEAL, said.base.encode()),
                status=REQUESTED,
                sealed_task=b"",
                etag="",
                inbox="",
                received=now,
                person="",
                match="",
            )
        )
        received(store, id_, now, "notified", held.partner, "")
        return id_

    def _close(self, store: Connection, id_: str, status: str, by: str, now: datetime) -> None:
        mine = (received_referral.c.id == id_, received_referral.c.status.not_in(ENDED))
        changed = store.execute(update(received_referral).where(*mine).values(status=status, ended=now))
        if changed.rowcount:
            received(store, id_, now, status, by, "")

    def _notice(self, store: Connection, provider: str, held: TokenHeld, identifier: str) -> Row[Any] | None:
        mine = (received_notice.c.provider == provider, received_notice.c.partner == held.partner)
        return store.execute(
            select(received_notice).where(*mine, received_notice.c.identifier == identifier)
        ).one_or_none()

    def _referral(self, store: Connection, provider: str, partner: str, group: str) -> Row[Any] | None:
        mine = (received_referral.c.provider == provider, received_referral.c.partner == partner)
        return store.execute(
            select(received_referral).where(*mine, received_referral.c.group_id == group)
        ).one_or_none()


def received(store: Connection, id_: str, now: datetime, deed: str, by: str, text: str) -> None:
    """Add to the history of a referral that was received."""
    values = {"received_id": id_, "at": now, "deed": deed, "by": by[:120], "text": text}
    store.execute(insert(received_event).values(**values))
