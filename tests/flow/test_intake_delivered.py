"""What was pushed is what a PGO gets: at once, and gone at once (issue 6)."""

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import KINDS, database
from servers import serving
from world.intake_house import BSN, PROVIDER, House, condition, patient, settings_for, source

from gateway.intake.settings import IntakeSettings
from gateway.store.engine import open_engine
from gateway.wiring import wire_intake
from workbench.statictokens import TOKENS, issue

TOKEN = "a-token-of-this-test-0123456789abcdef"


def problems(base: str) -> list[dict[str, Any]]:
    headers = {
        "authorization": f"Bearer {TOKEN}", "accept": "application/fhir+json; fhirVersion=3.0",
        "medmij-request-id": str(uuid.uuid4()), "x-correlation-id": str(uuid.uuid4()),
    }  # fmt: skip
    answer = httpx.get(f"{base}/{PROVIDER}/48/fhir/Condition", headers=headers, trust_env=False)
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", ()) if entry["search"]["mode"] == "match"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pgo_sees_a_push_and_a_deletion_at_once(kind: str, tmp_path: Path) -> None:
    from anyio.from_thread import start_blocking_portal

    with database(kind, tmp_path) as url, serving(url, world=False) as running, start_blocking_portal() as portal:
        engine = open_engine(url)
        row = {"token": TOKEN, "provider": PROVIDER, "services": ["48"], "bsn": BSN}
        issue(engine, running.settings, TOKENS.validate_python([row]))
        engine.dispose()
        settings = settings_for(url, IntakeSettings(sources={"epd": source()}))
        hospital = House(url, settings, portal.call(wire_intake, settings), portal)
        hospital.send("PUT", "/intake/epd/Patient/p1", patient())
        assert problems(running.base) == []
        hospital.send("PUT", "/intake/epd/Condition/c1", condition())
        (found,) = problems(running.base)
        assert found["clinicalStatus"] == "active"
        assert BSN not in json.dumps(found)
        hospital.send("PUT", "/intake/epd/Condition/c1", condition(clinicalStatus="resolved"))
        assert [one["clinicalStatus"] for one in problems(running.base)] == ["resolved"]
        hospital.send("DELETE", "/intake/epd/Condition/c1")
        assert problems(running.base) == []
        hospital.engine.dispose()
        portal.call(hospital.parts.close)
