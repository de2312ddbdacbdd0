"""The inbox: what citizens sent, looked at and decided on (DL-90, DL-91)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.responses import Response
from starlette.routing import BaseRoute

from gateway.share.deeds import Deeds, Targets
from gateway.share.inbox import Inbox, Opened, WaitingShare, view_record
from gateway.share.states import NotAllowed, State
from gateway.staff.guard import Room, StaffGuard, Withheld
from gateway.staff.people import SharingPerson, persons
from gateway.staff.rights import Right
from gateway.staff.submission import SHOWN, about_line, finding_text, submission_view, waited
from gateway.staff.views import CellView, FieldView, FormView, RoomView, RowView, TableView, minute, row
from gateway.staff.visit import ROOT, StaffCall

SEARCHED = 2_000
"""Submissions that a search by name looks through; a patient number or the number of a submission finds all."""
SHOWN_LINES = 200
"""Lines of one list."""
DONE = ("accept", "decline", "ask", "reopen", "withdraw", "forward", "assign", "release")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


@dataclass(frozen=True, slots=True)
class StaffDeed:
    """What a button of a submission does: the right that it takes, and the deed."""

    right: Right
    run: Callable[[Deeds, StaffCall, str], None]


def _reason(call: StaffCall) -> str:
    """A reason of the list with what was written besides."""
    return " ".join(one for one in (call.form.one("listed"), call.form.one("reason")) if one)


def _forward(deeds: Deeds, call: StaffCall, id_: str) -> None:
    department = call.form.one("department")
    if not department:
        raise NotAllowed("no department")
    deeds.forward(id_, department, call.form.one("reason"))


DEEDS: Mapping[str, StaffDeed] = {
    "accept": StaffDeed(Right.INBOX_DECIDE, lambda deeds, call, id_: deeds.accept(id_, call.form.all("item"))),
    "decline": StaffDeed(
        Right.INBOX_DECIDE, lambda deeds, call, id_: deeds.decline(id_, _reason(call), call.form.all("item"))
    ),
    "ask": StaffDeed(Right.INBOX_DECIDE, lambda deeds, call, id_: deeds.ask(id_, _reason(call), call.form.all("item"))),
    "reopen": StaffDeed(Right.INBOX_DECIDE, lambda deeds, call, id_: deeds.reopen(id_)),
    "withdraw": StaffDeed(Right.INBOX_DECIDE, lambda deeds, call, id_: deeds.withdraw(id_, _reason(call))),
    "forward": StaffDeed(Right.INBOX_ROUTE, _forward),
    "assign": StaffDeed(Right.INBOX_ROUTE, lambda deeds, call, id_: deeds.assign(id_, call.account.id)),
    "release": StaffDeed(Right.INBOX_ROUTE, lambda deeds, call, id_: deeds.assign(id_, "")),
}


@dataclass(frozen=True, slots=True)
class InboxRoom:
    """The list, one submission, its files, and what is done with it."""

    guard: StaffGuard
    targets: Targets
    reasons: Sequence[str]
    service: Callable[[str], str]
    """The name of a data service."""

    @property
    def routes(self) -> list[BaseRoute]:
        """Everything below /staff/inbox."""
        guard = self.guard
        deeds = [
            guard.deed(f"inbox/{{id}}/{name}", deed.right, "inbox", self._doing(name, deed))
            for name, deed in DEEDS.items()
        ]
        return [
            guard.page("inbox", Right.INBOX_LIST, "inbox", self.list, "inbox:list"),
            guard.page("inbox/{id}", Right.INBOX_LIST, "inbox", self.open),
            guard.page("inbox/{id}/file/{file}", Right.INBOX_OPEN, "inbox", self.file),
            *deeds,
        ]

    async def list(self, call: StaffCall) -> Response:
        """Who sent what, since when; nothing of what it says."""
        query = call.request.query_params
        wanted, all_, mine = query.get("q", "").strip()[:80], query.get("show") == "all", query.get("mine") == "yes"

        def read(connection: Connection) -> tuple[list[WaitingShare], Mapping[tuple[str, str], SharingPerson]]:
            lines = _lines(connection, call, wanted, every=all_)
            if mine:
                lines = [line for line in lines if line.assignee == call.account.id]
            named: dict[tuple[str, str], SharingPerson] = {}
            # A search is by name, so it needs the names of all; a list those of what it shows.
            known = lines if wanted else lines[:SHOWN_LINES]
            for provider in call.account.providers:
                ids = [line.patient_id for line in known if line.provider == provider]
                named |= {(provider, id_): one for id_, one in persons(connection, provider, ids).items()}
            return lines, named

        lines, named = await call.read(read)
        if wanted:
            lines = [line for line in lines if _fits(line, named[line.provider, line.patient_id], wanted)]
        return call.shown(self._view(call, lines, named, wanted, all_=all_, mine=mine))

    def _view(
        self,
        call: StaffCall,
        lines: Sequence[WaitingShare],
        named: Mapping[tuple[str, str], SharingPerson],
        wanted: str,
        *,
        all_: bool,
        mine: bool,
    ) -> RoomView:
        t = call.t
        choices = FormView(
            f"{ROOT}/inbox", "get",
            (
                FieldView("q", t("inbox.search"), value=wanted, hint=t("inbox.search_hint")),
                FieldView("show", t("inbox.show"), "select", "all" if all_ else "open",
                          (("open", t("inbox.open_only")), ("all", t("inbox.everything")))),
                FieldView("mine", t("inbox.whose"), "select", "yes" if mine else "no",
                          (("no", t("inbox.of_all")), ("yes", t("inbox.of_mine")))),
            ),
            t("inbox.find"),
        )  # fmt: skip
        heads = ("person", "what", "received", "waits", "state", "who")
        rows = [self._row(call, line, named[line.provider, line.patient_id]) for line in lines[:SHOWN_LINES]]
        note = t("inbox.more") if len(lines) > len(rows) else ""
        table = TableView(
            t("inbox.count", count=len(lines)), tuple(t(f"inbox.head_{one}") for one in heads), rows,
            t("inbox.none"), note=note,
        )  # fmt: skip
        return RoomView(t("rooms.inbox"), t("inbox.lead"), (choices,), (table,))

    def _row(self, call: StaffCall, line: WaitingShare, person: SharingPerson) -> RowView:
        t = call.t
        state = ", ".join(t(f"states.{state}", count=count) for state, count in sorted(line.states.items()))
        who = " ".join(one for one in (line.department, line.assignee) if one)
        told = ", ".join(finding_text(rule, call.language) for rule in line.findings)
        return row(
            CellView(person.name or t("inbox.nameless", id=line.patient_id), f"{ROOT}/inbox/{line.id}"),
            " - ".join((self.service(line.service), *((line.provider,) if len(call.account.providers) > 1 else ()))),
            minute(line.received),
            waited(line.received, call.now, t) if line.open else "",
            CellView(f"{state}. {told}" if told else state, mark=line.urgent),
            who or t("inbox.nobody"),
        )

    async def open(self, call: StaffCall) -> Response:
        """One submission. That somebody looked is in the trail before anything is shown."""
        opened = await self._allowed(call)
        content = call.account.may(Right.INBOX_OPEN)
        await self.guard.trail.write(
            view_record(opened.line, call.account.id, call.now, 200, "" if content else "without content")
        )
        if content:
            await call.write(lambda connection: Deeds(connection, call.account.id, call.now).viewed(opened.line.id))
        t, service = call.t, self.service(opened.line.service)
        view = await call.read(
            lambda connection: submission_view(connection, opened, service, call.now, t, content=content)
        )
        may = {name: call.account.may(deed.right) for name, deed in DEEDS.items()}
        return call.show(
            "submission.html", view=view, may=may, State=State, reasons=self.reasons, done=call.done(DONE),
            mine=opened.line.assignee == call.account.id,
        )  # fmt: skip

    async def file(self, call: StaffCall) -> Response:
        """A file of a submission. Only what cannot do anything opens in the browser; the rest is saved."""
        opened = await self._allowed(call)
        id_ = call.request.path_params["file"]
        held = next((one for one in opened.items if one.type == "Binary" and one.id == id_ and one.size), None)
        if held is None:
            raise NotAllowed("there is no such file")
        await self.guard.trail.write(view_record(opened.line, call.account.id, call.now, 200, "file"))
        body = await call.read(lambda connection: Inbox(connection).file(id_))
        media = str(held.resource.get("contentType", "")).partition(";")[0].strip().lower()
        opens = media in SHOWN
        # A frame of a PDF viewer needs to run; a picture never does.
        policy = "frame-ancestors 'none'" if media == "application/pdf" else "default-src 'none'; sandbox"
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": "inline" if opens else "attachment",
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(body, 200, headers, media if opens else "application/octet-stream")

    def _doing(self, name: str, deed: StaffDeed) -> Room:
        async def do(call: StaffCall) -> Response:
            opened = await self._allowed(call)
            id_, line = opened.line.id, opened.line
            about = about_line(line)
            if name in ("decline", "ask", "withdraw") and not _reason(call):
                return call.said("no_reason", 400)
            if name == "forward" and not call.form.one("department"):
                return call.said("no_department", 400)
            # First the trail: a deed of which nobody knows who did it does not happen.
            await call.note(f"submission:{name}", **about)
            try:
                await call.write(
                    lambda connection: deed.run(Deeds(connection, call.account.id, call.now, self.targets), call, id_)
                )
            except NotAllowed:
                await call.note(f"submission:{name}", 409, **about)
                return call.said("not_now", 409)
            return call.back(f"inbox/{id_}", name)

        return do

    async def _allowed(self, call: StaffCall) -> Opened:
        """The submission that the path names, for this account. Raises NotAllowed, and Withheld after the trail."""
        id_ = str(call.request.path_params["id"])
        if not _ID.fullmatch(id_):
            raise NotAllowed("there is no such submission")
        opened = await call.read(lambda connection: Inbox(connection).open(id_))
        if opened.line.provider not in call.account.providers:
            # They read that there is none; that they tried is recorded all the same.
            line, account = opened.line, call.account.id
            await self.guard.trail.write(view_record(line, account, call.now, 409, "another institution"))
            raise NotAllowed("there is no such submission")
        routes = call.account.may(Right.INBOX_ROUTE)
        if not call.account.treats(opened.line.department, opened.line.assignee):
            if routes and call.request.url.path.rpartition("/")[2] in ("forward", "assign"):
                return opened
            await self.guard.trail.write(view_record(opened.line, call.account.id, call.now, 403, "another department"))
            raise Withheld
        return opened


def _lines(connection: Connection, call: StaffCall, wanted: str, *, every: bool) -> list[WaitingShare]:
    """What a list may show: everything of the account's providers; a number finds what is no longer open too."""
    inbox, found = Inbox(connection), list[WaitingShare]()
    for provider in call.account.providers:
        if wanted and _ID.fullmatch(wanted):
            found += inbox.lines(provider, open_only=False, patient_id=wanted)
        found += inbox.lines(provider, open_only=not every, most=SEARCHED)
    return sorted({line.id: line for line in found}.values(), key=lambda line: (not line.urgent, line.received))


def _fits(line: WaitingShare, person: SharingPerson, wanted: str) -> bool:
    folded = wanted.casefold()
    return wanted in (line.id, line.patient_id) or any(
        folded in text.casefold() for text in (person.name, line.assignee, line.department)
    )
