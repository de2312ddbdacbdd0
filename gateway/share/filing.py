"""The way of accepted items to the EHR: an outbox that tries again, gives up aloud, and files each thing once.

A row is written in the transaction that accepts the item. One that a process holds when it dies is free again after a
while; the adapter knows the item by its id, so that a second try files nothing twice.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from adapters.filing.port import AcceptedItem, Filed, FiledFile, Filing, Later, Rejected, WriteBack
from gateway.calendar import utc
from gateway.share.deeds import Deeds
from gateway.share.keep import GATEWAY, Keys, StoredItem, file_of, stored_items
from gateway.share.location import without_location
from gateway.share.pointing import pointers
from gateway.share.readable import Readable, pdf_of, readable
from gateway.share.settings import ShareSettings
from gateway.share.states import NotAllowed, State
from gateway.store.engine import reading
from gateway.store.known import contents_of
from gateway.store.shared import filing, share_deed, shared_item, submission
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion

log = logging.getLogger("gateway.share")

WAITING, FILED, DEAD, CLOSED = "waiting", "filed", "dead", "closed"
CLAIM = timedelta(minutes=5)
"""How long an item belongs to the process that is sending it; after that another may try."""
PAUSES = (60, 300, 900, 1_800, 3_600)
"""Seconds before the next attempt; the last is repeated."""
GIVES_UP = timedelta(hours=24)
"""After so long somebody has to look (DL-03)."""
READABLE = frozenset({"QuestionnaireResponse", "Communication", "Observation"})


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
        """Send until cancelled. A failing round is logged, and tried again."""
        while True:
            try:
                while await self.round():
                    pass
            except SQLAlchemyError as fault:
                log.warning("filing: the store does not answer: %s", type(fault).__name__)
            await asyncio.sleep(seconds)

    async def round(self, now: datetime | None = None) -> int:
        """Try what is due, each target by itself; how many were tried. Raises SQLAlchemyError."""
        tried = await asyncio.gather(
            *(
                self._try_due(provider, target, now or datetime.now(UTC))
                for provider, targets in self.targets.items()
                for target in targets.values()
            )
        )
        return sum(tried)

    async def aclose(self) -> None:
        """Give back the connections of all write-backs."""
        for targets in self.targets.values():
            for target in targets.values():
                await target.aclose()

    async def _try_due(self, provider: str, target: WriteBack, now: datetime) -> int:
        row = await asyncio.to_thread(self._claim, provider, target.name, now)
        if row is None:
            return 0
        pk, item, attempts, since = row
        try:
            said = await target.file(item)
        except Exception as fault:
            # An adapter that breaks its word must not hold up the others; what it carried stays out of the log.
            log.error("filing: %s failed: %s", target.name, type(fault).__name__)
            said = Later(f"the adapter failed: {type(fault).__name__}")
        await asyncio.to_thread(self._note, pk, item, said, attempts + 1, since, now)
        return 1

    def _claim(self, provider: str, target: str, now: datetime) -> tuple[int, AcceptedItem, int, datetime] | None:
        free = or_(filing.c.claimed.is_(None), filing.c.claimed < now - CLAIM)
        due = (filing.c.state == WAITING, filing.c.target == target, filing.c.next <= now, free)
        mine = submission.c.provider == provider
        wanted = (
            select(filing.c.pk, filing.c.attempts, filing.c.item_pk)
            .join(shared_item, filing.c.item_pk == shared_item.c.pk)
            .join(submission, shared_item.c.submission_pk == submission.c.pk)
        )
        with self.engine.begin() as connection:
            row = connection.execute(wanted.where(*due, mine).order_by(filing.c.next).limit(1)).one_or_none()
            if row is None:
                return None
            claimed = update(filing).where(filing.c.pk == row.pk, free, filing.c.state == WAITING)
            if connection.execute(claimed.values(claimed=now)).rowcount != 1:
                return None
            item, since = self._item(connection, row.item_pk)
        return row.pk, item, row.attempts, since

    def _item(self, connection: Connection, item_pk: int) -> tuple[AcceptedItem, datetime]:
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
        shown = readable(item.resource, self._questionnaire(connection, row.provider, version, item.resource))
        accepted = utc(row.decided)
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
            accepted=accepted,
            accepted_by=_who(connection, item_pk),
            standard=row.standard,
            title=shown.title,
        ), accepted

    def _paper(self, shown: Readable, provider: str, sent: datetime) -> bytes:
        try:
            return pdf_of(shown, self.providers.get(provider, provider), sent, Path(self.settings.font))
        except OSError:
            return b""

    def _file(self, connection: Connection, item: StoredItem) -> FiledFile:
        content = file_of(connection, item.pk)
        kept = without_location(content) if self.settings.strip_location else content
        return FiledFile(item.id, str(item.resource.get("contentType", "")), kept)

    @staticmethod
    def _questionnaire(
        connection: Connection, provider: str, version: FhirVersion, resource: Resource
    ) -> Resource | None:
        named = resource.get("questionnaire")
        text = named.get("reference", "") if isinstance(named, dict) else str(named or "")
        key = local_reference(text) if "://" not in text else None
        body = dict(contents_of(connection, provider, version, [key])).get(key) if key else None
        return jsonio.load(bytes(body)) if body else None

    def _note(self, pk: int, item: AcceptedItem, said: Filing, attempts: int, since: datetime, now: datetime) -> None:
        with self.engine.begin() as connection:
            match said:
                case Filed():
                    values = {"state": FILED, "answer": said.ehr_id}
                    Deeds(connection, GATEWAY, now).filed(item.id, said.ehr_id)
                case Rejected():
                    values = {"state": DEAD, "answer": f"{said.code}: {said.text}"}
                    log.error("filing: refused by the EHR (%s); somebody has to look", said.code)
                case Later():
                    values = {"state": WAITING, "answer": said.text}
                    if now - since > GIVES_UP:
                        values["state"] = DEAD
                        log.error("filing: given up after %s attempts; somebody has to look", attempts)
            pause = said.seconds if isinstance(said, Later) and said.seconds else PAUSES[min(attempts, len(PAUSES)) - 1]
            after = {"attempts": attempts, "claimed": None, "next": now + timedelta(seconds=pause)}
            connection.execute(update(filing).where(filing.c.pk == pk).values(values | after))

    def waiting(self) -> Sequence[tuple[str, str, int]]:
        """State, target and number of attempts of what is not filed yet, for operators."""
        with reading(self.engine).connect() as connection:
            rows = connection.execute(
                select(filing.c.state, filing.c.target, filing.c.attempts).where(filing.c.state.in_([WAITING, DEAD]))
            )
            return [(row.state, row.target, row.attempts) for row in rows]


def retry(connection: Connection, item_id: str, now: datetime) -> None:
    """Try what was given up once more. Raises NotAllowed when there is nothing."""
    mine = select(shared_item.c.pk).where(shared_item.c.id == item_id, shared_item.c.role == "item")
    dead = update(filing).where(filing.c.item_pk.in_(mine), filing.c.state == DEAD)
    if connection.execute(dead.values(state=WAITING, next=now, claimed=None)).rowcount == 0:
        raise NotAllowed("nothing of this item was given up")


def by_hand(connection: Connection, item_id: str, ehr_id: str, by: str, now: datetime) -> None:
    """Somebody filed an item themselves; the EHR calls it ``ehr_id``. Raises NotAllowed."""
    Deeds(connection, by, now).filed(item_id, ehr_id)
    mine = select(shared_item.c.pk).where(shared_item.c.id == item_id)
    left = update(filing).where(filing.c.item_pk.in_(mine), filing.c.state.in_([WAITING, DEAD]))
    connection.execute(left.values(state=CLOSED, answer="filed by hand"))


def _pointed_at(resource: Resource) -> list[str]:
    return [node[name] for _, node, name in pointers(resource)]


def _of(item: StoredItem) -> str:
    return f"{item.type}/{item.id}"


def _who(connection: Connection, item_pk: int) -> str:
    accepted = select(share_deed.c.by).where(share_deed.c.item_pk == item_pk, share_deed.c.deed == State.ACCEPTED.value)
    return str(connection.execute(accepted.order_by(share_deed.c.pk.desc()).limit(1)).scalar() or GATEWAY)
