"""Whole visits to the running demo: real pages, a real login, real tokens, and every search of the granted services."""

import asyncio
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from gateway.dossier.validity import check
from profiles.fhir.codec import xmlio
from profiles.fhir.version import FhirVersion
from workbench.cli.visit import started, visit
from workbench.demo.world import FOLDER
from workbench.pgo.answers import SearchAnswer
from workbench.pgo.client import PgoClient, connect
from workbench.pgo.endpoints import GatewayEndpoints
from workbench.pgo.searches import accept
from workbench.pgo.walk import VisitError, admitted

JOKE = ("ziekenhuiszandoord", "Joke van Veldhuizen")


@pytest.fixture(scope="module")
def settings() -> Iterator[GatewayEndpoints]:
    """A demo gateway in a process of its own."""
    with started() as base_url:
        yield GatewayEndpoints(base_url, f"{base_url}/demo-pgo/callback")


def visited(settings: GatewayEndpoints, provider: str, person: str) -> dict[str, SearchAnswer]:
    """The sections that a person collects at a provider, by service and rule."""

    async def go() -> tuple[SearchAnswer, ...]:
        async with connect() as http:
            tokens = await admitted(http, settings, provider, person)
            return await PgoClient(http, settings).collect(tokens)

    return {section.id: section for section in asyncio.run(go())}


@pytest.mark.parametrize(
    ("provider", "person", "service", "searches"),
    [
        ("ziekenhuiszandoord", "Joke van Veldhuizen", "48", 28),
        ("ggzmerwerand", "Ruben Schouten", "50", 18),
        ("geboortepraktijkdelinde", "Sanne Hofland", "65", 7),
        ("huisartsenhetveer", "Hanna Terpstra", "49", 7),
        ("huisartsenhetveer", "Hanna Terpstra", "47", 1),
        ("huisartsenhetveer", "Hanna Terpstra", "52", 1),
        ("huisartsenhetveer", "Hanna Terpstra", "59", 1),
        ("huisartsenhetveer", "Hanna Terpstra", "54", 1),
        ("laboratoriumdelta", "Hanna Terpstra", "46", 1),
        ("apotheekdevijzel", "Hanna Terpstra", "9005", 3),
        ("apotheekdevijzel", "Hanna Terpstra", "9006", 7),
        ("woonzorgduinroos", "Coba Meesters", "61", 9),
        ("ggdmerwestreek", "Jasmijn Dekkers", "63", 1),
    ],
)
def test_a_rich_person_finds_something_behind_every_search(
    settings: GatewayEndpoints, provider: str, person: str, service: str, searches: int
) -> None:
    """SC-P1, SC-G1, SC-B1."""
    sections = [one for one in visited(settings, provider, person).values() if one.search.service.id == service]
    assert len(sections) == searches
    assert [one.id for one in sections if not one.complete] == []
    assert [one.id for one in sections if not one.matches] == []
    for section in sections:
        for resource in (*section.matches, *section.included):
            assert check(section.search.standard.fhir, resource).kind != "wrong", (section.id, resource["id"])


def test_documents_are_collected_beside_the_record(settings: GatewayEndpoints) -> None:
    """SC-T4."""
    sections = visited(settings, "ziekenhuiszandoord", "Joke van Veldhuizen")
    assert {one["id"] for one in sections["51-documentReference"].matches} == {
        "joke-ontslagbrief",
        "joke-brief-oogarts",
        "joke-leefregels",
    }
    assert len(sections["51-documentManifest"].matches) == 1


def test_a_sparse_record_is_mostly_empty_and_nothing_is_missing(settings: GatewayEndpoints) -> None:
    sections = visited(settings, "ziekenhuiszandoord", "Bram Oudejans")
    found = {one.search.rule.id for one in sections.values() if one.matches}
    expected = {
        "patient",
        "payer",
        "problem",
        "medicationAgreement",
        "bloodPressure",
        "bodyWeight",
        "documentReference",
    }
    assert found == expected
    assert all(one.complete for one in sections.values())


def test_a_record_with_mistakes_arrives_and_its_mistakes_are_seen(settings: GatewayEndpoints) -> None:
    sections = visited(settings, "ziekenhuiszandoord", "Gerda Slootweg")
    wrong = {
        resource["id"]
        for section in sections.values()
        for resource in section.matches
        if check(FhirVersion.STU3, resource).kind == "wrong"
    }
    assert {"gerda-status-onbekend", "gerda-pacemaker"} <= wrong


def test_a_person_who_turns_sixteen_today_may_collect(settings: GatewayEndpoints) -> None:
    """SC-G3, R16."""
    assert visited(settings, "ziekenhuiszandoord", "Fleur Hoekstra")["48-problem"].matches


@pytest.mark.parametrize("person", ["Daan Wiersma", "Noor El Amrani", "Ruben Schouten"])
def test_who_is_too_young_has_nothing_or_is_unknown_there_gets_no_consent_page(
    settings: GatewayEndpoints, person: str
) -> None:
    """UI-07, UI-13: fifteen years, nothing recorded, no treatment relation."""
    with pytest.raises(VisitError, match="Dit kan nu niet"):
        visited(settings, "ziekenhuiszandoord", person)


def test_no_bsn_arrives_anywhere(settings: GatewayEndpoints) -> None:
    """Response rule 14."""
    for section in visited(settings, "ziekenhuiszandoord", "Joke van Veldhuizen").values():
        assert b"999951750" not in section.raw


def test_xml_and_json_say_the_same(settings: GatewayEndpoints) -> None:
    async def go() -> list[tuple[str, object, object]]:
        async with connect() as http:
            one, tokens = PgoClient(http, settings), await admitted(http, settings, *JOKE)
            pairs = []
            for section in await one.collect(tokens):
                answer = await one.fetch(section.search.url, tokens, accept(section.search.standard, "xml"))
                bundle = xmlio.parse(answer.content, section.search.standard.fhir)
                found = [entry["resource"] for entry in bundle.get("entry", [])]
                pairs.append((section.id, found, [*section.matches, *section.included]))
            return pairs

    for id_, from_xml, from_json in asyncio.run(go()):
        assert from_xml == from_json, id_


def test_the_command_prints_the_visit_and_ends_with_zero(settings: GatewayEndpoints) -> None:
    done = CliRunner().invoke(visit, ["--base-url", settings.base_url, "--person", "joke"])
    assert done.exit_code == 0, done.output
    assert "Problemen en diagnoses" in done.output
    assert "0 niet beantwoord" in done.output


@pytest.mark.parametrize("wrong", [["--provider", "elders"], ["--person", "niemand"]])
def test_the_command_names_what_it_knows(settings: GatewayEndpoints, wrong: list[str]) -> None:
    done = CliRunner().invoke(visit, ["--base-url", settings.base_url, *wrong])
    assert done.exit_code == 2


def test_a_document_of_the_record_is_fetched_as_pdf(settings: GatewayEndpoints) -> None:
    async def go() -> tuple[bytes | None, bytes | None]:
        async with connect() as http:
            one, tokens = PgoClient(http, settings), await admitted(http, settings, *JOKE)
            return await one.document(tokens, "51", "joke-ontslagbrief-pdf"), await one.document(tokens, "51", "niets")

    content, nothing = asyncio.run(go())
    assert nothing is None
    assert content == (FOLDER / "ziekenhuiszandoord/documents/joke-ontslagbrief.pdf").read_bytes()
