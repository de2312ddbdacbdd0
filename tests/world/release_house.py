"""A hospital whose results wait and whose items are withheld: it pushes, a PGO collects, the command line decides."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from click.testing import CliRunner, Result
from databases import database
from sqlalchemy import Engine, delete, select
from starlette.types import ASGIApp
from world.intake_house import BSN, OTHER_BSN, PROVIDER, bundle, condition, patient, pushing, source

from gateway.app import create_app
from gateway.cli.db import upgrade
from gateway.cli.main import cli
from gateway.intake.settings import IntakeSettings
from gateway.release.rules import rules
from gateway.release.settings import ReleaseSettings
from gateway.sections import ProviderSettings
from gateway.settings import Settings, load
from gateway.store.engine import open_engine
from gateway.store.flags import release_flag
from gateway.store.schema import audit_record
from workbench.plugin import workbench
from workbench.statictokens import StaticToken, issue

TOKENS = {BSN: "release-token-0123456789", OTHER_BSN: "release-token-9876543210"}
SERVICES = ("48", "51", "bgz-2020", "ips-2")
SCT = "http://snomed.info/sct"
LAB = {"coding": [{"system": SCT, "code": "275711006", "display": "Serum chemistry test"}]}
LAB_SEARCH = (
    f"Observation/$lastn?category={SCT}|275711006&_include=Observation:related-target&_include=Observation:specimen"
)
ROWS = """
version = "test-1"
limit = 7
[[kind]]
id = "laboratory"
nl = "Laboratorium"
en = "Laboratory"
types = ["Observation"]
codes = ["http://snomed.info/sct|275711006"]
days = 5
moment = ["issued"]
[[sensitive]]
id = "psychiatry"
nl = "Psychiatrie"
en = "Psychiatry"
codes = ["http://hl7.org/fhir/v3/ActCode|PSY"]
types = ["Condition"]
policy = "withhold"
told = false
"""


def lab(id_: str, issued: str, number: float = 5.2, code: str = "2951-2", **change: Any) -> dict[str, Any]:
    """A result of the laboratory."""
    return {
        "resourceType": "Observation",
        "id": id_,
        "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-LaboratoryTestResult-Observation"]},
        "identifier": [{"system": "https://lab.example/result", "value": f"result-{id_}"}],
        "status": "final",
        "category": [LAB],
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": "Natrium"}]},
        "subject": {"reference": "Patient/p1", "display": "Tessa Testpersoon"},
        "effectiveDateTime": issued,
        "issued": issued,
        "valueQuantity": {"value": number, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
    } | change


def letter(id_: str, text: str, **change: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A document and its content."""
    reference = {
        "resourceType": "DocumentReference",
        "id": id_,
        "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/IHE.MHD.Minimal.DocumentReference"]},
        "status": "current",
        "type": {"coding": [{"system": SCT, "code": "371535009", "display": "verslag van overdracht"}]},
        "subject": {"reference": "Patient/p1", "display": "Tessa Testpersoon"},
        "indexed": "2026-01-05T00:00:00+01:00",
        "content": [{"attachment": {"contentType": "text/plain", "url": f"Binary/{id_}-pdf"}}],
    } | change
    return reference, {"resourceType": "Binary", "id": f"{id_}-pdf", "contentType": "text/plain", "content": text}


class ReleaseHouse:
    """The hospital: push, collect, decide."""

    def __init__(self, settings: Settings, app: ASGIApp, portal: BlockingPortal, config: Path) -> None:
        self.settings, self.app, self.portal, self.config = settings, app, portal, config
        self.engine: Engine = open_engine(settings.database_url)

    def push(self, *resources: dict[str, Any]) -> None:
        """The EHR delivers."""
        with pushing(self.settings.database_url, IntakeSettings(sources={"epd": source()})) as intake:
            for one in resources:
                answer = intake.send("PUT", f"/intake/epd/{one['resourceType']}/{one['id']}", one)
                assert answer.is_success, answer.text

    def push_together(self, *resources: dict[str, Any]) -> None:
        """The EHR delivers what belongs together, in one transaction."""
        entries = [("PUT", f"{one['resourceType']}/{one['id']}", one) for one in resources]
        with pushing(self.settings.database_url, IntakeSettings(sources={"epd": source()})) as intake:
            answer = intake.send("POST", "/intake/epd", bundle("transaction", *entries))
            assert answer.is_success, answer.text

    def run(self, *args: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(cli, [*args, "--config", str(self.config)], input=typed)

    def decide(self, deed: str, item: str, *more: str) -> int:
        """A decision of staff; its number."""
        reason = ["--reason", "besproken met de arts"] if deed != "end" else []
        done = self.run("release", deed, item, "--provider", PROVIDER, *reason, "--json", *more)
        assert done.exit_code == 0, done.output
        return int(json.loads(done.stdout)["number"])

    def ask(self, path: str, service: str = "48", bsn: str = BSN, **headers: str) -> httpx.Response:
        """One request of a PGO."""
        return self.portal.call(partial(self._ask, path, service, bsn, headers))

    async def _ask(self, path: str, service: str, bsn: str, more: dict[str, str]) -> httpx.Response:
        headers = {"authorization": f"Bearer {TOKENS[bsn]}", "accept": "application/fhir+json"}
        headers |= {"medmij-request-id": str(uuid.uuid4()), "x-correlation-id": str(uuid.uuid4())} | more
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app)) as client:
            return await client.get(f"{self.settings.base_url}/{PROVIDER}/{service}/fhir/{path}", headers=headers)

    def keys(self, path: str, service: str = "48", bsn: str = BSN) -> set[str]:
        """What a search gives, matches and what comes along."""
        answer = self.ask(path, service, bsn)
        assert answer.status_code == 200, answer.text
        entries = [one["resource"] for one in answer.json().get("entry", ()) if one["search"]["mode"] != "outcome"]
        return {f"{one['resourceType']}/{one['id']}" for one in entries}

    def said(self, path: str, service: str = "48") -> list[tuple[str, str]]:
        """What an answer says of what is not in it: code and text."""
        answer = self.ask(path, service)
        entries = [one["resource"] for one in answer.json().get("entry", ()) if one["search"]["mode"] == "outcome"]
        return [(issue["code"], issue["details"]["text"]) for one in entries for issue in one["issue"]]

    def last(self) -> dict[str, Any]:
        """The newest record of the trail about a request."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(audit_record.c.record).order_by(audit_record.c.at.desc()).limit(1))
            return dict(json.loads(bytes(rows.scalar_one())))

    def forget(self) -> None:
        """No decisions."""
        with self.engine.begin() as connection:
            connection.execute(delete(release_flag))


@contextmanager
def release_house(kind: str, folder: Path, rows: str = ROWS) -> Iterator[ReleaseHouse]:
    """The hospital on an empty database, with rules of its own."""
    table = folder / "release.toml"
    table.write_text(rows)
    rules.cache_clear()
    with database(kind, folder) as url:
        engine = open_engine(url)
        upgrade(engine)
        config = folder / "gateway.toml"
        config.write_text(f'database_url = "{url}"\n[release]\nrules = "{table}"\n')
        limits = load().limits.model_copy(update={"audit_seconds": 20, "database_seconds": 20})
        provider = ProviderSettings(display_name="Ziekenhuis Zandoord", services=SERVICES)
        settings = load().model_copy(
            update={
                "database_url": url, "providers": {PROVIDER: provider}, "limits": limits,
                "release": ReleaseSettings(rules=str(table)),
            }
        )  # fmt: skip
        tokens = [StaticToken(token=text, provider=PROVIDER, services=list(SERVICES), bsn=bsn)
                  for bsn, text in TOKENS.items()]  # fmt: skip
        issue(engine, settings, tokens)
        engine.dispose()
        with start_blocking_portal() as portal:
            house = ReleaseHouse(settings, create_app(settings, workbench=workbench), portal, config)
            house.push(patient(), patient("p2", OTHER_BSN), condition("c2", "p2"))
            try:
                yield house
            finally:
                house.engine.dispose()


def moment(days: int = 0) -> str:
    """A moment some days ago, as FHIR has it."""
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
