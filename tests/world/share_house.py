"""A hospital that takes in what citizens send: two persons it knows, their tokens, and a look into what was kept."""

import base64
import copy
import io
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pikepdf
from anyio.from_thread import BlockingPortal, start_blocking_portal
from databases import database
from sqlalchemy import Engine, delete, select, update
from starlette.types import ASGIApp
from world.intake_house import pushing, source

from auth.crypto import digest
from auth.store.rows import milliseconds
from auth.store.tables import access_tokens
from gateway.app import create_app
from gateway.cli.db import upgrade
from gateway.intake.settings import IntakeSettings
from gateway.sections import ProviderSettings
from gateway.settings import Settings, load
from gateway.share.inbox import Inbox, WaitingShare
from gateway.store.engine import open_engine, reading
from gateway.store.schema import audit_record, resource
from gateway.store.shared import shared_item, submission
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.version import FhirVersion
from workbench.plugin import workbench
from workbench.statictokens import StaticToken, issue

PROVIDER = "ziekenhuiszandoord"
ANNA, BRAM, CARLA = "999990019", "999990020", "999990032"
TOKENS = {ANNA: "anna-token-0123456789", BRAM: "bram-token-0123456789", CARLA: "carla-token-0123456789"}
MEASURE, DOCUMENT, PHOTO, FORM, CORRECT = "9008", "9004", "9007", "59", "9009"
"""Data services that take something in."""
COLLECT = "52"
"""Measurements, as they are collected."""
SERVICES = (MEASURE, DOCUMENT, PHOTO, FORM, CORRECT, COLLECT)
BSN_SYSTEM = "http://fhir.nl/fhir/NamingSystem/bsn"
NL_CORE, ZIB = "http://fhir.nl/fhir/StructureDefinition/", "http://nictiz.nl/fhir/StructureDefinition/"
JSON, XML = "application/fhir+json", "application/fhir+xml"
NAMES = {ANNA: ("anna", "Lindegaarde", "female"), BRAM: ("bram", "Polsbreukhuizen", "male")}
TOPIC = "https://hl7.org/fhir/uv/fhir-patient-correction/CodeSystem/PatientCorrectionCommunicationTypes"


def patient(bsn: str, version: FhirVersion = FhirVersion.STU3) -> dict[str, Any]:
    """The Patient as the EHR pushes it."""
    id_, family, gender = NAMES[bsn]
    profile = f"{NL_CORE}nl-core-patient" if version is FhirVersion.STU3 else f"{ZIB}nl-core-Patient"
    return {
        "resourceType": "Patient",
        "id": id_,
        "meta": {"profile": [profile]},
        "identifier": [{"system": BSN_SYSTEM, "value": bsn}],
        "name": [{"family": family, "given": ["A"]}],
        "gender": gender,
        "birthDate": "1970-01-31",
    }


def urn() -> str:
    """A fresh fullUrl."""
    return f"urn:uuid:{uuid.uuid4()}"


def sender(url: str, bsn: str = ANNA, **change: Any) -> dict[str, Any]:
    """The Patient entry that a client sends along."""
    made = {name: value for name, value in patient(bsn).items() if name not in ("id", "identifier")}
    return entry(url, made | change)


def entry(url: str, resource: Mapping[str, Any], method: str = "POST", address: str = "") -> dict[str, Any]:
    """One entry of a Bundle."""
    target = address or str(resource["resourceType"])
    return {"fullUrl": url, "resource": dict(resource), "request": {"method": method, "url": target}}


def bundle(kind: str, *entries: Mapping[str, Any]) -> dict[str, Any]:
    """A batch or transaction."""
    return {"resourceType": "Bundle", "type": kind, "entry": [copy.deepcopy(dict(one)) for one in entries]}


def weight(who: str, value: Any = 72.5, **change: Any) -> dict[str, Any]:
    """A body weight that a person measured."""
    return {
        "resourceType": "Observation",
        "meta": {"profile": [f"{ZIB}zib-BodyWeight"]},
        "identifier": [{"system": "urn:oid:2.16.840.1.113883.2.4.3.11.999.7.6", "value": uuid.uuid4().hex}],
        "status": "final",
        "category": [{"coding": [{"system": "http://hl7.org/fhir/observation-category", "code": "vital-signs",
                                  "display": "Vital Signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]},
        "subject": {"reference": who, "display": "A. Lindegaarde"},
        "effectiveDateTime": "2026-01-05T08:00:00+01:00",
        "performer": [{"reference": who, "display": "A. Lindegaarde"}],
        "valueQuantity": {"value": value, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    } | change  # fmt: skip


def measurements(*values: Any, kind: str = "batch", bsn: str = ANNA) -> dict[str, Any]:
    """A Bundle of body weights."""
    who = urn()
    return bundle(kind, sender(who, bsn), *(entry(urn(), weight(who, value)) for value in values or (72.5,)))


def pdf(**change: Any) -> bytes:
    """A PDF that claims to be PDF/A-2b; ``script`` puts JavaScript into it, ``password`` locks it."""
    with pikepdf.new() as made, io.BytesIO() as stream:
        made.add_blank_page(page_size=(200, 200))
        with made.open_metadata() as data:
            data["pdfaid:part"], data["pdfaid:conformance"], data["dc:title"] = "2", "B", "Brief"
        if change.get("script"):
            made.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
        locked = pikepdf.Encryption(owner="x", user="y") if change.get("password") else False
        made.save(stream, encryption=locked)
        return stream.getvalue()


def document(content: bytes, media: str = "application/pdf", **attachment: Any) -> dict[str, Any]:
    """A document as IHE MHD brings it."""
    who, paper, file = urn(), urn(), urn()
    ids = {
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:2.25.{uuid.uuid4().int}"},
        "identifier": [{"system": "https://pgo.example/documents", "value": uuid.uuid4().hex}],
    }
    kind = {"coding": [{"system": "http://snomed.info/sct", "code": "371535009", "display": "verslag van overdracht"}]}
    author = {"resourceType": "Practitioner", "id": "p1", "name": [{"family": "Janssen"}]}
    manifest = {
        "resourceType": "DocumentManifest", "meta": {"profile": [f"{ZIB}IHE.MHD.DocumentManifest"]},
        "contained": [author], **ids, "status": "current", "type": kind,
        "subject": {"reference": who, "display": "A. Lindegaarde"}, "created": "2026-01-05T00:00:00+01:00",
        "author": [{"reference": "#p1", "display": "Janssen"}], "source": "https://pgo.example",
        "content": [{"pReference": {"reference": paper, "display": "Brief"}}],
    }  # fmt: skip
    reference = {
        "resourceType": "DocumentReference", "meta": {"profile": [f"{ZIB}IHE.MHD.Minimal.DocumentReference"]},
        "contained": [author], **ids, "status": "current", "type": kind,
        "subject": {"reference": who, "display": "A. Lindegaarde"}, "indexed": "2026-01-05T00:00:00+01:00",
        "author": [{"reference": "#p1", "display": "Janssen"}], "description": "Brief",
        "content": [{"attachment": {"contentType": media, "url": file, "title": "Brief"} | attachment}],
    }  # fmt: skip
    binary = {"resourceType": "Binary", "contentType": media, "content": base64.b64encode(content).decode()}
    return bundle(
        "transaction", sender(who), entry(urn(), manifest), entry(paper, reference), entry(file, binary)
    )  # fmt: skip


def correction(kind: str = "medRecCxReq", text: str = "Mijn geboorteplaats klopt niet.") -> dict[str, Any]:
    """A request to correct the record (R4)."""
    who, house = urn(), urn()
    person = {"reference": who, "type": "Patient", "display": "A. Lindegaarde"}
    asked = {
        "resourceType": "Communication",
        "meta": {"profile": [f"{ZIB}dwv-PatientCorrectionsCommunication"]},
        "identifier": [{"system": "https://pgo.example/requests", "value": uuid.uuid4().hex}],
        "status": "completed",
        "category": [{"coding": [{"system": TOPIC, "code": kind, "display": "Medical Record Correction Request"}]}],
        "subject": person,
        "topic": {"text": "Correctie"},
        "sent": "2026-01-05T08:00:00+01:00",
        "recipient": [{"reference": house, "type": "Organization", "display": "Ziekenhuis Zandoord"}],
        "sender": person,
        "payload": [{"contentString": text}],
    }
    organization = {"resourceType": "Organization", "name": "Ziekenhuis Zandoord"}
    known = {**sender(who)["resource"], "meta": {"profile": [f"{ZIB}nl-core-Patient"]}}
    return bundle("transaction", entry(who, known), entry(house, organization), entry(urn(), asked))


class ShareHouse:
    """The gateway of the hospital, and what it kept."""

    def __init__(self, settings: Settings, app: ASGIApp, portal: BlockingPortal) -> None:
        self.settings = settings
        self.app = app
        self.portal = portal
        self.engine: Engine = open_engine(settings.database_url)

    def call(self, method: str, path: str, service: str, bsn: str = ANNA, **options: Any) -> httpx.Response:
        """One request in somebody's name."""
        return self.portal.call(partial(self._call, method, path, service, bsn, **options))

    def send(self, body: Any, service: str = MEASURE, bsn: str = ANNA, **options: Any) -> httpx.Response:
        """Send a Bundle, and ask for it back. ``form`` is json or xml; ``r4``: the release."""
        form = options.pop("form", "json")
        version = FhirVersion.R4 if service == CORRECT else FhirVersion.STU3
        content = body if isinstance(body, bytes) else jsonio.dump(exact(body))
        if form == "xml" and not isinstance(body, bytes):
            content = xmlio.dump(exact(body), version)
        media = XML if form == "xml" else JSON
        headers = {"content-type": media, "accept": media, "prefer": "return=representation"}
        headers |= options.pop("headers", {})
        return self.call("POST", "", service, bsn, content=content, headers=headers, **options)

    async def _call(self, method: str, path: str, service: str, bsn: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {TOKENS[bsn]}", "x-correlation-id": str(uuid.uuid4())}
        headers = {"medmij-request-id": str(uuid.uuid4())} | headers | options.pop("headers", {})
        transport = httpx.ASGITransport(app=self.app)
        base = f"{self.settings.base_url}/{PROVIDER}/{service}/fhir"
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.request(method, f"{base}/{path}" if path else base, headers=headers, **options)

    def lines(self, **asked: Any) -> list[WaitingShare]:
        """The inbox, repeats left out."""
        with reading(self.engine).connect() as connection:
            return Inbox(connection).lines(PROVIDER, **asked)

    def count(self) -> tuple[int, int]:
        """Submissions, and items in them."""
        with self.engine.connect() as connection:
            return (
                len(connection.execute(select(submission.c.pk)).all()),
                len(connection.execute(select(shared_item.c.pk).where(shared_item.c.role == "item")).all()),
            )

    def records(self) -> list[dict[str, Any]]:
        """The access trail, oldest first."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(audit_record.c.record).order_by(audit_record.c.at))
            return [json.loads(bytes(row.record)) for row in rows]

    def expire(self, bsn: str, left: timedelta = timedelta(seconds=-1)) -> None:
        """Let somebody's token end this long from now."""
        ends = milliseconds(datetime.now(UTC) + left)
        mine = update(access_tokens).where(access_tokens.c.digest == digest(TOKENS[bsn]))
        with self.engine.begin() as connection:
            connection.execute(mine.values(expires=ends))

    def forget(self) -> None:
        """Forget everything that was sent and offered, for the next test."""
        with self.engine.begin() as connection:
            connection.execute(delete(submission))
            connection.execute(delete(resource).where(resource.c.type == "Task"))

    def dump(self) -> bytes:
        """Every byte of the database, to look for what may not be in it (SQLite)."""
        path = Path(str(self.engine.url.database))
        return b"".join(one.read_bytes() for one in path.parent.iterdir() if one.is_file())


def exact(body: Any) -> Any:
    """The same with every float as the decimal that it is written as."""
    return jsonio.load(json.dumps(body).encode())


@contextmanager
def share_house(kind: str, folder: Path, **sections: Any) -> Iterator[ShareHouse]:
    """The hospital on an empty database. ``sections`` are sections of the settings; ``provider`` changes that of it."""
    provider = {"display_name": "Ziekenhuis Zandoord", "services": SERVICES} | sections.pop("provider", {})
    with database(kind, folder) as url:
        engine = open_engine(url)
        upgrade(engine)
        limits = {"limits": load().limits.model_copy(update={"audit_seconds": 20, "database_seconds": 20})}
        settings = load().model_copy(
            update={"database_url": url, "providers": {PROVIDER: ProviderSettings(**provider)}, **limits, **sections}
        )
        epd = IntakeSettings(sources={"epd": source()})
        with pushing(url, epd) as intake:
            for bsn in NAMES:
                for version in FhirVersion:
                    headers = {"content-type": f"{JSON}; fhirVersion={version.mime}"}
                    made = patient(bsn, version)
                    assert intake.send("PUT", f"/intake/epd/Patient/{made['id']}", made, headers=headers).is_success
        rows = [StaticToken(token=TOKENS[bsn], provider=PROVIDER, services=list(SERVICES), bsn=bsn) for bsn in TOKENS]
        issue(engine, settings, rows)
        engine.dispose()
        with start_blocking_portal() as portal:
            house = ShareHouse(settings, create_app(settings, workbench=workbench), portal)
            try:
                yield house
            finally:
                house.engine.dispose()


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)
