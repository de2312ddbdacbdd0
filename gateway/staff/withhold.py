"""One item of a record: withheld from everybody, or shown before its time; and which decisions hold."""

import re
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.responses import Response
from starlette.routing import BaseRoute

from gateway.release.deeds import FlagLine, FlagWish, NotFlagged, check, end, flag, flags, person_of
from gateway.release.shield import Flag
from gateway.staff.guard import StaffGuard
from gateway.staff.rights import Right
from gateway.staff.views import DeedView, FieldView, FormView, RoomView, TableView, minute, row
from gateway.staff.visit import ROOT, StaffCall

DONE = ("withheld", "early", "flag_ended")
MOST = 200
_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class WithholdRoom:
    """For care professionals. An item is named as apps see it: its type and id."""

    guard: StaffGuard

    @property
    def routes(self) -> list[BaseRoute]:
        """Everything below /staff/withhold."""
        guard, room, right = self.guard, "withhold", Right.WITHHOLD
        return [
            guard.page(room, right, room, self.list, "withhold:list"),
            guard.deed("withhold/decide", right, room, self.decide),
            guard.deed("withhold/end", right, room, self.end),
        ]

    async def list(self, call: StaffCall) -> Response:
        """The decisions that hold: no names and no content."""
        return call.shown(await self._view(call, done=call.done(DONE)))

    async def decide(self, call: StaffCall) -> Response:
        """Withhold, or show now. The reason is for colleagues, never for the person."""
        form, providers = call.form, call.account.providers
        provider = form.one("provider") if form.one("provider") in providers else providers[0]
        type_, _, id_ = form.one("item").partition("/")
        deed = Flag.RELEASED if form.one("deed") == Flag.RELEASED.value else Flag.WITHHELD
        wish = FlagWish(type_, id_, deed, form.one("reason"), form.one("told") != "no")
        try:
            wish.check()
            person = await call.read(lambda connection: person_of(connection, provider, type_, id_))
            await call.read(lambda connection: check(connection, provider, person, wish))
            await call.note(f"release:{deed.value}", provider=provider, person=person, rule=type_)

            def work(connection: Connection) -> int:
                return flag(connection, provider, person, wish, call.account.id, call.now)

            await call.write(work)
        except NotFlagged as fault:
            return call.shown(await self._view(call, fault=call.t("withhold.fault", why=str(fault))), 400)
        return call.back("withhold", "early" if deed is Flag.RELEASED else "withheld")

    async def end(self, call: StaffCall) -> Response:
        """The rows decide again."""
        number = int(call.form.one("number")) if _NUMBER.fullmatch(call.form.one("number")) else 0
        mine = call.account.providers
        held = [one for one in await call.read(lambda store: flags(store, mine, ended=False)) if one.number == number]
        for one in held:
            await call.note("release:end", provider=one.provider, person=one.person, rule=f"decision {number}")
        try:
            await call.write(lambda connection: end(connection, mine, number, call.account.id, call.now))
        except NotFlagged as fault:
            return call.shown(await self._view(call, fault=call.t("withhold.fault", why=str(fault))), 409)
        return call.back("withhold", "flag_ended")

    async def _view(self, call: StaffCall, *, done: str = "", fault: str = "") -> RoomView:
        t, providers = call.t, call.account.providers
        kept = await call.read(lambda connection: flags(connection, providers, ended=False))
        names = ("item", "decision", "since", "by", "told", "reason")
        heads = tuple(t(f"withhold.head_{one}") for one in names)
        rows = [row(*_cells(call, one), deeds=(self._end(call, one),)) for one in kept[:MOST]]
        form = FormView(
            f"{ROOT}/withhold/decide", "post",
            (
                FieldView("provider", t("withhold.provider"), "select", providers[0],
                          tuple((one, one) for one in providers)),
                FieldView("item", t("withhold.head_item"), required=True, hint=t("withhold.item_hint")),
                FieldView("deed", t("withhold.head_decision"), "select", Flag.WITHHELD.value,
                          tuple((one.value, t(f"withhold.{one.value}")) for one in Flag)),
                FieldView("told", t("withhold.head_told"), "select", "yes",
                          tuple((one, t(f"withhold.{one}")) for one in ("yes", "no")), hint=t("withhold.told_hint")),
                FieldView("reason", t("withhold.head_reason"), required=True, hint=t("withhold.reason_hint")),
            ),
            t("withhold.go"), t("withhold.form"),
        )  # fmt: skip
        table = TableView(t("withhold.count", count=len(kept)), heads, rows, t("withhold.none"))
        return RoomView(t("rooms.withhold"), t("withhold.lead"), (form,), (table,), done, fault)

    @staticmethod
    def _end(call: StaffCall, one: FlagLine) -> DeedView:
        fields = (("number", str(one.number)),)
        return DeedView(f"{ROOT}/withhold/end", call.t("withhold.end"), fields, f"{one.type}/{one.id}")


def _cells(call: StaffCall, one: FlagLine) -> tuple[str, ...]:
    told = call.t("withhold.yes" if one.told else "withhold.no")
    decided = call.t(f"withhold.{one.deed.value}")
    return f"{one.type}/{one.id}", decided, minute(one.at), one.account, told, one.reason
