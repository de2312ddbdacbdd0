"""Rooms for who keeps the gateway going: what waits for the EHR, the quarantine of the intake, and the sources."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import anyio.to_thread
from sqlalchemy import Connection, func, select
from starlette.responses import Response
from starlette.routing import BaseRoute

from gateway.calendar import utc
from gateway.collect.pipeline import Sources
from gateway.intake.quarantine import Kept
from gateway.intake.quarantine import items as quarantined
from gateway.queues import STORED
from gateway.share.deeds import DEAD, WAITING
from gateway.share.filing import by_hand, retry
from gateway.share.states import NotAllowed
from gateway.staff.guard import StaffGuard
from gateway.staff.rights import Right
from gateway.staff.views import CellView, DeedView, FieldView, FormView, RoomView, RowView, TableView, minute, row
from gateway.staff.visit import ROOT, StaffCall
from gateway.store.shared import filing, shared_item, submission

DONE = ("retried", "by_hand")
MOST = 200


@dataclass(frozen=True, slots=True)
class FilingRoom:
    """What was accepted and is not in the EHR yet; what was given up is done by hand, or tried again."""

    guard: StaffGuard

    @property
    def routes(self) -> list[BaseRoute]:
        """Everything below /staff/filing."""
        guard, room, right = self.guard, "filing", Right.FILING
        return [
            guard.page(room, right, room, self.list, "filing:list"),
            guard.deed("filing/retry", right, room, self.retry),
            guard.deed("filing/by-hand", right, room, self.by_hand),
        ]

    async def list(self, call: StaffCall) -> Response:
        """The outbox to the EHR: no names and no content."""
        t = call.t
        wanted = (
            select(filing, shared_item.c.id, shared_item.c.type, submission.c.patient_id)
            .join(shared_item, filing.c.item_pk == shared_item.c.pk)
            .join(submission, shared_item.c.submission_pk == submission.c.pk)
            .where(submission.c.provider.in_(call.account.providers), filing.c.state.in_([WAITING, DEAD]))
            .order_by(filing.c.state, filing.c.pk)
            .limit(MOST)
        )
        held = await call.read(lambda connection: connection.execute(wanted).all())
        rows = []
        for one in held:
            state = CellView(t(f"filing_states.{one.state}"), mark=one.state == DEAD)
            fields = (("item", one.id),)
            deeds = (DeedView(f"{ROOT}/filing/retry", t("filing.retry"), fields, one.id),) if one.state == DEAD else ()
            rows.append(row(one.id, one.type, one.patient_id, one.target, str(one.attempts), one.answer, state,
                            deeds=deeds))  # fmt: skip
        heads = tuple(
            t(f"filing.head_{one}") for one in ("item", "type", "patient", "target", "attempts", "answer", "state")
        )
        form = FormView(
            f"{ROOT}/filing/by-hand", "post",
            (
                FieldView("item", t("filing.item"), required=True),
                FieldView("ehr", t("filing.ehr"), required=True, hint=t("filing.ehr_hint")),
            ),
            t("filing.by_hand"), t("filing.hand_title"),
        )  # fmt: skip
        table = TableView(t("filing.title"), heads, rows, t("filing.none"))
        return call.shown(RoomView(t("rooms.filing"), t("filing.lead"), (form,), (table,), call.done(DONE)))

    async def retry(self, call: StaffCall) -> Response:
        """Once more, for what was given up."""
        item = call.form.one("item")
        await call.read(lambda connection: _own(connection, call, item))
        await call.note("filing:retry", rule=item)
        await call.write(lambda connection: retry(connection, item, call.now))
        return call.back("filing", "retried")

    async def by_hand(self, call: StaffCall) -> Response:
        """Somebody put it into the EHR themselves."""
        item, ehr = call.form.one("item"), call.form.one("ehr")
        if not item or not ehr:
            return call.said("incomplete", 400)
        await call.read(lambda connection: _own(connection, call, item))
        await call.note("filing:by-hand", rule=item)
        await call.write(lambda connection: by_hand(connection, item, ehr[:255], call.account.id, call.now))
        return call.back("filing", "by_hand")


def _own(connection: Connection, call: StaffCall, item: str) -> None:
    """Raises NotAllowed for an item of a provider for which this account does not work."""
    whose = (
        select(submission.c.provider)
        .join(shared_item, shared_item.c.submission_pk == submission.c.pk)
        .where(shared_item.c.id == item, shared_item.c.role == "item")
    )
    if connection.execute(whose).scalar() not in call.account.providers:
        raise NotAllowed("there is no such item")


@dataclass(frozen=True, slots=True)
class QuarantineRoom:
    """What the intake refused and keeps: where from, what, and which rules it broke. Its content stays sealed."""

    guard: StaffGuard

    @property
    def routes(self) -> list[BaseRoute]:
        """The page."""
        return [self.guard.page("quarantine", Right.QUARANTINE, "quarantine", self.list, "quarantine:list")]

    async def list(self, call: StaffCall) -> Response:
        """The items that are held."""
        t = call.t
        held = await anyio.to_thread.run_sync(quarantined, self.guard.engine)
        mine = [one for one in held if one.provider in call.account.providers]
        heads = tuple(t(f"quarantine.head_{one}") for one in ("number", "source", "received", "what", "findings"))
        rows = [_quarantined(one) for one in mine[:MOST]]
        table = TableView(
            t("quarantine.count", count=len(mine)), heads, rows, t("quarantine.none"), note=t("quarantine.how")
        )
        return call.shown(RoomView(t("rooms.quarantine"), t("quarantine.lead"), (), (table,)))


def _quarantined(one: Kept) -> RowView:
    told = dict.fromkeys(" ".join(str(f.get(name, "")) for name in ("rule", "path")).strip() for f in one.findings)
    more = f" (+{len(told) - 3})" if len(told) > 3 else ""
    return row(str(one.number), one.source, minute(one.received), one.what, "; ".join(list(told)[:3]) + more)


@dataclass(frozen=True, slots=True)
class SourcesRoom:
    """The sources of each provider and how they do; what waits in this gateway."""

    guard: StaffGuard
    sources: Mapping[str, Sources]

    @property
    def routes(self) -> list[BaseRoute]:
        """The page."""
        return [self.guard.page("sources", Right.SOURCES, "sources", self.list, "sources:list")]

    async def list(self, call: StaffCall) -> Response:
        """Health of the sources since this process began, and the queues."""
        t, rows = call.t, list[RowView]()
        for provider in call.account.providers:
            of = self.sources.get(provider)
            if of is None:
                continue
            if of.store:
                rows.append(row(provider, t("sources.store"), t("sources.good"), "", "", ""))
            for source in of.live.sources:
                counted, good = source.counted, source.breaker.closed
                mean = f"{counted.seconds * 1000 / counted.calls:.0f} ms" if counted.calls else ""
                state = CellView(t("sources.good" if good else "sources.broken"), mark=not good)
                failed = t("sources.of", part=counted.failures, whole=counted.calls)
                wrong = CellView(str(counted.incidents), mark=counted.incidents > 0)
                rows.append(row(provider, source.adapter.name, state, failed, mean, wrong))
        heads = tuple(t(f"sources.head_{one}") for one in ("provider", "source", "state", "failed", "mean", "wrong"))
        waiting = await call.read(_waiting)
        queues = [
            row(t(f"queues.{name}"), str(length), minute(oldest)) for name, (length, oldest) in sorted(waiting.items())
        ]
        told = tuple(t(f"sources.head_{one}") for one in ("queue", "length", "oldest"))
        tables = (
            TableView(t("sources.title"), heads, rows, t("sources.none"), note=t("sources.since")),
            TableView(t("sources.queues"), told, queues, t("sources.none")),
        )
        return call.shown(RoomView(t("rooms.sources"), t("sources.lead"), (), tables))


def _waiting(connection: Connection) -> Mapping[str, tuple[int, datetime | None]]:
    return {
        name: (
            int(connection.execute(select(func.count()).select_from(counted.limit(100_000).subquery())).scalar_one()),
            _moment(connection.execute(oldest).scalar()),
        )
        for name, (counted, oldest) in STORED.items()
    }


def _moment(value: object) -> datetime | None:
    """A moment of a database that may forget its zone, or give text for a minimum."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return utc(value) if isinstance(value, datetime) else None
