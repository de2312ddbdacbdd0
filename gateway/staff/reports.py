"""The figures of the institution in the same frame: quality of the data with plots, and what is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection
from starlette.responses import Response
from starlette.routing import BaseRoute

from gateway.calendar import today_here
from gateway.report.document import ReportDocument, ReportSection
from gateway.report.figures import Choice, Figures, has_figures
from gateway.report.quality import QualityReport, Request
from gateway.report.render import section_plot, shown_cell
from gateway.report.trail import Period
from gateway.report.usage import UsageReport
from gateway.staff.guard import StaffGuard
from gateway.staff.rights import Right
from gateway.staff.views import FieldView, FormView, RoomView, TableView, minute, row
from gateway.staff.visit import ROOT, StaffCall
from profiles.standards.load import Catalogue

DAYS = ("7", "31", "92")
MOST_ROWS = 60
"""Rows of one table on a page; the report of the command line has them all."""


@dataclass(frozen=True, slots=True)
class ReportRooms:
    """Two rooms. ``offered`` are the standards that each provider offers."""

    guard: StaffGuard
    catalogue: Catalogue
    offered: Mapping[str, Sequence[str]]
    cache: str

    @property
    def routes(self) -> list[BaseRoute]:
        """Quality and figures."""
        return [
            self.guard.page("quality", Right.QUALITY, "quality", self.quality, "quality:view"),
            self.guard.page("figures", Right.FIGURES, "figures", self.figures, "figures:view"),
        ]

    async def quality(self, call: StaffCall) -> Response:
        """How complete and right the data are."""
        provider, days = _asked(call)
        first = today_here() - timedelta(days=int(days))

        def read(connection: Connection) -> ReportDocument | None:
            if not has_figures(connection):
                return None
            request = Request(minute(call.now), call.language, "", Choice(provider, "", None, first, None), self.cache)
            return QualityReport(Figures(connection, request.choice), request, self.catalogue, self.offered).document()

        return self._shown(call, "quality", provider, days, await call.read(read))

    async def figures(self, call: StaffCall) -> Response:
        """Requests, persons, what was empty or failed."""
        provider, days = _asked(call)
        period = Period(today_here() - timedelta(days=int(days)), None)
        made = UsageReport(self.catalogue, minute(call.now), call.language, provider, period)
        return self._shown(call, "figures", provider, days, await call.read(made.document))

    def _shown(self, call: StaffCall, room: str, provider: str, days: str, document: ReportDocument | None) -> Response:
        t = call.t
        fields = (
            FieldView("provider", t("reports.provider"), "select", provider,
                      tuple((one, one) for one in call.account.providers)),
            FieldView("days", t("reports.days"), "select", days,
                      tuple((one, t("inbox.days", count=one)) for one in DAYS)),
        )  # fmt: skip
        form = FormView(f"{ROOT}/{room}", "get", fields, t("inbox.find"))
        if document is None:
            return call.shown(RoomView(t(f"rooms.{room}"), t("reports.none"), (form,)))
        tables = tuple(_table(section, document, t("reports.nothing")) for section in document.sections)
        lead = " ".join(document.notes)
        return call.shown(RoomView(t(f"rooms.{room}"), lead or t("reports.none"), (form,), tables))


def _asked(call: StaffCall) -> tuple[str, str]:
    """Provider and days that were asked: only what this account may see."""
    query = call.request.query_params
    provider, days = query.get("provider", ""), query.get("days", DAYS[1])
    mine = call.account.providers
    return provider if provider in mine else mine[0], days if days in DAYS else DAYS[1]


def _table(section: ReportSection, document: ReportDocument, nothing: str) -> TableView:
    rows = [row(*(shown_cell(cell, document.language) for cell in line)) for line in section.rows[:MOST_ROWS]]
    note = " ".join(one for one in (section.definition, section.population, section.period) if one)
    heads = tuple(column.label for column in section.columns)
    plot = section_plot(section, section.rows, document.language)
    return TableView(section.title, heads, rows, section.empty or nothing, plot, note)
