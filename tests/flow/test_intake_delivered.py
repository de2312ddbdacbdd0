"""What was pushed is what a PGO gets: at once, and gone at once (issue 6)."""

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import KINDS, database
from flow.hl7_sender import PID, Sender, adt, codes, msh
from servers import free_port, serving
from world.intake_house import BSN, PROVIDER, House, condition, patient, settings_for, source

from gateway.intake.settings import IntakeSettings
from gateway.store.engine import open_engine
from gateway.wiring.intake import wire_intake
from workbench.statictokens import TOKENS, issue

TOKEN = "a-token-of-this-test-0123456789abcdef"


def problems(base: str, query: str = "Condition") -> list[dict[str, Any]]:
    headers = {
        "authorization": f"Bearer {TOKEN}", "accept": "application/fhir+json; fhirVersion=3.0",
        "medmij-request-id": str(uuid.uuid4()), "x-correlation-id": str(uuid.uuid4()),
    }  # fmt: skip
    answer = httpx.get(f"{base}/{PROVIDER}/48/fhir/{query}", headers=headers, trust_env=False)
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
        since = found["meta"]["lastUpdated"]
        assert len(problems(running.base, f"Condition?_lastUpdated=ge{since}")) == 1, "field case f01"
        assert problems(running.base, "Condition?_lastUpdated=lt2020-01-01") == []
        assert BSN not in json.dumps(found)
        hospital.send("PUT", "/intake/epd/Condition/c1", condition(clinicalStatus="resolved"))
        assert [one["clinicalStatus"] for one in problems(running.base)] == ["resolved"]
        hospital.send("DELETE", "/intake/epd/Condition/c1")
        assert problems(running.base) == []
        hospital.engine.dispose()
        portal.call(hospital.parts.close)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pgo_sees_what_a_laboratory_sends_and_what_a_merge_brings(kind: str, tmp_path: Path) -> None:
    """OBR-24 CH makes it a result that the BgZ asks for; one of a number without BSN is seen after the merge."""
    from anyio.from_thread import start_blocking_portal

    chemistry = "Observation/$lastn?category=http://snomed.info/sct|275711006"
    sent = "OBR|1||{order}|CHEM|||20260201090000" + "|" * 17 + "CH"
    row = "OBX|1|NM|{code}^K^LN||4.1|mmol/L^mmol/L^UCUM|||||F"
    loose = "PID|1||900^^^ZKH^PI||Berg^T||19700131|F"

    def result(number: str, code: str, pid: str) -> str:
        return "\r".join([msh("ORU^R01", number), pid, sent.format(order=number), row.format(code=code)]) + "\r"

    with database(kind, tmp_path) as url, serving(url, world=False) as running, start_blocking_portal() as portal:
        engine = open_engine(url)
        grant = {"token": TOKEN, "provider": PROVIDER, "services": ["48"], "bsn": BSN}
        issue(engine, running.settings, TOKENS.validate_python([grant]))
        engine.dispose()
        port = free_port()
        settings = settings_for(url, IntakeSettings(sources={"lab": source(mllp={"port": port})}))
        hospital = House(url, settings, portal.call(wire_intake, settings), portal)
        server = portal.call(hospital.parts.messages[0].start)
        one = Sender(hospital, port)
        assert codes(one.send(adt("1"), result("2", "2823-3", PID), result("3", "2951-2", loose))) == ["AA"] * 3
        assert [found["code"]["coding"][0]["code"] for found in problems(running.base, chemistry)] == ["2823-3"]
        merge = "\r".join([msh("ADT^A40", "4"), "EVN||20260201", PID, "MRG|900^^^ZKH^PI"]) + "\r"
        assert codes(one.send(merge)) == ["AA"]
        seen = {found["code"]["coding"][0]["code"]: found for found in problems(running.base, chemistry)}
        assert set(seen) == {"2823-3", "2951-2"}
        assert seen["2951-2"]["subject"]["reference"].endswith("Patient/4711")
        portal.call(hospital.parts.messages[0].stop, server)
        hospital.engine.dispose()
        portal.call(hospital.parts.close)
