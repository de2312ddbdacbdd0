"""What the gateway answers to the authorization server: availability from the store, the access log, and events."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice

import msgspec
from sqlalchemy import Engine, select

from auth.events import Event
from auth.ports import AbsenceReason, AccessEntry, Available, Person, Provider, SentEntry, StoreSilent
from gateway.availability import Availabilities
from gateway.calendar import utc
from gateway.chainlog import ChainLog
from gateway.current import CURRENT
from gateway.share.inbox import Inbox, WaitingShare
from gateway.store.engine import reading
from gateway.store.reader import StoreUnavailable
from gateway.store.schema import audit_record
from profiles.standards.load import catalogue

SENDING = frozenset({"batch", "transaction", "create", "update"})
"""Interactions by which a person sends something."""
TOLD_AS = {"inbox": "received", "returned": "asked", "refused": "declined"}
"""What a person reads of states that are for staff."""
chain_log = logging.getLogger("gateway.chain")


class GatewayHost:
    """Implements ``auth.ports.Host``."""

    def __init__(self, engine: Engine, availabilities: Availabilities, chain: ChainLog) -> None:
        self._engine = engine
        self._availabilities = availabilities
        self._chain = chain

    async def availability(
        self, provider: Provider, person: Person, services: frozenset[str], actor: Person | None
    ) -> Available:
        """The services that can be delivered for the person (AVL-01, AVL-05)."""
        try:
            return await self._availabilities.of(provider, person, services)
        except StoreUnavailable as fault:
            raise StoreSilent from fault

    async def receivability(
        self, provider: Provider, person: Person, services: frozenset[str], actor: Person | None
    ) -> Available:
        """A person who is known here may share (AVL-07)."""
        try:
            known = await self._availabilities.relation(provider, person)
        except StoreUnavailable as fault:
            raise StoreSilent from fault
        if known.relation:
            return Available(services, None, known.birth_date)
        return Available(frozenset(), AbsenceReason.NO_RELATION)

    async def access_log(self, pseudonym: str, limit: int) -> Sequence[AccessEntry]:
        """The newest accesses to this person's data that gave an answer, one entry per request."""
        return await asyncio.to_thread(self._access_log, pseudonym, limit)

    async def sent(self, pseudonym: str, limit: int) -> Sequence[SentEntry]:
        """What this person sent, and what became of it."""
        return await asyncio.to_thread(self._sent, pseudonym, limit)

    def note(self, event: Event) -> None:
        """Write a chain log event as one line of JSON, and hand it over for delivery (LOG-01, LOG-08)."""
        current = CURRENT.get()
        if current is not None:
            current.client = current.client or event.client_id or ""
            current.request_id = current.request_id or event.request_id or ""
            current.correlation_id = current.correlation_id or event.trace_id or ""
            current.session_id = current.session_id or event.session_id or ""
        body = msgspec.json.encode(chain_event(event))
        chain_log.info("%s", body.decode())
        self._chain.put(body)

    def _sent(self, pseudonym: str, limit: int) -> Sequence[SentEntry]:
        with reading(self._engine).connect() as connection:
            inbox = Inbox(connection)
            return [
                _sent_entry(line, client, inbox.reasons(line.id))
                for line, client in inbox.with_clients(pseudonym, limit)
            ]

    def _access_log(self, pseudonym: str, limit: int) -> Sequence[AccessEntry]:
        with reading(self._engine).connect() as connection:
            rows = connection.execution_options(yield_per=500).execute(
                select(audit_record.c.record)
                .where(audit_record.c.person == pseudonym)
                .order_by(audit_record.c.at.desc())
            )
            records = (record for row in rows if (record := _decoded(row.record)) is not None)
            # What an EHR pushed is in the trail too; the person is told who collected.
            # Staff who looked at what the person sent collected nothing: what was sent has a list of its own. Nor did
            # the gateway, when it looked for what is new.
            collected = (one for one in records if one.get("outcome") == 200 and one.get("service") and _collected(one))
            return [_entry(record) for record in islice(collected, limit)]


def _decoded(record: object) -> dict[str, object] | None:
    """What a record says; None for what is none (`gateway audit verify` names it): the person sees the others."""
    try:
        return msgspec.json.decode(record, type=dict[str, object]) if isinstance(record, bytes) else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _collected(record: Mapping[str, object]) -> bool:
    looked_at = str(record.get("action", "")).startswith(("staff:", "gateway:"))
    return not looked_at and record.get("interaction") not in SENDING


def _sent_entry(line: WaitingShare, client: str, items: Sequence[tuple[str, str]]) -> SentEntry:
    told = dict.fromkeys(reason for _, reason in items if reason)
    states = Counter(TOLD_AS.get(state, state) for state, _ in items)
    return SentEntry(
        utc(line.received), client, line.provider, line.service, tuple(sorted(states.items())), tuple(told)
    )


def chain_event(event: Event) -> Mapping[str, object]:
    """An event in the shape of the central chain log (LOG-01, LOG-02); empty members are left out."""
    request = {
        "id": event.request_id,
        "method": event.method,
        "client_id": event.client_id,
        "server_id": event.server_id,
        "uri": event.uri,
        "grant_type": event.grant_type,
        "initiated_by": event.initiated_by,
        "provider_id": event.provider_id,
        "service_id": int(event.service_id) if event.service_id and event.service_id.isdigit() else None,
    }
    shown: dict[str, object] = {
        "event": _filled(
            {
                "type": event.type.value,
                "location": event.server_id,
                "datetime": event.time.isoformat(timespec="milliseconds"),
                "session_id": event.session_id,
                "trace_id": event.trace_id,
            }
        ),
        "request": _filled(request),
        "response": _filled({"id": event.request_id if event.status else None, "status": event.status}),
        "error": _filled({"code": event.error_code, "description": event.error_description}),
    }
    return {name: members for name, members in shown.items() if members}


def _filled(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}


def _entry(record: Mapping[str, object]) -> AccessEntry:
    standard, _ = catalogue().service(str(record["service"]))
    rules = {rule.id: rule for rule in standard.rules}
    rule = rules.get(str(record.get("rule", "")))
    resources = record.get("resources")
    # What came along with what was asked for (a medicine's product, a practitioner) is not counted as one more.
    asked = [pair for pair in resources if rule is None or pair[0] == rule.type] if isinstance(resources, list) else []
    count = sum(int(pair[1]) for pair in asked)
    return AccessEntry(
        time=datetime.fromisoformat(str(record["at"])).astimezone(UTC),
        client=str(record.get("client", "")),
        provider=str(record.get("provider", "")),
        service_id=str(record["service"]),
        what=rule.name_nl if rule else str(record.get("interaction", "")),
        count=count,
        represented_by=str(record["actor"]) if record.get("actor") else None,
    )
