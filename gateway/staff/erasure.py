"""Erasing what is held of one person: asked by one, decided by another; and holds against it."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response
from starlette.routing import BaseRoute

from auth.crypto import valid_bsn
from gateway.privacy.cases import ASKED, HELD, CaseRefused, Kind, PersonCase, PersonCases, bases
from gateway.privacy.holdings import PersonScope
from gateway.share.keep import Keys
from gateway.staff.guard import StaffGuard
from gateway.staff.rights import Right
from gateway.staff.views import DeedView, FieldView, FormView, RoomView, TableView, minute, row
from gateway.staff.visit import ROOT, StaffCall

DONE = ("erase_asked", "erase_approve", "erase_refuse", "erase_release")
MOST = 200
_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ErasureRoom:
    """Two pairs of eyes: who asked never decides. The number of the person is in no address and in no list."""

    guard: StaffGuard
    keys: Keys

    @property
    def routes(self) -> list[BaseRoute]:
        """Everything below /staff/erasure."""
        guard, room, right = self.guard, "erasure", Right.ERASE
        return [
            guard.page(room, right, room, self.list, "erasure:list"),
            guard.deed("erasure/ask", right, room, self.ask),
            guard.deed("erasure/approve", right, room, self.approve),
            guard.deed("erasure/refuse", right, room, self.refuse),
            guard.deed("erasure/release", right, room, self.release),
        ]

    async def list(self, call: StaffCall) -> Response:
        """The cases: open ones can be decided on by somebody else."""
        return call.shown(await self._view(call, done=call.done(DONE)))

    async def ask(self, call: StaffCall) -> Response:
        """Open a case: a request to erase, or a hold; the ground says which."""
        t, form, providers = call.t, call.form, call.account.providers
        bsn, basis, provider = form.one("bsn"), form.one("basis"), form.one("provider")
        if not valid_bsn(bsn):
            return call.shown(await self._view(call, fault=t("erasure.no_bsn")), 400)
        kind: Kind = "hold" if basis in {one.id for one in bases("hold")} else "erase"
        scope = PersonScope(provider if provider in providers else providers[0], self.keys.pseudonyms.of(bsn))
        await call.note(f"person:{kind}-ask", provider=scope.provider, person=scope.person, rule=basis[:40])
        try:
            await call.write(lambda store: self._cases(store, call).ask(kind, scope, bsn, basis, form.one("reason")))
        except CaseRefused as fault:
            return call.shown(await self._view(call, fault=t("erasure.fault", why=str(fault))), 400)
        return call.back("erasure", "erase_asked")

    async def approve(self, call: StaffCall) -> Response:
        """Erase. It cannot be undone."""
        return await self._decide(call, "approve")

    async def refuse(self, call: StaffCall) -> Response:
        """Say no."""
        return await self._decide(call, "refuse")

    async def release(self, call: StaffCall) -> Response:
        """End a hold."""
        return await self._decide(call, "release")

    async def _decide(self, call: StaffCall, what: str) -> Response:
        number = int(call.form.one("number")) if _NUMBER.fullmatch(call.form.one("number")) else 0

        def look(store: Connection) -> PersonCase:
            cases = self._cases(store, call)
            return cases.get(number) if what == "release" else cases.check(number, erasing=what == "approve")

        def work(store: Connection) -> dict[str, int]:
            return getattr(self._cases(store, call), what)(number) or {}

        try:
            case = await call.read(look)
            about: dict[str, Any] = {
                "provider": case.provider,
                "person": case.person,
                "rule": case.basis,
                "reason": f"case {number}",
            }
            await call.note(f"person:{case.kind}-{what}", **about)
            counts = await call.write(work)
        except CaseRefused as fault:
            return call.shown(await self._view(call, fault=call.t("erasure.fault", why=str(fault))), 409)
        if what == "approve":
            await call.note("person:erased", **about, resources=tuple(sorted(counts.items())))
        return call.back("erasure", f"erase_{what}")

    def _cases(self, connection: Connection, call: StaffCall) -> PersonCases:
        return PersonCases(connection, self.keys.ring, call.account.providers, call.account.id, call.now)

    async def _view(self, call: StaffCall, *, done: str = "", fault: str = "") -> RoomView:
        t = call.t
        lines = await call.read(lambda connection: self._cases(connection, call).lines())
        names = ("number", "kind", "basis", "asked", "state", "decided", "rows", "reason")
        rows = [row(*_cells(call, one), deeds=_deeds(call, one)) for one in lines[:MOST]]
        table = TableView(t("erasure.title"), tuple(t(f"erasure.head_{one}") for one in names), rows, t("erasure.none"))
        grounds = [one for kind in _KINDS for one in bases(kind)]
        shown = tuple((one.id, one.nl if call.language == "nl" else one.en) for one in grounds)
        form = FormView(
            f"{ROOT}/erasure/ask", "post",
            (
                FieldView("provider", t("erasure.provider"), "select", call.account.providers[0],
                          tuple((one, one) for one in call.account.providers)),
                FieldView("bsn", t("person.bsn"), required=True, hint=t("erasure.bsn_hint")),
                FieldView("basis", t("erasure.head_basis"), "select", grounds[0].id, shown),
                FieldView("reason", t("erasure.head_reason"), required=True, hint=t("erasure.reason_hint")),
            ),
            t("erasure.ask"), t("erasure.form"),
        )  # fmt: skip
        return RoomView(t("rooms.erasure"), t("erasure.lead"), (form,), (table,), done, fault)


_KINDS: tuple[Kind, ...] = ("erase", "hold")


def _deeds(call: StaffCall, case: PersonCase) -> tuple[DeedView, ...]:
    names: tuple[str, ...] = ()
    if case.state == ASKED and case.asked_by != call.account.id:
        names = ("approve", "refuse")
    elif case.state == HELD:
        names = ("release",)
    fields = (("number", str(case.number)),)
    return tuple(
        DeedView(f"{ROOT}/erasure/{name}", call.t(f"erasure.{name}"), fields, f"{case.number}") for name in names
    )


def _cells(call: StaffCall, case: PersonCase) -> tuple[str, ...]:
    t = call.t
    return (
        str(case.number), t(f"erasure.kind_{case.kind}"), case.basis, f"{minute(case.asked)} {case.asked_by}",
        t(f"erasure.state_{case.state}"), f"{minute(case.decided)} {case.decided_by}".strip(),
        str(sum(case.counts.values())) if case.counts else "", case.reason,
    )  # fmt: skip
