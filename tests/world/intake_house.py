"""The internal listener in a small world: a hospital's systems that push, and who reads what they pushed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from databases import database
from sqlalchemy import Engine, select, text
from starlette.types import ASGIApp

from gateway.audit.verify import verify
from gateway.cli.db import upgrade
from gateway.intake.listener import IntakeParts
from gateway.intake.settings import IntakeSettings, SourceSettings
from gateway.settings import Settings, load
from gateway.store.engine import open_engine
from gateway.store.schema import audit_record, resource
from gateway.wiring.intake import wire_intake
from profiles.fhir.codec.packing import unpack

PROVIDER = "ziekenhuiszandoord"
BSN, OTHER_BSN = "999990019", "999990020"
BSN_SYSTEM = "http://fhir.nl/fhir/NamingSystem/bsn"
ZIB = "http://nictiz.nl/fhir/StructureDefinition/"
NL_CORE = "http://fhir.nl/fhir/StructureDefinition/"


def patient(id_: str = "p1", bsn: str | None = BSN, **change: Any) -> dict[str, Any]:
    """A Patient that meets nl-core-patient."""
    made: dict[str, Any] = {
        "resourceType": "Patient",
        "id": id_,
        "meta": {"profile": [f"{NL_CORE}nl-core-patient"]},
        "name": [{"family": "Testpersoon", "given": ["Tessa"]}],
        "gender": "female",
        "birthDate": "1970-01-31",
    }
    if bsn:
        made["identifier"] = [{"system": BSN_SYSTEM, "value": bsn}]
    return made | change


def condition(id_: str = "c1", whose: str = "p1", **change: Any) -> dict[str, Any]:
    """A Condition that meets zib-Problem."""
    return {
        "resourceType": "Condition",
        "id": id_,
        "meta": {"profile": [f"{ZIB}zib-Problem"]},
        "identifier": [{"system": "https://epd.example/problem", "value": f"problem-{id_}"}],
        "clinicalStatus": "active",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "195967001", "display": "Asthma"}]},
        "subject": {"reference": f"Patient/{whose}", "display": "Tessa Testpersoon"},
    } | change


def without(resource: dict[str, Any], *names: str) -> dict[str, Any]:
    """The resource without some of its elements."""
    return {name: value for name, value in resource.items() if name not in names}


def bundle(kind: str, *entries: tuple[str, str, dict[str, Any] | None]) -> dict[str, Any]:
    """A transaction or batch of (method, url, resource)."""
    rows = []
    for method, url, body in entries:
        row: dict[str, Any] = {"request": {"method": method, "url": url}}
        rows.append(row | ({"resource": body} if body is not None else {}))
    return {"resourceType": "Bundle", "type": kind, "entry": rows}


def source(**change: Any) -> SourceSettings:
    """A source of the hospital that nobody asks who it is."""
    given = {"provider": PROVIDER, "auth": {"kind": "none"}} | change
    return SourceSettings.model_validate(given)


def settings_for(url: str, section: IntakeSettings) -> Settings:
    """Test mode on this database."""
    return load().model_copy(update={"database_url": url, "intake": section})


class House:
    """The listener of one database, and a look into the store."""

    def __init__(self, url: str, settings: Settings, made: IntakeParts, portal: BlockingPortal) -> None:
        self.portal = portal
        self.url = url
        self.settings = settings
        self.parts = made
        self.engine: Engine = open_engine(url)

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """One request to the listener; ``body`` is a resource, or bytes."""
        return self.portal.call(partial(send, self.parts.app, method, path, body, **options))

    def stored(self) -> dict[str, Any]:
        """What is served now, by Type/id."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(resource.c.type, resource.c.id, resource.c.json).where(resource.c.deleted.is_(False))
            )
            return {f"{row.type}/{row.id}": json.loads(unpack(row.json)) for row in rows}

    def count(self, table: str) -> int:
        """The rows of a table."""
        with self.engine.connect() as connection:
            return int(connection.execute(text(f"select count(*) from {table}")).scalar_one())

    def audit(self) -> list[dict[str, Any]]:
        """The audit records, oldest first; the chain must be whole."""
        key = self.settings.audit_key.get_secret_value().encode()
        with self.engine.connect() as connection:
            assert list(verify(connection, key)) == []
            rows = connection.execute(select(audit_record.c.record).order_by(audit_record.c.sequence))
            return [json.loads(row.record) for row in rows]


async def send(app: ASGIApp, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
    """One request to an ASGI application."""
    headers = {"content-type": "application/fhir+json"} | dict(options.pop("headers", {}))
    content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://intake.example") as client:
        return await client.request(method, path, content=content, headers=headers, **options)


@contextmanager
def house(kind: str, folder: Path, section: IntakeSettings | None = None, **sources: SourceSettings) -> Iterator[House]:
    """A listener on an empty database."""
    with database(kind, folder) as url:
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        with pushing(url, section, **sources) as found:
            yield found


@contextmanager
def pushing(url: str, section: IntakeSettings | None = None, **sources: SourceSettings) -> Iterator[House]:
    """A listener on a database that is there."""
    settings = settings_for(url, section or IntakeSettings(sources=sources or {"epd": source()}))
    with start_blocking_portal() as portal:
        found = House(url, settings, portal.call(wire_intake, settings), portal)
        try:
            yield found
        finally:
            found.engine.dispose()
            portal.call(found.parts.close)
