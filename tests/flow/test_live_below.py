"""What names its patient only through what it stands below, and what points at another answer of its source."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from contract.adapter_world import person
from contract.adapter_world import serving as ehr_at
from databases import database
from servers import Running, serving

from adapters.testing.fake_ehr import FakeEhr
from gateway.sections import ProviderSettings
from gateway.store.engine import open_engine
from workbench.statictokens import StaticToken, issue

PRACTICE = "geboortepraktijkdelinde"
TOKEN = "test-token-of-one-woman"
RECORD = {"coding": [{"system": "http://snomed.info/sct", "code": "364320009"}]}


def to(target: str) -> dict[str, str]:
    return {"reference": target}


def episode(id_: str, patient: str) -> dict[str, Any]:
    return {"resourceType": "EpisodeOfCare", "id": id_, "status": "active", "type": [RECORD],
            "patient": to(f"Patient/{patient}"), "managingOrganization": to("Organization/linde")}  # fmt: skip


def visit(id_: str, *episodes: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Encounter", "id": id_, "status": "finished", "class": {"code": "AMB"},
            "episodeOfCare": [to(one) for one in episodes],
            "participant": [{"individual": to("Practitioner/jo")}]} | more  # fmt: skip


def pulse(id_: str, encounter: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": id_, "status": "final", "code": {"text": "Pols"},
            "subject": to("Patient/anna"), "context": to(encounter)}  # fmt: skip


def held() -> list[dict[str, Any]]:
    """Two women; visits say whose they are by the episode only, but for those that lie."""
    return [
        person("anna", "999911120", "1994-04-12"),
        person("bram", "999990019", "1979-09-30"),
        {"resourceType": "Practitioner", "id": "jo", "name": [{"text": "Jo Visser"}]},
        {"resourceType": "Organization", "id": "linde", "name": "De Linde"},
        episode("e1", "anna"),
        episode("e2", "bram"),
        visit("v1", "EpisodeOfCare/e1"),
        visit("hers", "EpisodeOfCare/e1", subject=to("Patient/anna")),
        visit("other", "EpisodeOfCare/e2"),
        visit("elsewhere", "https://other.example/fhir/EpisodeOfCare/e1"),
        visit("child", "EpisodeOfCare/e1", subject=to("Patient/bram")),
        visit("nobody"),
        pulse("p1", "Encounter/v1"),
        pulse("p2", "Encounter/hers"),
    ]


@pytest.fixture(scope="module")
def ehr() -> Iterator[str]:
    with ehr_at(FakeEhr(held())) as url:
        yield f"{url}/fhir"


def folder_of(root: Path) -> Mapping[str, Any]:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in held()]}
    (root / "all.json").write_text(json.dumps(bundle))
    return {"type": "files", "name": "map", "path": str(root), "version": "stu3"}


@pytest.fixture(params=["ehr", "map", "both"])
def practice(request: pytest.FixtureRequest, ehr: str, tmp_path: Path) -> Iterator[tuple[Running, list[str]]]:
    """A practice with one live source, with another, and with both; with the names of the sources before ids."""
    (tmp_path / "map").mkdir()
    sources = {
        "ehr": {"type": "fhir", "name": "ehr", "url": ehr, "version": "stu3"},
        "map": folder_of(tmp_path / "map"),
    }
    chosen = [name for name in sources if request.param in (name, "both")]
    given = ProviderSettings(display_name="De Linde", services=("65",), sources=tuple(sources[one] for one in chosen))
    with database("sqlite", tmp_path) as url, serving(url, world=False, providers={PRACTICE: given}) as running:
        engine = open_engine(url)
        issue(engine, running.settings, [StaticToken(token=TOKEN, provider=PRACTICE, services=["65"], patient="anna")])
        engine.dispose()
        yield running, [f"{one}-" for one in chosen] if len(chosen) > 1 else [""]


def found(server: Running, query: str) -> list[tuple[str, str]]:
    """Mode and ``Type/id`` of the entries of an answer."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/fhir+json; fhirVersion=3.0"}
    answer = httpx.get(f"{server.base}/{PRACTICE}/65/fhir/{query}", headers=headers, trust_env=False)
    assert answer.status_code == 200, answer.text
    entries = answer.json().get("entry", [])
    return sorted(
        (one["search"]["mode"], f"{one['resource']['resourceType']}/{one['resource'].get('id')}") for one in entries
    )


def test_an_encounter_is_found_by_its_episode_alone(practice: tuple[Running, list[str]]) -> None:
    """RES-04: its only way to the person is the EpisodeOfCare; that of another person's episode is not given."""
    server, sources = practice
    episodes = [f"EpisodeOfCare/{source}e1" for source in sources]
    query = f"Encounter?episodeofcare={','.join(episodes)}&_include=Encounter:practitioner"
    entries = [one for one in found(server, query) if one[0] != "outcome"]
    assert entries == sorted(
        one
        for source in sources
        for one in (
            ("match", f"Encounter/{source}v1"),
            ("match", f"Encounter/{source}hers"),
            ("include", f"Practitioner/{source}jo"),
        )
    )
    assert [one for one in found(server, query.replace("e1", "e2")) if one[0] != "outcome"] == []


def test_what_was_measured_at_a_visit_is_found_by_the_episode_of_the_visit(practice: tuple[Running, list[str]]) -> None:
    """RES-14: the chain goes over the encounter, which is in another answer of the source."""
    server, sources = practice
    for source in sources:
        entries = found(server, f"Observation?context:Encounter.episodeofcare=EpisodeOfCare/{source}e1")
        assert [one for one in entries if one[0] == "match"] == [
            ("match", f"Observation/{source}p1"),
            ("match", f"Observation/{source}p2"),
        ]
