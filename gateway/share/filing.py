"""The way of accepted items to the EHR: an outbox that tries again, gives up aloud, and files each thing once.

A row is written in the transaction that accepts the item. One that a process holds when it dies is free again after a
while; the adapter knows the item by its id, so that a second try files nothing twice. What staff did with an item while
it was being sent stays as they said: the answer of the EHR is then a line in its history, and no more.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, exists, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from adapters.filing.port import AcceptedItem, Filed, FiledFile, Filing, Later, Rejected, WriteBack
from gateway.calendar import utc
from gateway.rounds import rounds, told
from gateway.share.deeds import CLOSED, DEAD, FILED, WAITING, Deeds
from gateway.share.keep import GATEWAY, Keys, StoredItem, file_of, stored_items
from gateway.share.location import without_location
from gateway.share.pointing import pointers
from gateway.share.questionnaire import questionnaire_of
from gateway.share.readable import Readable, pdf_of, readable
from gateway.share.settings import ShareSettings
from gateway.share.states import NotAllowed, State
from gateway.store.engine import reading
from gateway.store.shared import filing, share_deed, shared_item, submission
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

log = logging.getLogger("gateway.share")

CLAIM = timedelta(minutes=5)
"""How long an item belongs to the process that is sending it; after that another may try."""
PAUSES = (60, 300, 900, 1_800, 3_600)
"""Seconds before the next attempt; the last is repeated."""
GIVES_UP = timedelta(hours=24)
"""After so long somebody has to look (DL-03)."""
READABLE = frozenset({"QuestionnaireResponse", "Communication", "Observation"})
SENDABLE = frozenset({State.ACCEPTED.value, State.FILED.value})
"""States of an item that may be sent; filed: with one EHR it is, and another is still to have it."""
AFTERWARDS = "also-filed"
"""The deed of an EHR that took an item while staff dealt with it themselves."""


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A row of the outbox that is this process's until the claim is old."""

    pk: int
    item_pk: int
    attempts: int
    at: datetime
    """When it was claimed: an answer counts only while the row still says so."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """Sends what was accepted. ``targets``: the write-backs of each provider, by their name."""

    engine: Engine
    settings: ShareSettings
    keys: Keys
    targets: Mapping[str, Mapping[str, WriteBack]]
    providers: Mapping[str, str] = field(default_factory=dict)
    """Names of providers, for people."""

    async def run(self, seconds: float = 5.0) -> None:
        """Send until cancelled, whatever happens; each target at its own pace."""
        ways = [(provider, target) for provider, targets in self.targets.items() for target in targets.values()]
        await asyncio.gather(*(rounds(f"filing {way[1].name}", partial(self._all_due, *way), seconds) for way in ways))

    async def _all_due(self, provider: str, target: WriteBack) -> None:
        while await self._try_due(provider, target, datetime.now(UTC)):
            pass

    async def round(self, now: datetime | None = None) -> int:
        """Try one item of each target; how many were tried. Raises SQLAlchemyError."""
        at, tried = now or datetime.now(UTC), 0
        for provider, targets in self.targets.items():
            for target in targets.values():
                tried += await self._try_due(provider, target, at)
        return tried

    async def aclose(self) -> None:
        """Give back the connections of all write-backs."""
        for targets in self.targets.values():
            for target in targets.values():
                await target.aclose()

    async def _try_due(self, provider: str, target: WriteBack, now: datetime) -> int:
        row = await asyncio.to_thread(self._claim, provider, target.name, now)
        if row is None:
            return 0
        said, since = await self._filed(target, row, now)
        await asyncio.to_thread(self._note, row, said, since, now)
        return 1

    async def _filed(self, target: WriteBack, row: ClaimedRow, now: datetime) -> tuple[Filing, datetime]:
        """What became of an item, and since when it is on its way. Raises SQLAlchemyError when it cannot be read."""
        try:
            item = await asyncio.to_thread(self._item, row.item_pk)
        except SQLAlchemyError:
            raise
        except Exception as fault:
            return _broken(target, fault), now
        if not item.resource:
            return Rejected("content-gone", "its content was removed after its time"), item.accepted
        try:
            return await target.file(item), item.accepted
        except Exception as fault:
            return _broken(target, fault), item.accepted

    def _claim(self, provider: str, target: str, now: datetime) -> ClaimedRow | None:
        """The row that waits longest, if its item may be sent, taken in one statement."""
        free = or_(filing.c.claimed.is_(None), filing.c.claimed < now - CLAIM)
        may = (
            select(shared_item.c.pk)
            .join(submission, shared_item.c.submission_pk == submission.c.pk)
            .where(submission.c.provider == provider, shared_item.c.state.in_(SENDABLE))
            .where(shared_item.c.pk == filing.c.item_pk)
            .correlate(filing)
        )
        due = (filing.c.state == WAITING, filing.c.target == target, filing.c.next <= now, free, exists(may))
        first = select(filing.c.pk).where(*due).order_by(filing.c.next).limit(1).with_for_update(skip_locked=True)
        claimed = update(filing).where(filing.c.pk == first.scalar_subquery(), *due).values(claimed=now)
        with self.engine.begin() as connection:
            row = connection.execute(claimed.returning(filing.c.pk, filing.c.item_pk, filing.c.attempts)).one_or_none()
        return None if row is None else ClaimedRow(row.pk, row.item_pk, row.attempts, now)

    def _item(self, item_pk: int) -> AcceptedItem:
        with reading(self.engine).connect() as connection:
            return self._read(connection, item_pk)

    def _read(self, connection: Connection, item_pk: int) -> AcceptedItem:
        row = connection.execute(
            select(shared_item.c.id, shared_item.c.decided, submission)
            .join(submission, shared_item.c.submission_pk == submission.c.pk)
            .where(shared_item.c.pk == item_pk)
        ).one()
        held = list(stored_items(connection, row.pk))
        item = next(one for one in held if one.pk == item_pk)
        version = FhirVersion(row.fhir)
        named = set(_pointed_at(item.resource))
        parts = [one for one in held if one.role == "part" and (_of(one) in named or one.type in ("DocumentManifest",))]
        shown = readable(item.resource, questionnaire_of(connection, row.provider, version, item.resource))
        return AcceptedItem(
            id=item.id,
            version=version,
            resource=item.resource,
            parts=[one.resource for one in parts if one.type != "Binary"],
            files=[self._file(connection, one) for one in held if one.type == "Binary" and _of(one) in named],
            readable=self._paper(shown, row.provider, utc(row.received)) if item.type in READABLE else b"",
            patient_id=row.patient_id,
            bsn=self.keys.ring.open("bsn", bytes(row.sealed_bsn)).decode() if row.sealed_bsn else "",
            sent=utc(row.received),
            accepted=utc(row.decided),
            accepted_by=_who(connection, item_pk),
            standard=row.standard,
            title=shown.title,
        )

    def _paper(self, shown: Readable, provider: str, sent: datetime) -> bytes:
        try:
            return pdf_of(shown, self.providers.get(provider, provider), sent, Path(self.settings.font))
        except OSError:
            return b""

    def _file(self, connection: Connection, item: StoredItem) -> FiledFile:
        content = file_of(connection, item.pk)
        kept = without_location(content) if self.settings.strip_location else content
        return FiledFile(item.id, str(item.resource.get("contentType", "")), kept)

    def _note(self, row: ClaimedRow, said: Filing, since: datetime, now: datetime) -> None:
        attempts = row.attempts + 1
        match said:
            case Filed():
                state, answer = FILED, said.ehr_id
            case Rejected():
                state, answer = DEAD, f"{said.code}: {said.text}"
                log.error("filing: refused by the EHR (%s); somebody has to look", said.code)
            case Later():
                state, answer = WAITING, said.text
                if now - since > GIVES_UP:
                    state = DEAD
                    log.error("filing: given up after %s attempts; somebody has to look", attempts)
        pause = said.seconds if isinstance(said, Later) and said.seconds else PAUSES[min(attempts, len(PAUSES)) - 1]
        after = {"state": state, "answer": answer, "attempts": attempts, "claimed": None}
        mine = (filing.c.pk == row.pk, filing.c.state == WAITING, filing.c.claimed == row.at)
        with self.engine.begin() as connection:
            # First the item, then its rows: deeds of staff take them in this order too.
            connection.execute(select(shared_item.c.pk).where(shared_item.c.pk == row.item_pk).with_for_update())
            noted = update(filing).where(*mine).values(**after, next=now + timedelta(seconds=pause))
            still = connection.execute(noted).rowcount == 1
            if isinstance(said, Filed):
                self._arrived(connection, row, said, now, still=still)

    def _arrived(self, connection: Connection, row: ClaimedRow, said: Filed, now: datetime, *, still: bool) -> None:
        """The EHR has it: the item is filed, unless staff dealt with it meanwhile; then they read that it is there."""
        deeds = Deeds(connection, GATEWAY, now)
        item = connection.execute(
            select(shared_item.c.id, submission.c.id.label("submission"))
            .join(submission, shared_item.c.submission_pk == submission.c.pk)
            .where(shared_item.c.pk == row.item_pk)
        ).one()
        if still:
            deeds.filed(item.id, said.ehr_id)
        elif connection.execute(select(filing.c.state).where(filing.c.pk == row.pk)).scalar() == CLOSED:
            log.error("filing: the EHR took an item that staff dealt with meanwhile; somebody has to look")
            deeds.note(item.submission, AFTERWARDS, said.ehr_id)


def retry(connection: Connection, item_id: str, now: datetime) -> None:
    """Try what was given up once more. Raises NotAllowed when there is nothing."""
    mine = select(shared_item.c.pk).where(shared_item.c.id == item_id, shared_item.c.role == "item")
    dead = update(filing).where(filing.c.item_pk.in_(mine), filing.c.state == DEAD)
    if connection.execute(dead.values(state=WAITING, next=now, claimed=None)).rowcount == 0:
        raise NotAllowed("nothing of this item was given up")


def by_hand(connection: Connection, item_id: str, ehr_id: str, by: str, now: datetime) -> None:
    """Somebody filed an item themselves; the EHR calls it ``ehr_id``. Raises NotAllowed."""
    deeds = Deeds(connection, by, now)
    deeds.filed(item_id, ehr_id)
    deeds.close(select(shared_item.c.pk).where(shared_item.c.id == item_id), "filed by hand")


def _broken(target: WriteBack, fault: Exception) -> Later:
    """One that breaks must not hold up the others; its own words may hold what it carried, and stay out of the log."""
    log.error("filing: %s failed: %s", target.name, told(fault))
    return Later(f"it could not be sent: {type(fault).__name__}")


def _pointed_at(resource: Resource) -> list[str]:
    return [node[name] for _, node, name in pointers(resource)]


def _of(item: StoredItem) -> str:
    return f"{item.type}/{item.id}"


def _who(connection: Connection, item_pk: int) -> str:
    accepted = select(share_deed.c.by).where(share_deed.c.item_pk == item_pk, share_deed.c.deed == State.ACCEPTED.value)
    return str(connection.execute(accepted.order_by(share_deed.c.pk.desc()).limit(1)).scalar() or GATEWAY)
