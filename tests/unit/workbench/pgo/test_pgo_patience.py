"""A PGO that waits no longer than it must: deadlines, one more try, pages, and where a token never goes."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response
from unit.workbench.pgo.pgo_fakes import SETTINGS, FakeGateway, bundle, client, outcome

from workbench.pgo.answers import SearchAnswer, issues, next_page, read
from workbench.pgo.client import NATIONAL, Patience, PgoClient
from workbench.pgo.judge import of_search
from workbench.pgo.oauth import Tokens
from workbench.pgo.searches import SearchRequest, first_searches

TOKENS = Tokens("ziekenhuiszandoord", ("48",), "a-token", 900, "r", "c")
HERE = "http://gateway.test/ziekenhuiszandoord/48/fhir/Condition"


def search_of(rule: str) -> SearchRequest:
    """One search of the BgZ."""
    return next(one for one in first_searches(SETTINGS, TOKENS) if one.rule.id == rule)


class Hesitant(FakeGateway):
    """Says nothing to the first questions, and answers what comes after."""

    def __init__(self, silent: int, **more: Any) -> None:
        super().__init__(**more)
        self.silent = silent

    async def fhir(self, request: Request) -> Response:
        if len(self.requests) < self.silent:
            self.requests.append(httpx.URL(str(request.url)))
            self.headers.append(dict(request.headers))
            await asyncio.sleep(30)
        return await super().fhir(request)


def asked(gateway: FakeGateway, patience: Patience, rule: str = "problem") -> SearchAnswer:
    """The answer to one search."""

    async def go() -> SearchAnswer:
        async with client(gateway) as http:
            return await PgoClient(http, SETTINGS, patience).search(search_of(rule), TOKENS)

    return asyncio.run(go())


def test_the_national_client_gives_up_after_five_seconds_and_asks_once_more() -> None:
    """SC-P5."""
    assert (NATIONAL.first_byte, NATIONAL.whole, NATIONAL.repeats, NATIONAL.pages) == (5.0, 10.0, 1, 1)


def test_a_search_without_a_first_byte_is_asked_once_more_under_a_new_request_id() -> None:
    """SC-P5, HDR-01: the second try is the same request in the same visit, and the report tells of it."""
    gateway = Hesitant(1)
    found = asked(gateway, Patience(first_byte=0.05, repeats=1))
    assert (found.status, found.tries) == (200, 2)
    assert found.milliseconds >= 50, "the time is the person's: both tries count"
    first, second = gateway.headers
    assert first["medmij-request-id"] != second["medmij-request-id"]
    assert first["x-correlation-id"] == second["x-correlation-id"] == "c"
    assert any("SC-P5" in line for line in of_search(found))


def test_after_the_last_try_there_is_no_answer() -> None:
    gateway = Hesitant(9)
    found = asked(gateway, Patience(first_byte=0.05, repeats=1))
    assert (found.status, found.failure, len(gateway.requests)) == (0, "ReadTimeout", 2)
    assert found.problems == ("Geen antwoord (ReadTimeout).",)


def test_without_repeats_it_is_asked_once_and_the_whole_is_bounded() -> None:
    gateway = Hesitant(9)
    assert asked(gateway, Patience(whole=0.05)).failure == "ReadTimeout"
    assert len(gateway.requests) == 1


def test_a_refusal_is_an_answer_and_is_not_asked_again() -> None:
    """A 503 says in words what is wrong; to ask again at once would only add to it."""
    gateway = FakeGateway(answers={"Condition": (503, outcome("busy"))})
    assert asked(gateway, NATIONAL).status == 503
    assert len(gateway.requests) == 1


def test_a_code_is_offered_once_even_when_no_answer_comes() -> None:
    """TOKEN-01: a second offer of a code would end the grant."""
    calls: list[str] = []

    def away(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        raise httpx.ConnectError("no")

    async def go() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(away)) as http:
            with pytest.raises(httpx.ConnectError):
                await PgoClient(http, SETTINGS, NATIONAL).refresh("r")

    asyncio.run(go())
    assert calls == ["/oauth/token"]


def linked(url: str, *ids: str) -> dict[str, Any]:
    """A page with a link to the next one."""
    _, body = bundle(*(({"resourceType": "Condition", "id": one}, "match") for one in ids))
    return {**body, "link": [{"relation": "self", "url": HERE}, {"relation": "next", "url": url}]}


PAGES: dict[str, Any] = {
    "Condition": (200, linked(f"{HERE}?page=2", "a")),
    "Condition?page=2": (200, linked("Condition?page=3", "b")),
    "Condition?page=3": bundle(({"resourceType": "Condition", "id": "c"}, "match")),
}


@pytest.mark.parametrize(("pages", "ids"), [(1, "a"), (2, "ab"), (3, "abc"), (100, "abc")])
def test_pages_are_followed_as_far_as_was_asked(pages: int, ids: str) -> None:
    """RES-12: PGOs read one page, so a next link is a finding however many are read here."""
    found = asked(FakeGateway(answers=PAGES), Patience(pages=pages))
    assert "".join(one["id"] for one in found.matches) == ids
    assert len(found.more) == len(ids) - 1
    assert "there is a next page; a PGO reads one page" in of_search(found)


def test_a_page_that_does_not_come_takes_nothing_away() -> None:
    gateway = FakeGateway(answers={**PAGES, "Condition?page=2": (500, {})})
    found = asked(gateway, Patience(pages=3))
    assert [one["id"] for one in found.matches] == ["a"]
    assert not found.complete


@pytest.mark.parametrize(
    "url",
    [
        "https://gateway.test/ziekenhuiszandoord/48/fhir/Condition?page=2",
        "http://elders.example/Condition?page=2",
        "//elders.example/Condition",
        "http://gateway.test@elders.example/",
        "http://gateway.test:81/",
        "http://[",
        "javascript:alert(1)",
    ],
)
def test_a_token_goes_to_no_other_server(url: str) -> None:
    """RES-04: a next link that leads away is not followed."""
    gateway = FakeGateway(answers={"Condition": (200, linked(url, "a"))})
    assert [one["id"] for one in asked(gateway, Patience(pages=9)).matches] == ["a"]
    assert len(gateway.requests) == 1
    assert next_page(json.dumps(linked(url)).encode(), HERE) is None


def test_a_document_is_a_pdf_or_nothing() -> None:
    """Its id cannot lead to another address."""
    sent: list[bytes] = []
    answers = {"brief": (200, "application/pdf"), "page": (200, "text/html"), "ended": (401, "application/pdf")}

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.raw_path)
        status, media = answers.get(request.url.path.rpartition("/")[2], (404, "text/plain"))
        return httpx.Response(status, content=b"%PDF-1.7", headers={"content-type": media})

    async def go(binary: str) -> bytes | None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            return await PgoClient(http, SETTINGS).document(TOKENS, "51", binary)

    assert asyncio.run(go("brief")) == b"%PDF-1.7"
    assert asyncio.run(go("page")) is None
    assert asyncio.run(go("ended")) is None
    assert asyncio.run(go("../Patient?x=1#y")) is None
    assert sent[-1].endswith(b"/51/fhir/Binary/..%2FPatient%3Fx%3D1%23y")


PROBLEM = search_of("problem")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["resourceType", "entry", "resource", "search", "mode", "issue", "details", "text", "code", "link",
             "relation", "url", "total", "type", "id", "system", "value"]
        ),
        inner | st.sampled_from(["Bundle", "OperationOutcome", "searchset", "next"]),
        max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


BUNDLES = st.builds(lambda node: {"resourceType": "Bundle", "type": "searchset", "entry": node}, ANYTHING)


@given(st.one_of(ANYTHING, BUNDLES))
def test_whatever_a_dva_sends_is_read_and_judged_without_a_crash(node: Any) -> None:
    body = json.dumps(node).encode()
    matches, included, problems = read(body)
    next_page(body, HERE)
    row = PROBLEM
    of_search(SearchAnswer(row, 200, 1, matches, included, problems, body, media="application/fhir+json"))
    of_search(SearchAnswer(row, 500, 1, matches, included, problems, body))
    if isinstance(node, dict):
        list(issues(node))
