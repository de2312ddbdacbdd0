"""A PGO's conversation and collection, against a small gateway."""

import asyncio
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from unit.gateway_demo.pgo_fakes import SETTINGS, FakeGateway, bundle, client, outcome

from workbench.demo.pgo.client import PgoError, Tokens, ask, code_of, redeem
from workbench.demo.pgo.collect import Section, collect, read
from workbench.demo.visit import Visit, VisitError
from workbench.demo.visit import client as visiting

TOKENS = Tokens("ziekenhuiszandoord", ("48",), "a-token", 900, "r", "c")
PATIENT = {"resourceType": "Patient", "id": "joke", "name": [{"text": "Joke"}]}


def test_the_authorization_request_holds_what_the_agreement_asks() -> None:
    """AUTH-02, AUTH-03, AUTH-04, AUTH-08, AUTH-10, SCOPE-01."""
    asked = ask(SETTINGS, "ziekenhuiszandoord")
    query = {name: value[0] for name, value in parse_qs(urlsplit(asked.url).query).items()}
    assert query["response_type"] == "code"
    assert query["client_id"] == "pgo.demo.example"
    assert query["redirect_uri"] == SETTINGS.redirect_uri
    assert query["scope"] == "ziekenhuiszandoord"
    assert len(query["state"]) >= 32
    assert UUID(query["MedMij-Request-ID"]) != UUID(query["X-Correlation-ID"])
    assert ask(SETTINGS, "ziekenhuiszandoord").state != asked.state


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"state": "other", "code": "c"}, "state"),
        ({"code": "c"}, "state"),
        ({"state": "{}", "error": "access_denied"}, "access_denied"),
        ({"state": "{}", "error": "something_new"}, "something_new"),
        ({"state": "{}"}, "invalid_response"),
    ],
)
def test_an_answer_that_is_no_code_is_told_in_dutch(answer: dict[str, str], code: str) -> None:
    asked = ask(SETTINGS, "ziekenhuiszandoord")
    filled = {name: asked.state if value == "{}" else value for name, value in answer.items()}
    with pytest.raises(PgoError) as caught:
        code_of(asked, filled)
    assert caught.value.code == code
    assert str(caught.value).endswith(".")


def test_the_token_call_repeats_the_correlation_id_with_a_new_request_id() -> None:
    """HDR-01, TOKEN-02."""
    gateway, asked = FakeGateway("48 51"), ask(SETTINGS, "ziekenhuiszandoord")

    async def go() -> Tokens:
        async with client(gateway) as http:
            return await redeem(http, SETTINGS, asked, "once")

    tokens = asyncio.run(go())
    assert tokens.services == ("48", "51")
    assert gateway.headers[0]["x-correlation-id"] == asked.correlation
    assert gateway.headers[0]["medmij-request-id"] not in asked.url
    assert "a-token" not in repr(tokens)


def test_a_used_code_gives_no_token() -> None:
    async def go() -> None:
        async with client(FakeGateway()) as http:
            await redeem(http, SETTINGS, ask(SETTINGS, "ziekenhuiszandoord"), "twice")

    with pytest.raises(PgoError) as caught:
        asyncio.run(go())
    assert caught.value.code == "invalid_grant"


def collected(gateway: FakeGateway, tokens: Tokens = TOKENS) -> tuple[tuple[Section, ...], list[int]]:
    """All sections, and the totals that progress was told."""
    totals: list[int] = []

    async def go() -> tuple[Section, ...]:
        async with client(gateway) as http:
            return await collect(http, SETTINGS, tokens, lambda _section, total: totals.append(total))

    return asyncio.run(go()), totals


def test_all_searches_of_the_bgz_go_out_at_once() -> None:
    """SC-P1."""
    gateway = FakeGateway(answers={"Patient": bundle((PATIENT, "match"))})
    sections, totals = collected(gateway)
    assert len(sections) == len(gateway.requests) == 28
    assert totals == [28] * 28
    assert gateway.most_at_once == 28
    assert [section.ask.rule.id for section in sections][:2] == ["patient", "payer"]
    assert sections[0].matches == (PATIENT,)
    for headers in gateway.headers:
        assert headers["accept"] == "application/fhir+json; fhirVersion=3.0"
        assert headers["x-correlation-id"] == "c"
    assert len({headers["medmij-request-id"] for headers in gateway.headers}) == 28
    assert not any("a-token" in str(url) for url in gateway.requests)


def test_what_is_missing_is_told_and_what_is_empty_is_not() -> None:
    """SC-P2, SC-H4."""
    gap = outcome("Het laboratorium antwoordt niet.")
    gateway = FakeGateway(
        answers={
            "Condition": bundle((gap, "outcome")),
            "Flag": (503, outcome("Probeer het later opnieuw.")),
            "AllergyIntolerance": (502, {}),
        }
    )
    by_rule = {section.ask.rule.id: section for section in collected(gateway)[0]}
    assert by_rule["problem"].problems == ("Het laboratorium antwoordt niet.",)
    assert by_rule["alert"].problems == ("Probeer het later opnieuw.",)
    assert by_rule["allergyIntolerance"].problems == ("Het antwoord was geen FHIR.",)
    assert by_rule["nutritionAdvice"].complete


def test_birth_care_is_asked_by_the_episodes_that_were_found() -> None:
    """SC-B1; the chain with a type modifier and both spellings of the episode."""
    episodes = [{"resourceType": "EpisodeOfCare", "id": id_} for id_ in ("e1", "e2")]
    path = "EpisodeOfCare?type=http://snomed.info/sct|364320009"
    gateway = FakeGateway("65", {path: bundle(*((one, "match") for one in episodes))})
    sections, totals = collected(gateway, Tokens("ziekenhuiszandoord", ("65",), "a-token", 900, "r", "c"))
    urls = {section.ask.rule.id: section.ask.url.partition("/fhir/")[2] for section in sections}
    assert urls["conditions"] == "Condition?context=EpisodeOfCare/e1,EpisodeOfCare/e2"
    assert urls["prenatalVisits"].startswith("Encounter?episodeofcare=e1,e2&")
    assert "context:Encounter.episodeofcare=EpisodeOfCare/e1,EpisodeOfCare/e2" in urls["observationsOnVisits"]
    assert totals[-1] == len(sections) == 7


def test_without_episodes_nothing_more_is_asked() -> None:
    sections, totals = collected(FakeGateway(), Tokens("ziekenhuiszandoord", ("65",), "a-token", 900, "r", "c"))
    assert [section.ask.rule.id for section in sections] == ["woman", "maternalRecord"]
    assert totals[0] == 7


def test_a_service_that_we_do_not_know_is_passed_over() -> None:
    assert collected(FakeGateway(), Tokens("ziekenhuiszandoord", ("123456",), "a-token", 900, "r", "c"))[0] == ()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"resourceType": "Patient"}'])
def test_an_answer_that_is_no_fhir_is_a_problem_and_no_crash(body: bytes) -> None:
    matches, included, problems = read(body)
    assert (matches, included) == ((), ())
    assert problems


def visited(gateway: FakeGateway, person: str) -> tuple[Tokens, list[str]]:
    """A whole visit without a browser, and the buttons that were pressed."""
    pressed: list[str] = []

    async def go() -> Tokens:
        async with visiting(transport=gateway.transport) as http:
            visit = Visit(http, SETTINGS, "ziekenhuiszandoord", person)
            asked, answer = await visit.authorize(lambda step: pressed.append(step.pressed))
            return await visit.tokens(asked, answer)

    return asyncio.run(go()), pressed


def test_a_visit_presses_the_buttons_that_go_on_and_picks_the_person_by_name() -> None:
    gateway = FakeGateway()
    tokens, pressed = visited(gateway, "Joke van Veldhuizen")
    assert pressed == ["Inloggen", "Inloggen", "Ja, ik geef toestemming"]
    assert gateway.sent == {"ticket": "t1", "bsn": "2", "level": "2", "action": "login", "decision": "give"}
    assert tokens.services == ("48",)


def test_a_lasting_consent_is_never_given_by_itself() -> None:
    """UI-09."""
    gateway = FakeGateway()
    visited(gateway, "Bram")
    assert "duration" not in gateway.sent


@pytest.mark.parametrize(("person", "told"), [("Iemand Anders", "not on the page"), ("Bram", "access_denied")])
def test_a_visit_that_stops_says_where(person: str, told: str) -> None:
    gateway = FakeGateway()
    gateway.refuse = "access_denied"
    with pytest.raises(VisitError, match=told):
        visited(gateway, person)
