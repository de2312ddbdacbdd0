"""For the helpdesk and the auditor: consents and accesses of one person, and what became of a request by its number."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, select
from starlette.responses import Response
from starlette.routing import BaseRoute

from auth.crypto import Pseudonyms
from auth.store.rows import ConsentEntry, moment
from gateway.staff.guard import StaffGuard
from gateway.staff.rights import Right
from gateway.staff.submission import named
from gateway.staff.views import CellView, FieldView, FormView, RoomView, RowView, TableView, minute, row
from gateway.staff.visit import ROOT, StaffCall
from gateway.store.schema import audit_record
from profiles.record.bsn import valid_bsn

MOST_LINES = 300
LOOKED_THROUGH = 300_000
"""Records of the trail that one look-up goes through, the newest first."""
DAYS = ("1", "7", "31")
_TRACE = re.compile(r"[0-9a-fA-F-]{8,36}")

Consents = Callable[[str], list[ConsentEntry]]
"""The lines of the consent register of a person, newest first."""


@dataclass(frozen=True, slots=True)
class PersonRoom:
    """Consents and access log of one person: by BSN, and with a reason that the trail keeps."""

    guard: StaffGuard
    pseudonyms: Pseudonyms
    consents: Consents
    service: Callable[[str], str]

    @property
    def routes(self) -> list[BaseRoute]:
        """The form, and what it gives."""
        guard, room = self.guard, "person"
        return [
            guard.page(room, Right.PERSON, room, self.ask, "person:form"),
            guard.deed(room, Right.PERSON, room, self.show),
        ]

    async def ask(self, call: StaffCall) -> Response:
        """The form."""
        return call.shown(self._view(call))

    async def show(self, call: StaffCall) -> Response:
        """What is known of a person's consents and accesses. The number itself goes nowhere: not in the address."""
        t, bsn, reason = call.t, call.form.one("bsn"), call.form.one("reason")
        if not valid_bsn(bsn):
            return call.shown(self._view(call, fault=t("person.no_bsn")), 400)
        if len(reason) < 5:
            return call.shown(self._view(call, fault=t("person.no_reason")), 400)
        person = self.pseudonyms.of(bsn)
        await call.note("person:access:view", person=person, reason=reason[:200])
        providers = call.account.providers

        def read(connection: Connection) -> tuple[list[ConsentEntry], list[Mapping[str, Any]]]:
            register = [one for one in self.consents(person) if one.provider in providers]
            return register[:MOST_LINES], list(_of_person(connection, person, providers))

        register, records = await call.read(read)
        heads = tuple(t(f"person.head_{one}") for one in ("when", "client", "outcome", "services"))
        given = [
            row(minute(moment(one.moment)), one.organisation or one.client, named(t, "outcomes", one.outcome),
                ", ".join(self.service(id_) for id_ in (one.granted or one.offered)))
            for one in register
        ]  # fmt: skip
        tables = (
            TableView(t("person.consents"), heads, given, t("person.no_consents")),
            TableView(t("person.accesses"), _heads(call), [_line(call, one, self.service) for one in records],
                      t("person.no_accesses")),
        )  # fmt: skip
        return call.shown(self._view(call, tables=tables))

    def _view(self, call: StaffCall, *, fault: str = "", tables: tuple[TableView, ...] = ()) -> RoomView:
        t = call.t
        form = FormView(
            f"{ROOT}/person", "post",
            (
                FieldView("bsn", t("person.bsn"), required=True, hint=t("person.bsn_hint")),
                FieldView("reason", t("person.reason"), required=True, hint=t("person.reason_hint")),
            ),
            t("person.look"),
        )  # fmt: skip
        return RoomView(t("rooms.person"), t("person.lead"), (form,), tables, fault=fault)


@dataclass(frozen=True, slots=True)
class TraceRoom:
    """What became of a request: by the number that an app or a page of ours shows."""

    guard: StaffGuard
    service: Callable[[str], str]

    @property
    def routes(self) -> list[BaseRoute]:
        """The page."""
        return [self.guard.page("trace", Right.TRACE, "trace", self.show)]

    async def show(self, call: StaffCall) -> Response:
        """The form, and the requests with this number, each with why it gave what it gave."""
        t, query = call.t, call.request.query_params
        wanted, days = query.get("id", "").strip(), query.get("days", "7")
        days = days if days in DAYS else "7"
        fault, records = "", list[Mapping[str, Any]]()
        if wanted and not _TRACE.fullmatch(wanted):
            fault = t("trace.no_number")
        await call.note("trace:view", reason=wanted if wanted and not fault else "")
        if wanted and not fault:
            since = call.now - timedelta(days=int(days))
            records = await call.read(
                lambda connection: list(_of_trace(connection, wanted.lower(), since, call.account.providers))
            )
        form = FormView(
            f"{ROOT}/trace", "get",
            (
                FieldView("id", t("trace.number"), value="" if fault else wanted, required=True, hint=t("trace.hint")),
                FieldView("days", t("trace.days"), "select", days,
                          tuple((one, t("inbox.days", count=one)) for one in DAYS)),
            ),
            t("inbox.find"),
        )  # fmt: skip
        rows = [_line(call, one, self.service, why=True) for one in records]
        heads = (*_heads(call), t("trace.why"))
        tables = (TableView(t("trace.count", count=len(rows)), heads, rows, t("trace.none")),) if wanted else ()
        return call.shown(RoomView(t("rooms.trace"), t("trace.lead"), (form,), tables, fault=fault))


def _of_person(connection: Connection, person: str, providers: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    wanted = select(audit_record.c.record).where(
        audit_record.c.person == person, audit_record.c.provider.in_([*providers, ""])
    )
    rows = connection.execute(wanted.order_by(audit_record.c.at.desc()).limit(MOST_LINES))
    return (msgspec.json.decode(bytes(one.record)) for one in rows.all())


def _of_trace(
    connection: Connection, wanted: str, since: datetime, providers: Sequence[str]
) -> Iterator[Mapping[str, Any]]:
    """The records with this number: a prefix of eight figures will do, as people read it over the telephone."""
    rows = connection.execution_options(yield_per=1000).execute(
        select(audit_record.c.record)
        .where(audit_record.c.at >= since, audit_record.c.provider.in_([*providers, ""]))
        .order_by(audit_record.c.at.desc())
        .limit(LOOKED_THROUGH)
    )
    mark, count = f'"{wanted}'.encode(), 0
    for one in rows:
        record = bytes(one.record)
        if mark not in record:
            continue
        held = msgspec.json.decode(record)
        numbers = (str(held.get("request_id", "")), str(held.get("correlation_id", "")))
        if any(number.lower().startswith(wanted) for number in numbers) and (count := count + 1) <= MOST_LINES:
            yield held


def _heads(call: StaffCall) -> tuple[str, ...]:
    return tuple(call.t(f"trace.head_{one}") for one in ("when", "who", "what", "outcome", "count"))


def _line(call: StaffCall, record: Mapping[str, Any], service: Callable[[str], str], *, why: bool = False) -> RowView:
    status = int(record.get("outcome", 0))
    at = datetime.fromisoformat(str(record["at"])).astimezone(UTC)
    what = " ".join(
        str(one) for one in (record.get("action", ""), service(str(record.get("service", ""))), record.get("rule", ""))
        if one
    )  # fmt: skip
    count = ", ".join(f"{type_} {number}" for type_, number in record.get("resources", ()))
    cells: list[str | CellView] = [
        minute(at),
        str(record.get("client", "")),
        what,
        CellView(str(status), mark=status >= 400),
        count,
    ]
    return row(*cells, *((_why(call, record, status),) if why else ()))


def _why(call: StaffCall, record: Mapping[str, Any], status: int) -> str:
    """Why a request gave what it gave, in a sentence for who answers the telephone."""
    t, gaps = call.t, [str(one) for one in record.get("gaps", ())]
    if status >= 400:
        key = f"why_{status}" if status in (401, 403, 404, 429, 503) else "why_5" if status >= 500 else "why_4"
        told = t(f"trace.{key}")
        return f"{told} ({record['reason']})" if record.get("reason") else told
    if gaps:
        return t("trace.why_gap", gaps=", ".join(gaps))
    if record.get("incidents"):
        return t("trace.why_incident")
    return t("trace.why_full" if record.get("resources") else "trace.why_empty")
