"""The demo from live sources, and what a PGO gets when one of them is slow, down, wrong or half (issue 6)."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from live_house import authorised, figures, live_demo, pgo, seeded, visited
from servers import Running
from sqlalchemy import select

from gateway.cli.main import cli
from gateway.share.inbox import Inbox
from gateway.store.engine import open_engine, reading
from gateway.store.schema import audit_record
from profiles.standards.load import safety_relevant
from workbench.cli.visit import visit
from workbench.pgo.answers import SearchAnswer
from workbench.pgo.client import Patience, PgoClient, connect
from workbench.pgo.searches import accept, first_searches

HOSPITAL, JOKE = "ziekenhuiszandoord", "Joke van Veldhuizen - Brandsma"
GGZ, RUBEN = "ggzmerwerand", "Ruben Schouten"
OTHERS = (b"Karel", b"Boonstra", b"Ilse", b"karel-", b"ilse-", b"Een Ander", b"van-een-ander", b"Dit mag niemand")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stored part of the world, made once."""
    return seeded(tmp_path_factory.mktemp("live"))


@pytest.fixture
def demo(database: Path, tmp_path: Path) -> Iterator[Running]:
    """A demo whose sources are whole."""
    with live_demo(database, tmp_path) as server:
        yield server


def incidents(server: Running) -> list[dict[str, object]]:
    """The audit records that name an incident."""
    engine = open_engine(server.settings.database_url)
    with engine.connect() as connection:
        records = [json.loads(row[0]) for row in connection.execute(select(audit_record.c.record))]
    engine.dispose()
    return [record for record in records if record.get("incidents")]


def outcomes(section: SearchAnswer) -> list[str]:
    """The issue codes of the OperationOutcome entries of a searchset."""
    entries = json.loads(section.raw).get("entry", [])
    found = [one["resource"] for one in entries if one["search"]["mode"] == "outcome"]
    return [issue["code"] for one in found for issue in one["issue"]]


def test_the_hospital_is_live_and_every_section_names_its_source(demo: Running) -> None:
    sections = visited(demo, HOSPITAL, JOKE)
    assert [one.id for one in sections.values() if not one.complete or not one.matches] == []
    for section in sections.values():
        shown = len(section.matches) + len(section.included)
        assert sum(origin.count for origin in section.origins) == shown, section.id
        pulled = sum(resource["id"].startswith("epd-") for resource in (*section.matches, *section.included))
        # What came out of the EHR has its name in its id; what was pushed keeps its own.
        assert sum(origin.count for origin in section.origins if origin.live) == pulled, section.id
    live = [one.id for one in sections.values() if any(origin.live for origin in one.origins)]
    assert len(live) >= 25
    assert len(sections["48-patient"].matches) == 1


def test_no_fact_comes_twice(demo: Running) -> None:
    """The EHR and the store divide the person's record between them."""
    sections = visited(demo, HOSPITAL, JOKE)
    for name in ("problem", "allergyIntolerance", "medicationAgreement", "payer", "medicalDevice", "procedure"):
        facts = [
            json.dumps([one.get(key) for key in ("code", "medicationReference", "type", "device")], default=str)
            for one in sections[f"48-{name}"].matches
        ]
        assert len(set(facts)) == len(facts), name


def test_references_between_store_and_source_lead_somewhere(demo: Running) -> None:
    async def go() -> list[int]:
        async with connect() as http:
            one, tokens = await authorised(http, demo, HOSPITAL, JOKE)
            sections = await one.collect(tokens)
            letter = next(one for one in sections if one.id == "51-documentReference").matches[0]
            base = f"{demo.base}/{HOSPITAL}/48/fhir/"
            answer = await one.fetch(base + letter["subject"]["reference"], tokens, "application/fhir+json")
            return [answer.status_code]

    assert asyncio.run(go()) == [200]


def test_the_institution_is_live(demo: Running) -> None:
    sections = visited(demo, GGZ, RUBEN)
    assert [one.id for one in sections.values() if not one.complete or not one.matches] == []
    assert {(origin.source, origin.live) for one in sections.values() for origin in one.origins} == {("ecd", True)}


def test_the_practice_is_pushed(demo: Running) -> None:
    sections = visited(demo, "geboortepraktijkdelinde", "Sanne Hofland")
    assert {(origin.source, origin.live) for one in sections.values() for origin in one.origins} == {("vks", False)}


def in_time(server: Running, provider: str, person: str, sections: dict[str, SearchAnswer]) -> bool:
    """Within the 5 s that a client waits; on a busy machine, no more above the time of the sources than is usual."""
    slowest = max(one.milliseconds for one in sections.values())
    if slowest < 4_800:
        return True
    for source in ("epd", "ecd"):
        assert httpx.post(f"{server.base}/demo-ehr/{source}/switch/normal").status_code == 303
    usual = max(one.milliseconds for one in visited(server, provider, person).values())
    return slowest < server.settings.limits.deadline_seconds * 1_000 + 3 * usual


@pytest.mark.parametrize("fault", ["slow", "down", "garbage", "wrong-patient", "half"])
def test_a_fault_at_one_source_leaves_the_rest_and_says_what_is_missing(demo: Running, fault: str) -> None:
    """SC-H4, SC-P2, SC-P5: well under the 5 s of a client, never an empty list that looks complete."""
    sections = visited(demo, HOSPITAL, JOKE, ("epd", fault))
    # APP-03: of what is dangerous to read in part nothing leaves, and the client is told to ask again.
    dangerous = {one.id for one in sections.values() if not safety_relevant().isdisjoint(one.search.rule.zibs)}
    refused = {one.id for one in sections.values() if one.status == 503}
    # Half an answer lacks nothing where there was one page.
    assert refused < dangerous if fault == "half" else refused == dangerous
    assert {"48-allergyIntolerance", "48-alert", "48-medicationUse", "48-treatmentDirective"} <= dangerous
    assert {one.status for one in sections.values()} == {200, 503}
    assert in_time(demo, HOSPITAL, JOKE, sections)
    problems = sections["48-problem"]
    assert "transient" in outcomes(problems)
    # Two problems were pushed; from half an answer some of the five live ones come along.
    assert len(problems.matches) >= 2
    assert all(one["id"].startswith("epd-") is False for one in problems.matches) or fault == "half"
    # The EHR has no part in these.
    assert sections["51-documentManifest"].complete
    for section in sections.values():
        assert not any(word in section.raw for word in (*OTHERS, b"999951750"))


@pytest.mark.parametrize("fault", ["slow", "down", "garbage", "wrong-patient"])
def test_an_only_source_that_fails_is_no_empty_record(demo: Running, fault: str) -> None:
    sections = visited(demo, GGZ, RUBEN, ("ecd", fault))
    failed = [one for one in sections.values() if one.status != 200]
    assert len(failed) >= 16
    assert {one.status for one in failed} == {503}
    assert in_time(demo, GGZ, RUBEN, sections)
    assert not any(word in section.raw for section in sections.values() for word in OTHERS)


def test_half_of_the_pages_is_told(demo: Running) -> None:
    problems = visited(demo, GGZ, RUBEN, ("ecd", "half"))["50-problem"]
    assert problems.status == 200
    assert len(problems.matches) == 1
    assert outcomes(problems) == ["transient"]


@pytest.mark.parametrize(("provider", "person", "source"), [(HOSPITAL, JOKE, "epd"), (GGZ, RUBEN, "ecd")])
def test_another_patients_data_are_an_incident_and_nothing_of_them_stays(
    demo: Running, provider: str, person: str, source: str
) -> None:
    """Nothing leaves, nothing is cached: with the same token the right answer comes once the source is right again."""

    async def go() -> tuple[tuple[SearchAnswer, ...], tuple[SearchAnswer, ...]]:
        async with connect() as http:
            one, tokens = await authorised(http, demo, provider, person)
            await http.post(f"{demo.base}/demo-ehr/{source}/switch/wrong-patient")
            wrong = await one.collect(tokens)
            await http.post(f"{demo.base}/demo-ehr/{source}/switch/normal")
            return wrong, await one.collect(tokens)

    wrong, right = asyncio.run(go())
    assert not any(word in section.raw for section in (*wrong, *right) for word in OTHERS)
    assert all(section.complete for section in right)
    noted = incidents(demo)
    assert {tuple(record["incidents"]) for record in noted} == {(source,)}  # type: ignore[arg-type]
    assert all("person" in record and person not in str(record) for record in noted)
    assert figures(demo, source)["incidents"] == len(noted)


def test_a_visit_costs_the_source_one_visit(demo: Running) -> None:
    """28 searches and one for letters are 29 questions, asked again within the visit none."""
    visited(demo, HOSPITAL, JOKE)
    once = figures(demo, "epd")["calls"]
    assert once == 29
    visited(demo, HOSPITAL, JOKE, rounds=3)
    assert figures(demo, "epd")["calls"] == 2 * once
    assert figures(demo, "epd")["failures"] == 0


def test_a_retry_joins_the_call_that_is_running(demo: Running) -> None:
    """A client that gives up and asks again does not make the source work twice."""

    async def go() -> None:
        async with connect() as http:
            one, tokens = await authorised(http, demo, GGZ, RUBEN)
            search = next(search for search in first_searches(pgo(demo), tokens) if search.rule.id == "problem")
            await http.post(f"{demo.base}/demo-ehr/ecd/switch/slow")
            with pytest.raises(httpx.ReadTimeout):
                await PgoClient(http, pgo(demo), Patience(first_byte=0.5)).fetch(
                    search.url, tokens, accept(search.standard)
                )
            answer = await one.fetch(search.url, tokens, accept(search.standard))
            assert answer.status_code == 503, "it ends with the first call, by that one's deadline"

    asyncio.run(go())
    assert figures(demo, "ecd")["calls"] == 1


def test_the_page_has_a_button_per_switch_and_no_script(demo: Running) -> None:
    page = httpx.get(f"{demo.base}/demo-ehr/", trust_env=False)
    assert page.status_code == 200
    assert page.text.count('<form method="post"') == 12
    assert "<script" not in page.text
    assert httpx.post(f"{demo.base}/demo-ehr/epd/switch/broken", trust_env=False).status_code == 404
    assert httpx.post(f"{demo.base}/demo-ehr/nobody/switch/down", trust_env=False).status_code == 404


def test_who_is_known_to_a_live_source_alone_can_send(database: Path, tmp_path: Path) -> None:
    """DL-C11, SHR-01: the mapping gives its Patient to the BgZ, and to no standard that sends; both are known still.

    In STU3 as the source speaks it, and in R4 (a request to correct); nothing of it is in the record of the other.
    """
    with live_demo(database, tmp_path, {HOSPITAL: ("9008", "9009")}) as demo:
        for person in ("Joke van Veldhuizen", "Bram Oudejans"):
            for example in ("weights", "document", "correction"):
                command = ["pgo", "share", "--gateway", demo.base, "--provider", HOSPITAL, "--example", example]
                done = CliRunner().invoke(cli, [*command, "--login", person])
                assert done.exit_code == 0, (person, example, done.output)
                assert "201 Created" in done.output
        engine = open_engine(demo.settings.database_url)
        with reading(engine).connect() as connection:
            senders = Counter(line.person for line in Inbox(connection).lines(HOSPITAL))
        engine.dispose()
        assert len(senders) == 2
        assert len(set(senders.values())) == 1


def test_the_command_shows_sources_and_what_a_fault_costs(demo: Running) -> None:
    started = ["--base-url", demo.base, "--person", "joke"]
    done = CliRunner().invoke(visit, [*started, "--fault", "half"])
    # Medication, allergies and alerts are refused in part, so not every search was answered.
    assert done.exit_code == 1, done.output
    assert "niet beantwoord" in done.output
    assert "Bronsysteem epd staat op: half" in done.output
    assert "Een deel" in done.output
    state = httpx.get(f"{demo.base}/demo-ehr/state", trust_env=False).json()
    assert set(state["switches"].values()) == {"normal"}
    whole = CliRunner().invoke(visit, started)
    assert "epd live" in whole.output
    assert "Een deel" not in whole.output
    assert CliRunner().invoke(visit, ["--provider", "geboortepraktijkdelinde", "--fault", "down"]).exit_code == 2
