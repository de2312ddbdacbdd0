"""CorrectionDesk: requests of citizens to change their record, the last day for an answer, and the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.responses import Response
from starlette.routing import BaseRoute

from gateway.calendar import today_here
from gateway.share.corrections import STANDARD, CorrectionDecision, CorrectionDesk
from gateway.share.deeds import Deeds, Targets
from gateway.share.inbox import Inbox, Opened, WaitingShare, view_record
from gateway.share.keep import Keys
from gateway.share.readable import readable
from gateway.share.states import NotAllowed
from gateway.staff.guard import StaffGuard, Withheld
from gateway.staff.people import SharingPerson, persons
from gateway.staff.rights import Right
from gateway.staff.submission import about_line, named
from gateway.staff.views import CellView, FieldView, FormView, RoomView, RowView, TableView, minute, row
from gateway.staff.visit import ROOT, StaffCall

SOON = 7
"""Days before the last day on which a request is marked."""


@dataclass(frozen=True, slots=True)
class CorrectionsRoom:
    """The list, one request, and the decision."""

    guard: StaffGuard
    keys: Keys
    targets: Targets
    institution: Callable[[str], str]
    """The name of a provider for people."""

    @property
    def routes(self) -> list[BaseRoute]:
        """Everything below /staff/corrections."""
        guard, room = self.guard, "corrections"
        return [
            guard.page(room, Right.CORRECTIONS, room, self.list, "corrections:list"),
            guard.page("corrections/{id}", Right.CORRECTIONS, room, self.open),
            guard.deed("corrections/{id}/decide", Right.CORRECT, room, self.decide),
        ]

    async def list(self, call: StaffCall) -> Response:
        """The requests, those that wait first."""
        every = call.request.query_params.get("show") == "all"

        def read(connection: Connection) -> list[tuple[WaitingShare, SharingPerson]]:
            inbox = Inbox(connection)
            pairs = []
            for provider in call.account.providers:
                lines = [
                    line for line in inbox.lines(provider, open_only=not every, most=2_000) if line.standard == STANDARD
                ]
                known = persons(connection, provider, [line.patient_id for line in lines])
                pairs += [(line, known[line.patient_id]) for line in lines]
            return pairs

        t, pairs = call.t, await call.read(read)
        choice = FormView(
            f"{ROOT}/corrections", "get",
            (FieldView("show", t("inbox.show"), "select", "all" if every else "open",
                       (("open", t("inbox.open_only")), ("all", t("inbox.everything")))),),
            t("inbox.find"),
        )  # fmt: skip
        heads = tuple(t(f"corrections.head_{one}") for one in ("person", "received", "due", "state"))
        rows = [self._row(call, line, person) for line, person in pairs]
        table = TableView(t("inbox.count", count=len(rows)), heads, rows, t("inbox.none"))
        return call.shown(RoomView(t("rooms.corrections"), t("corrections.lead"), (choice,), (table,)))

    def _row(self, call: StaffCall, line: WaitingShare, person: SharingPerson) -> RowView:
        t, due = call.t, ""
        left = (line.due - today_here()).days if line.due else 0
        if line.due:
            due = line.due.strftime("%d-%m-%Y")
            if line.open:
                due += f" ({t('corrections.left', count=left) if left >= 0 else t('corrections.late', count=-left)})"
        state = ", ".join(t(f"states.{state}", count=count) for state, count in sorted(line.states.items()))
        name = person.name or t("inbox.nameless", id=line.patient_id)
        return row(
            CellView(name, f"{ROOT}/corrections/{line.id}"), minute(line.received),
            CellView(due, mark=line.open and left <= SOON), state,
        )  # fmt: skip

    async def open(self, call: StaffCall) -> Response:
        """One request, with the form for the decision."""
        opened = await self._allowed(call)
        line, t = opened.line, call.t
        await self.guard.trail.write(view_record(line, call.account.id, call.now, 200))
        await call.write(lambda connection: Deeds(connection, call.account.id, call.now).viewed(line.id))
        known: Mapping[str, SharingPerson] = await call.read(
            lambda connection: persons(connection, line.provider, [line.patient_id])
        )
        person = known[line.patient_id]
        texts = [answer for one in opened.items if one.role == "item" for answer in _texts(one.resource)]
        rows = [row(CellView(t("item.person")), f"{person.name or line.patient_id} {person.born}".strip())]
        rows += [row(t("corrections.asks"), text) for text in texts or [t("item.gone")]]
        rows += [row(t("item.received"), minute(line.received))]
        rows += [row(t("item.due"), line.due.strftime("%d-%m-%Y"))] if line.due else []
        heads = (t("corrections.what"), t("corrections.value"))
        story = [row(minute(one.at), named(t, "deeds", one.deed), one.by, one.text) for one in opened.deeds]
        told = tuple(t(f"item.head_{one}") for one in ("when", "what", "who", "words"))
        tables = (
            TableView(t("corrections.request"), heads, rows, ""),
            TableView(t("item.history"), told, story, t("item.no_history")),
        )
        forms = (self._form(call, line.id),) if line.open and call.account.may(Right.CORRECT) else ()
        view = RoomView(t("corrections.title"), t("corrections.open_lead"), forms, tables, call.done(DONE))
        return call.shown(view)

    def _form(self, call: StaffCall, id_: str) -> FormView:
        t = call.t
        options = tuple((one.value, t(f"corrections.{one.value}")) for one in CorrectionDecision)
        return FormView(
            f"{ROOT}/corrections/{id_}/decide", "post",
            (
                FieldView("decision", t("corrections.decision"), "select", "", options),
                FieldView("answer", t("corrections.answer"), "area", required=True, hint=t("corrections.answer_hint")),
            ),
            t("corrections.send"), t("corrections.decide"),
        )  # fmt: skip

    async def decide(self, call: StaffCall) -> Response:
        """The decision: it is registered, told to the citizen, and stands in the record."""
        opened = await self._allowed(call)
        line, answer = opened.line, call.form.one("answer")
        if not answer or call.form.one("decision") not in set(CorrectionDecision):
            return call.said("no_answer", 400)
        decision = CorrectionDecision(call.form.one("decision"))
        about = about_line(line)
        await call.note(f"correction:{decision.value}", **about)

        def decided(connection: Connection) -> bool:
            corrections = CorrectionDesk(connection, self.keys, self.institution(line.provider), self.targets)
            return corrections.decide(line.id, decision, answer, call.account.id, call.now)

        try:
            written = await call.write(decided)
        except NotAllowed:
            await call.note(f"correction:{decision.value}", 409, **about)
            return call.said("not_now", 409)
        return call.back(f"corrections/{line.id}", "answered" if written else "answered_page")

    async def _allowed(self, call: StaffCall) -> Opened:
        id_ = str(call.request.path_params["id"])
        opened = await call.read(lambda connection: Inbox(connection).open(id_))
        line = opened.line
        if line.provider not in call.account.providers or line.standard != STANDARD:
            raise NotAllowed("there is no such request")
        if not call.account.treats(line.department, line.assignee):
            await self.guard.trail.write(view_record(line, call.account.id, call.now, 403, "another department"))
            raise Withheld
        return opened


DONE = ("answered", "answered_page")


def _texts(sent: Mapping[str, object]) -> list[str]:
    return [answer for line in readable(dict(sent)).lines for answer in line.answers] if sent else []
