"""Whole visits to the running demo: real pages, a real login, real tokens, and every search of the granted services."""

import asyncio
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from profiles.fhir.codec import xmlio
from profiles.fhir.version import FhirVersion
from workbench.cli.visit import started, visit
from workbench.demo.pgo.client import PgoSettings
from workbench.demo.pgo.collect import Section, accept, fetch
from workbench.demo.pgo.validity import check
from workbench.demo.visit import Visit, VisitError, client
from workbench.demo.world import FOLDER


@pytest.fixture(scope="module")
def settings() -> Iterator[PgoSettings]:
    """A demo gateway in a process of its own."""
    with started() as base_url:
        yield PgoSettings(base_url, f"{base_url}/demo-pgo/callback")


def visited(settings: PgoSettings, provider: str, person: str) -> dict[str, Section]:
    """The sections that a person collects at a provider, by service and rule."""

    async def go() -> tuple[Section, ...]:
        async with client() as http:
            one = Visit(http, settings, provider, person)
            tokens = await one.tokens(*await one.authorize())
            return await one.collect(tokens, lambda _section, _total: None)

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
    settings: PgoSettings, provider: str, person: str, service: str, searches: int
) -> None:
    """SC-P1, SC-G1, SC-B1."""
    sections = [one for one in visited(settings, provider, person).values() if one.ask.service.id == service]
    assert len(sections) == searches
    assert [one.id for one in sections if not one.complete] == []
    assert [one.id for one in sections if not one.matches] == []
    for section in sections:
        for resource in (*section.matches, *section.included):
            assert check(section.ask.standard.fhir, resource).kind != "wrong", (section.id, resource["id"])


def test_documents_are_collected_beside_the_record(settings: PgoSettings) -> None:
    """SC-T4."""
    sections = visited(settings, "ziekenhuiszandoord", "Joke van Veldhuizen")
    assert {one["id"] for one in sections["51-documentReference"].matches} == {
        "joke-ontslagbrief",
        "joke-brief-oogarts",
        "joke-leefregels",
    }
    assert len(sections["51-documentManifest"].matches) == 1


def test_a_sparse_record_is_mostly_empty_and_nothing_is_missing(settings: PgoSettings) -> None:
    sections = visited(settings, "ziekenhuiszandoord", "Bram Oudejans")
    found = {one.ask.rule.id for one in sections.values() if one.matches}
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


def test_a_record_with_mistakes_arrives_and_its_mistakes_are_seen(settings: PgoSettings) -> None:
    sections = visited(settings, "ziekenhuiszandoord", "Gerda Slootweg")
    wrong = {
        resource["id"]
        for section in sections.values()
        for resource in section.matches
        if check(FhirVersion.STU3, resource).kind == "wrong"
    }
    assert {"gerda-status-onbekend", "gerda-pacemaker"} <= wrong


def test_a_person_who_turns_sixteen_today_may_collect(settings: PgoSettings) -> None:
    """SC-G3, R16."""
    assert visited(settings, "ziekenhuiszandoord", "Fleur Hoekstra")["48-problem"].matches


@pytest.mark.parametrize("person", ["Daan Wiersma", "Noor El Amrani", "Ruben Schouten"])
def test_who_is_too_young_has_nothing_or_is_unknown_there_gets_no_consent_page(
    settings: PgoSettings, person: str
) -> None:
    """UI-07, UI-13: fifteen years, nothing recorded, no treatment relation."""
    with pytest.raises(VisitError, match="Dit kan nu niet"):
        visited(settings, "ziekenhuiszandoord", person)


def test_no_bsn_arrives_anywhere(settings: PgoSettings) -> None:
    """Response rule 14."""
    for section in visited(settings, "ziekenhuiszandoord", "Joke van Veldhuizen").values():
        assert b"999951750" not in section.raw


def test_xml_and_json_say_the_same(settings: PgoSettings) -> None:
    async def go() -> list[tuple[str, object, object]]:
        async with client() as http:
            one = Visit(http, settings, "ziekenhuiszandoord", "Joke van Veldhuizen")
            tokens = await one.tokens(*await one.authorize())
            pairs = []
            for section in await one.collect(tokens, lambda _section, _total: None):
                answer = await fetch(http, section.ask.url, tokens, accept(section.ask.standard, "xml"))
                bundle = xmlio.parse(answer.content, section.ask.standard.fhir)
                found = [entry["resource"] for entry in bundle.get("entry", [])]
                pairs.append((section.id, found, [*section.matches, *section.included]))
            return pairs

    for id_, from_xml, from_json in asyncio.run(go()):
        assert from_xml == from_json, id_


def test_the_command_prints_the_visit_and_ends_with_zero(settings: PgoSettings) -> None:
    done = CliRunner().invoke(visit, ["--base-url", settings.base_url, "--person", "joke"])
    assert done.exit_code == 0, done.output
    assert "Problemen en diagnoses" in done.output
    assert "0 niet beantwoord" in done.output


@pytest.mark.parametrize("wrong", [["--provider", "elders"], ["--person", "niemand"]])
def test_the_command_names_what_it_knows(settings: PgoSettings, wrong: list[str]) -> None:
    done = CliRunner().invoke(visit, ["--base-url", settings.base_url, *wrong])
    assert done.exit_code == 2


def test_a_document_of_the_record_is_fetched_as_pdf(settings: PgoSettings) -> None:
    async def go() -> tuple[int, str, bytes]:
        async with client() as http:
            one = Visit(http, settings, "ziekenhuiszandoord", "Joke van Veldhuizen")
            tokens = await one.tokens(*await one.authorize())
            url = f"{settings.base_url}/ziekenhuiszandoord/51/fhir/Binary/joke-ontslagbrief-pdf"
            answer = await fetch(http, url, tokens, "application/pdf")
            return answer.status_code, answer.headers["content-type"], answer.content

    status, media, content = asyncio.run(go())
    assert (status, media.partition(";")[0]) == (200, "application/pdf")
    assert content == (FOLDER / "ziekenhuiszandoord/documents/joke-ontslagbrief.pdf").read_bytes()
