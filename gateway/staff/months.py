"""The report of a month for MedMij: made, looked at by one, released by another, delivered with proof."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response
from starlette.routing import BaseRoute

from gateway.report.forms import formed, leaving_form
from gateway.report.monthly import MonthReport, ReportState, check, deliver, looked, make, months, release, versions
from gateway.report.settings import ReportSettings
from gateway.report.xmlform import XmlRefused
from gateway.share.states import NotAllowed
from gateway.staff.guard import StaffGuard
from gateway.staff.rights import Right
from gateway.staff.views import CellView, DeedView, FieldView, FormView, RoomView, RowView, TableView, minute, row
from gateway.staff.visit import ROOT, StaffCall

DONE = ("month_make", "month_check", "month_release")
_MONTH = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])", re.ASCII)
MOST_MONTHS = 24


@dataclass(frozen=True, slots=True)
class MonthsRoom:
    """Who may release may also look; who only looks sees the figures. ``services``: what each provider offers."""

    guard: StaffGuard
    settings: ReportSettings
    services: Mapping[str, Sequence[str]]

    @property
    def routes(self) -> list[BaseRoute]:
        """Everything below /staff/months."""
        guard, room = self.guard, "months"
        return [
            guard.page(room, Right.MONTHS, room, self.list, "months:list"),
            guard.page("months/figures", Right.MONTHS, room, self.figures, "months:view"),
            *(guard.deed(f"months/{name}", Right.MONTHS_RELEASE, room, deed)
              for name, deed in (("make", self.make), ("check", self.check), ("release", self.release),
                                 ("download", self.download))),
        ]  # fmt: skip

    async def list(self, call: StaffCall) -> Response:
        """Every version of the last two years, the newest first."""
        return call.shown(await self._view(call, done=call.done(DONE)))

    async def figures(self, call: StaffCall) -> Response:
        """One version: every figure, and what it corrects."""
        t, kept = call.t, await self._chosen(call, call.request.query_params)
        lines = [row(name, str(value)) for name, value in _flat(kept)]
        changed = [row(str(one["figure"]), str(one["was"]), str(one["is"])) for one in kept.figures.get("changed", ())]
        heads = tuple(t(f"months.head_{one}") for one in ("figure", "was", "is"))
        tables = (
            TableView(t("months.figures"), (heads[0], t("months.head_value")), lines, t("months.none")),
            TableView(t("months.changed"), heads, changed, t("months.unchanged")),
        )
        title = t("months.one", month=kept.month, version=kept.version)
        return call.shown(RoomView(title, f"{kept.provider}. sha256: {kept.hash}", (), tables))

    async def make(self, call: StaffCall) -> Response:
        """Count a month: a new version when figures differ from the last."""
        provider, text = _asked(call)
        if not text:
            return call.shown(await self._view(call, fault=call.t("months.no_month")), 400)
        participant = self.settings.participant or provider
        await call.note("months:make", provider=provider, rule=f"medmij {text}")

        def work(connection: Connection) -> MonthReport:
            return make(connection, provider, participant, text, self.services.get(provider, ()), call.now)

        try:
            kept = await call.write(work)
        except ReportState as fault:
            return call.shown(await self._view(call, fault=_said(call, fault)), 409)
        await self._noted(call, kept, "made")
        return call.back("months", "month_make")

    async def check(self, call: StaffCall) -> Response:
        """The first pair of eyes."""
        return await self._deed(call, "check")

    async def release(self, call: StaffCall) -> Response:
        """The second pair: refused for who looked first, and when it does not meet the schema."""
        return await self._deed(call, "release")

    async def download(self, call: StaffCall) -> Response:
        """The file that goes to MedMij; that it went, and its hash, is kept. Fetching it again proves nothing new."""
        kept = await self._chosen(call, call.form)
        try:
            form = leaving_form(self.settings)
            content = formed(self.settings, kept, form).encode()
            if kept.released is None:
                raise ReportState("nobody released it yet")
            await self._noted(call, kept, "deliver")
            if kept.delivered is None:
                where = f"download {call.account.id}"
                await call.write(lambda connection: deliver(connection, kept, where, content, call.now))
        except (ReportState, XmlRefused) as fault:
            return call.shown(await self._view(call, fault=_said(call, fault)), 409)
        name = f"medmij-{kept.provider}-{kept.month}-{kept.version}.{form}"
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
        return Response(content, media_type="application/xml" if form == "xml" else "application/json", headers=headers)

    async def _deed(self, call: StaffCall, what: str) -> Response:
        kept = await self._chosen(call, call.form)
        try:
            formed(self.settings, kept, leaving_form(self.settings))
            if what == "release":
                looked(kept, call.account.id)
            await self._noted(call, kept, what)

            def work(connection: Connection) -> None:
                if what == "check":
                    check(connection, kept, call.account.id, call.now)
                else:
                    release(connection, kept, call.account.id, call.now, second_look=True)

            await call.write(work)
        except (ReportState, XmlRefused) as fault:
            return call.shown(await self._view(call, fault=_said(call, fault)), 409)
        return call.back("months", f"month_{what}")

    async def _noted(self, call: StaffCall, kept: MonthReport, what: str) -> None:
        about: dict[str, Any] = {"rule": f"medmij {kept.month} {kept.version}", "reason": f"sha256:{kept.hash}"}
        await call.note(f"months:{what}", provider=kept.provider, **about)

    async def _chosen(self, call: StaffCall, fields: object) -> MonthReport:
        """The version that the fields name, of a provider of this account. Raises NotAllowed."""
        get = fields.get if isinstance(fields, Mapping) else call.form.one
        provider, text, number = (str(get(name) or "") for name in ("provider", "month", "version"))
        if provider in call.account.providers and _MONTH.fullmatch(text):
            for kept in await call.read(lambda connection: versions(connection, provider, text)):
                if str(kept.version) == number:
                    return kept
        raise NotAllowed("there is no such report")

    async def _view(self, call: StaffCall, *, done: str = "", fault: str = "") -> RoomView:
        t = call.t

        def read(connection: Connection) -> list[list[MonthReport]]:
            return [
                versions(connection, provider, text)
                for provider in call.account.providers
                for text in months(connection, provider)[:MOST_MONTHS]
            ]

        rows = [
            self._line(call, kept, last=kept is all_[-1])
            for all_ in await call.read(read)
            for kept in reversed(all_)
        ]  # fmt: skip
        names = ("provider", "month", "version", "made", "checked", "released", "delivered", "proof")
        table = TableView(t("months.title"), tuple(t(f"months.head_{one}") for one in names), rows, t("months.none"))
        form = FormView(
            f"{ROOT}/months/make", "post",
            (
                FieldView("provider", t("months.head_provider"), "select", call.account.providers[0],
                          tuple((one, one) for one in call.account.providers)),
                FieldView("month", t("months.month"), required=True, hint=t("months.month_hint")),
            ),
            t("months.make"), t("months.make_title"),
        )  # fmt: skip
        forms = (form,) if call.account.may(Right.MONTHS_RELEASE) else ()
        return RoomView(t("rooms.months"), t("months.lead"), forms, (table,), done, fault)

    def _line(self, call: StaffCall, kept: MonthReport, *, last: bool) -> RowView:
        t = call.t
        fields = (("provider", kept.provider), ("month", kept.month), ("version", str(kept.version)))
        address = f"{ROOT}/months/figures?" + "&".join(f"{name}={value}" for name, value in fields)
        names: list[str] = []
        if call.account.may(Right.MONTHS_RELEASE) and last:
            names += ["check"] if kept.checked is None else []
            names += ["release"] if kept.checked and not kept.released and kept.checked_by != call.account.id else []
        if call.account.may(Right.MONTHS_RELEASE) and kept.released:
            names.append("download")
        deeds = [DeedView(f"{ROOT}/months/{name}", t(f"months.{name}"), fields, f"{kept.month} {kept.version}")
                 for name in names]  # fmt: skip
        return row(
            kept.provider, CellView(kept.month, address), str(kept.version), minute(kept.made),
            _by(kept.checked_by, minute(kept.checked)), _by(kept.released_by, minute(kept.released)),
            minute(kept.delivered), kept.proof, deeds=deeds,
        )  # fmt: skip


def _by(who: str, when: str) -> str:
    return f"{when} {who}".strip()


def _asked(call: StaffCall) -> tuple[str, str]:
    provider, text = call.form.one("provider"), call.form.one("month")
    good = provider in call.account.providers and _MONTH.fullmatch(text)
    return (provider, text) if good else ("", "")


def _flat(kept: MonthReport) -> list[tuple[str, object]]:
    lines: list[tuple[str, object]] = []
    for name, value in kept.figures.items():
        if name == "services":
            lines += [(f"{one['service']}: {key}", number) for one in value for key, number in one.items()
                      if key != "service"]  # fmt: skip
        elif name != "changed":
            lines.append((name, value))
    return lines


def _said(call: StaffCall, fault: Exception) -> str:
    return call.t("months.fault", why=str(fault))
