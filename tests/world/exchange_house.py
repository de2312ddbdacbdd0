"""Two institutions that exchange over real mutual TLS, each with a gateway, a database and keys of its own."""

import base64
import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from databases import database
from joserfc.jwk import ECKey, KeySet
from security.pki import Identity, Pki
from security.tlsworld import client_context
from servers import free_port
from sqlalchemy import Engine, func, select
from world.intake_house import BSN, OTHER_BSN, condition, patient

from auth.peer.tls import TlsSettings
from gateway.audit.verify import verify
from gateway.cli.db import upgrade
from gateway.exchange.inbox import ExchangeInbox, ReceivedReferral
from gateway.exchange.referrals import Order
from gateway.exchange.running import ExchangeParts, listening
from gateway.exchange.settings import ExchangeSettings, PartnerSettings, PartySettings
from gateway.exchange.trust import NOBODY, User
from gateway.intake.bulk import bring
from gateway.intake.outcome import ImportOutcome
from gateway.intake.read import InputItem
from gateway.intake.sender import Door
from gateway.sections import ProviderSettings
from gateway.settings import Settings, load
from gateway.share.keep import Keys
from gateway.store.engine import open_engine
from gateway.store.exchanged import referral
from gateway.store.schema import audit_record
from gateway.wiring import keys_of, open_gate
from gateway.wiring.exchange import open_referrals, wire_exchange
from gateway.wiring.intake import open_intake
from profiles.fhir.codec import jsonio
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue

HOSPITAL, GGZ, STRANGER = "ziekenhuiszandoord", "ggzmerwerand", "vreemdehuis"
URA = {HOSPITAL: "90000001", GGZ: "90000002", STRANGER: "90000003"}
DOCTOR = User("900012345", "01.015")
SCOPES = ("ta-np-notification", "bgz-sender", "eOverdracht-receiver", "eOverdracht-sender")
JSON, XML = "application/fhir+json", "application/fhir+xml"
PDF = b"%PDF-1.7\n" + b"brief " * 40
BASE = "authorization-base"


@dataclass
class Institution:
    """One of them: its settings, its certificate, and its gateway while it runs."""

    name: str
    settings: Settings
    identity: Identity
    pki: Pki
    folder: Path
    portal: BlockingPortal
    engine: Engine
    parts: ExchangeParts | None = None
    refused: list[str] = field(default_factory=list)

    @property
    def running(self) -> ExchangeParts:
        assert self.parts is not None
        return self.parts

    @property
    def base(self) -> str:
        return self.settings.exchange.base_url

    def know(self, *resources: dict[str, Any]) -> None:
        """Take resources into the record, as an EHR would deliver them."""
        gate = open_gate(self.settings)
        intake = open_intake(self.engine, self.settings, gate)
        sender = intake.importer(self.name, "epd", Door("operator", "test", "epd: test"))
        items = [
            InputItem(
                f"{one['resourceType']}/{one['id']}", frozenset({FhirVersion.STU3}), one, jsonio.dump(one), "json"
            )
            for one in resources
        ]
        bring(intake, sender, items, ImportOutcome(lambda origin, text: self.refused.append(f"{origin}: {text}")))
        assert not self.refused

    def refer(self, to: str, data_set: str = "bgz-msz-2", **change: Any) -> str:
        """A referral of the patient of these tests."""
        given = {"bsn": BSN, "by": "arts", "evidence": "besproken met de patiënt"} | change
        order = Order(provider=self.name, partner=to, **given)
        standard = catalogue().standards["eoverdracht-4" if order.flow == "eoverdracht" else data_set]
        with self.engine.begin() as store:
            return open_referrals(self.settings).refer(store, order, standard, datetime.now(UTC))

    def deliver(self, now: datetime | None = None) -> int:
        """Send what is due; how many notifications were tried."""
        tried = 0
        while self.portal.call(self.running.notices.round, now or datetime.now(UTC)):
            tried += 1
        return tried

    def token(self, at: str, scope: str, base: str = "", user: User = NOBODY) -> str:
        """An access token at another institution."""
        return str(self.portal.call(partial(self.running.pull.trust.token, self.name, at, scope, base, user)))

    def ask(self, method: str, url: str, token: str = "", **options: Any) -> httpx.Response:
        """One request over a connection with this institution's certificate."""
        headers = {"accept": JSON} | ({"authorization": f"Bearer {token}"} if token else {})
        headers |= options.pop("headers", {})
        verify_by = client_context(self.pki, options.pop("identity", self.identity), self.folder)
        with httpx.Client(verify=verify_by, trust_env=False, timeout=30) as client:
            return client.request(method, url, headers=headers, **options)

    def inbox(self) -> list[ReceivedReferral]:
        """What was received, opened."""
        with self.engine.connect() as store:
            inbox = ExchangeInbox(store, Keys(*keys_of(self.settings)))
            opened = [inbox.open(line.id) for line in inbox.lines(self.name, open_only=False)]
        return [one for one in opened if one is not None]

    def task(self, id_: str) -> dict[str, Any]:
        """The workflow Task of a referral, as its sender keeps it."""
        with self.engine.connect() as store:
            partner = store.execute(select(referral.c.partner).where(referral.c.id == id_)).scalar_one()
            kept = open_referrals(self.settings).task(store, id_, partner)
        assert kept is not None
        return kept[0]

    def data_base(self, id_: str) -> str:
        """What opens the data of a referral, as its Task says it."""
        return str(next(one["valueString"] for one in self.task(id_)["input"] if named(one) == BASE))

    def count(self, table: Any) -> int:
        with self.engine.connect() as store:
            return int(store.execute(select(func.count()).select_from(table)).scalar_one())

    def audit(self) -> list[dict[str, Any]]:
        """The records of the trail; the chains must be whole."""
        key = self.settings.audit_key.get_secret_value().encode()
        with self.engine.connect() as store:
            assert list(verify(store, key)) == []
            rows = store.execute(select(audit_record.c.record).order_by(audit_record.c.at, audit_record.c.sequence))
            return [json.loads(row.record) for row in rows]


def named(given: dict[str, Any]) -> str:
    """The last code of an input."""
    return str(given["type"]["coding"][-1]["code"])


@dataclass
class ExchangeWorld:
    """Both institutions, a third that is known to both but runs nothing, and their public key infrastructure."""

    hospital: Institution
    ggz: Institution
    stranger: Institution
    pki: Pki


@contextmanager
def exchange(kind: str, folder: Path, **change: Any) -> Iterator[ExchangeWorld]:
    """The world on two databases of a kind; ``change`` is for the section of both."""
    pki = Pki(folder)
    ports = {name: free_port() for name in URA}
    keys = {name: _keys(folder, name) for name in URA}
    identities = {name: pki.issuing.issue("localhost", f"{name}.example") for name in URA}
    bases = {name: f"https://localhost:{port}" for name, port in ports.items()}
    partners = {
        name: PartnerSettings(
            ura=URA[name],
            name=name,
            hosts=(f"{name}.example",),
            client_id=bases[name],
            keys=keys[name][1],
            token_url=f"{bases[name]}/{name}/token",
            fhir_url=f"{bases[name]}/{name}/fhir",
            notification_url=f"{bases[name]}/{name}/notify",
            scopes=SCOPES,
        )
        for name in URA
    }
    made: dict[str, Institution] = {}
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        for name, ura in URA.items():
            place = folder / name
            place.mkdir()
            url = stack.enter_context(database(kind if name != STRANGER else "sqlite", place))
            certificate, key = identities[name].write(folder, name)
            section = ExchangeSettings(
                port=ports[name],
                base_url=bases[name],
                tls=TlsSettings(
                    peer="direct", trust=pki.trust, crls=pki.crls, back_certificate=certificate, back_key=key
                ),
                keys=(keys[name][0],),
                parties={name: PartySettings(ura=ura, name=name, services=("poli-1",))},
                partners={other: one for other, one in partners.items() if other != name},
                send_seconds=3_600,
                **change,
            )
            settings = load().model_copy(
                update={
                    "database_url": url,
                    "exchange": section,
                    "providers": {name: ProviderSettings(display_name=name)},
                }
            )
            engine = open_engine(url)
            stack.callback(engine.dispose)
            upgrade(engine)
            made[name] = Institution(name, settings, identities[name], pki, folder, portal, engine)
            parts = wire_exchange(settings)
            made[name].parts = parts
            stack.enter_context(portal.wrap_async_context_manager(listening(parts)))
        yield ExchangeWorld(made[HOSPITAL], made[GGZ], made[STRANGER], pki)


def record_of_a_patient() -> list[dict[str, Any]]:
    """A small record: the person, two problems, a weight, a care team, a letter with its content; and somebody else."""
    weight = {
        "resourceType": "Observation",
        "id": "w1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-01-01",
        "valueQuantity": {"value": 71, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }
    team = {"resourceType": "CareTeam", "id": "t1", "status": "active", "subject": {"reference": "Patient/p1"}}
    directive = {
        "resourceType": "Consent",
        "id": "d1",
        "status": "active",
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "11291000146105"}]}],
        "patient": {"reference": "Patient/p1"},
    }
    told = {
        "resourceType": "Provenance",
        "id": "v1",
        "target": [{"reference": "Condition/c1"}],
        "recorded": "2026-01-01T10:00:00+01:00",
        "agent": [{"whoReference": {"reference": "Patient/p1"}}],
    }
    return [
        patient("p1"),
        condition("c1"),
        condition("c2"),
        weight,
        team,
        directive,
        told,
        *letter("b1", "p1"),
        *letter("b2", "p1"),
        patient("p2", OTHER_BSN, name=[{"family": "Anderman", "given": ["Otto"]}]),
        condition("c9", "p2"),
    ]


def letter(id_: str, whose: str) -> list[dict[str, Any]]:
    """A letter and its content."""
    reference = {
        "resourceType": "DocumentReference",
        "id": id_,
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
        "subject": {"reference": f"Patient/{whose}"},
        "indexed": "2026-01-01T10:00:00+01:00",
        "content": [{"attachment": {"contentType": "application/pdf", "url": f"Binary/{id_}-pdf"}}],
    }
    content = base64.b64encode(PDF + id_.encode()).decode()
    return [
        {
            "resourceType": "Binary",
            "id": f"{id_}-pdf",
            "contentType": "application/pdf",
            "content": content,
            "securityContext": {"reference": f"Patient/{whose}"},
        },
        reference,
    ]


def some_uuid() -> str:
    """An identifier."""
    return str(uuid.uuid4())


def _keys(folder: Path, name: str) -> tuple[Path, Path]:
    """A private key and the JWK set with its public half, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = folder / f"{name}-signing.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public = folder / f"{name}-jwks.json"
    own = ECKey.import_key(private.read_bytes())
    own.ensure_kid()
    public.write_text(json.dumps(KeySet([own]).as_dict(private=False)))
    return private, public
