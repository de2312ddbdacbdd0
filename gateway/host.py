"""What the gateway answers to the authorization server: availability from the store, the access log, and events."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import msgspec
from sqlalchemy import Engine, select

from auth.events import Event
from auth.ports import AccessEntry, Available, Person, Provider, Reason
from gateway.collect.held import Held
from gateway.collect.record import Record, Whose
from gateway.intake.expect import fits
from gateway.store.engine import reading
from gateway.store.queries import PATIENTS
from gateway.store.reader import Reader
from gateway.store.schema import audit_record
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue
from profiles.standards.model import RequestRule

chain_log = logging.getLogger("gateway.chain")

GENERAL = frozenset({"Patient"})
"""Types that every record has, and that say nothing about which data are there."""


class StoreHost:
    """Implements ``auth.ports.Host`` on what was imported or pushed."""

    def __init__(self, engine: Engine, reader: Reader) -> None:
        self._engine = engine
        self._reader = reader

    async def availability(
        self, provider: Provider, person: Person, services: frozenset[str], actor: Person | None
    ) -> Available:
        """The services for which the person's record holds a resource of the standard's own types (AVL-01)."""
        birth_date: date | None = None
        known = False
        found: set[str] = set()
        for version in FhirVersion:
            who = {"provider": provider.name, "fhir": version.value, "person": person.pseudonym, "patient_id": ""}
            patients = await self._reader.fetch(PATIENTS, who)
            if patients:
                known = True
                birth_date = birth_date or _date(patients[0][2])
                record = Record(self._reader, Whose(provider.name, version, person.pseudonym))
                found |= {id_ for id_ in services if await _offers(id_, version, record)}
        reason = None if found else Reason.EMPTY if known else Reason.NO_RELATION
        return Available(frozenset(found), reason, birth_date)

    async def receivability(
        self, provider: Provider, person: Person, services: frozenset[str], actor: Person | None
    ) -> Available:
        """A person who is known here may share (AVL-07)."""
        for version in FhirVersion:
            who = {"provider": provider.name, "fhir": version.value, "person": person.pseudonym, "patient_id": ""}
            patients = await self._reader.fetch(PATIENTS, who)
            if patients:
                return Available(services, None, _date(patients[0][2]))
        return Available(frozenset(), Reason.NO_RELATION)

    async def access_log(self, pseudonym: str, limit: int) -> Sequence[AccessEntry]:
        """The newest accesses to this person's data that gave an answer, one entry per request."""
        return await asyncio.to_thread(self._access_log, pseudonym, limit)

    def note(self, event: Event) -> None:
        """Write a chain log event as one line of JSON (LOG-01)."""
        chain_log.info("%s", msgspec.json.encode(chain_event(event)).decode())

    def _access_log(self, pseudonym: str, limit: int) -> Sequence[AccessEntry]:
        with reading(self._engine).connect() as connection:
            rows = connection.execute(
                select(audit_record.c.record)
                .where(audit_record.c.person == pseudonym)
                .order_by(audit_record.c.at.desc())
                .limit(limit)
            ).all()
        records = (msgspec.json.decode(row.record) for row in rows)
        return [_entry(record) for record in records if record.get("outcome") == 200]


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


async def _offers(service_id: str, version: FhirVersion, record: Record) -> bool:
    """Whether some row of the service has an answer in the record: its filters fit, or its profile is claimed."""
    standard, service = catalogue().service(service_id)
    if standard.fhir is not version:
        return False
    for rule in standard.rules_of(service):
        if rule.method != "GET" or rule.type is None or rule.type in GENERAL:
            continue
        record.of_type(rule.type)
        await record.load()
        for held in record.of_type(rule.type):
            if fits(rule, version, held.data) and (rule.query or _claims(held, rule)):
                return True
    return False


def _claims(held: Held, rule: RequestRule) -> bool:
    claimed = held.data.get("meta", {}).get("profile", ())
    return not rule.profiles or any(profile in rule.profiles for profile in claimed)


def _entry(record: Mapping[str, object]) -> AccessEntry:
    standard, _ = catalogue().service(str(record["service"]))
    names = {rule.id: rule.name_nl for rule in standard.rules}
    resources = record.get("resources")
    count = sum(int(pair[1]) for pair in resources) if isinstance(resources, list) else 0
    return AccessEntry(
        time=datetime.fromisoformat(str(record["at"])).astimezone(UTC),
        client=str(record.get("client", "")),
        provider=str(record.get("provider", "")),
        service_id=str(record["service"]),
        what=names.get(str(record.get("rule", "")), str(record.get("interaction", ""))),
        count=count,
        represented_by=str(record["actor"]) if record.get("actor") else None,
    )


def _date(value: object) -> date | None:
    if isinstance(value, date):
        return value
    return date.fromisoformat(value) if isinstance(value, str) else None
