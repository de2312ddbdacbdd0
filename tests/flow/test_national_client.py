"""The ministry's client, as facts about it say it works, against the demo world and the official fixtures.

What it asks, how long it waits and what it shows stand in profiles/receivers/data/mgo.toml. Here it asks all of a visit
at once, follows no page, and tries once more after five seconds without a byte (SC-P5).
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import httpx
import pytest
from databases import database
from qualifying import PROVIDER, today
from servers import Running, serving
from shared import shared

from gateway.intake.outcome import ImportOutcome
from gateway.store.engine import open_engine
from profiles.receivers.judge import Outcome
from profiles.receivers.load import receiver
from workbench.demo.world import World, load
from workbench.pgo.answers import SearchAnswer
from workbench.pgo.client import PgoClient, connect
from workbench.pgo.endpoints import GatewayEndpoints
from workbench.pgo.oauth import Tokens
from workbench.pgo.receiving import Received, patience_of, received, searches_of
from workbench.pgo.walk import VisitError, admitted
from workbench.qualify.files import open_files
from workbench.qualify.loadset import load_set, token_table
from workbench.qualify.stored import StoredSet

MGO = receiver("mgo")
SPARE = {"gerda-probleem-zonder-code", "wiebe-hpv"}
"""Faults that the demo world has on purpose (workbench/demo/world/defects.md): what a source left out has no title."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with database("sqlite", tmp_path_factory.mktemp("store")) as url, serving(url, visits=True) as running:
        yield running


def pgo(server: Running) -> GatewayEndpoints:
    return GatewayEndpoints(server.base, f"{server.base}/demo-pgo/callback")


async def collected(server: Running, http: httpx.AsyncClient, tokens: Tokens) -> Sequence[SearchAnswer]:
    """All searches of a visit at once."""
    client = PgoClient(http, pgo(server), patience_of(MGO))
    searches = searches_of(MGO, pgo(server), tokens)
    return await asyncio.gather(*(client.search(one, tokens) for one in searches))


def visits(server: Running, world: World, provider: str) -> dict[str, Sequence[SearchAnswer]]:
    """What the client gets for everybody of a provider who may have it."""

    async def go() -> dict[str, Sequence[SearchAnswer]]:
        found: dict[str, Sequence[SearchAnswer]] = {}
        async with connect() as http:
            for person in world.patients_of(provider):
                try:
                    tokens = await admitted(http, pgo(server), provider, person.name)
                except VisitError:
                    continue  # too young, or nothing there: the pages say so
                found[person.name] = await collected(server, http, tokens)
        return found

    return asyncio.run(go())


def unseen(found: Sequence[Received]) -> list[str]:
    """What the facts would let it show, and it does not show."""
    return [
        f"{one.resource['resourceType']}/{one.resource['id']}: {one.fate.why}"
        for one in found
        if not one.fate.good
        and one.resource["id"] not in SPARE
        and one.resource in one.answer.matches
        and one.fate.outcome is not Outcome.UNREAD
    ]


@pytest.mark.parametrize(
    ("provider", "searches"),
    [
        ("ziekenhuiszandoord", {"48": 28, "51": 1}),
        ("ggzmerwerand", {"50": 18}),
        ("huisartsenhetveer", {"49": 7}),
        ("woonzorgduinroos", {"61": 9}),
        ("ggdmerwestreek", {"63": 1}),
    ],
)
def test_the_national_client_completes_its_searches_for_everybody(
    demo: Running, provider: str, searches: dict[str, int]
) -> None:
    """APP-01, APP-04: each search is answered whole, in time and at once; all that has a parser is shown."""
    everybody = visits(demo, load(datetime.now(UTC).date()), provider)
    assert everybody
    for answers in everybody.values():
        asked = [one.search.service.id for one in answers]
        # A service of which somebody has nothing is not in the grant.
        assert [service for service, count in searches.items() if asked.count(service) not in (0, count)] == []
        assert [(one.id, one.status, one.problems) for one in answers if not one.complete] == []
        assert [one.id for one in answers if one.tries > 1] == []
        assert unseen(list(received(MGO, answers))) == []
    shown = [one for answers in everybody.values() for one in received(MGO, answers) if one.fate.outcome == "shown"]
    assert {one.answer.search.service.id for one in shown} >= set(searches)


OFFICIAL = [
    ("STU3/BgZ-3-0/MedMij/Test", "48"),
    ("STU3/PDFA-3-0/MedMij/Test", "51"),
    ("R4/Immunization-2-0/MedMij/Test", "63"),
]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with database("sqlite", tmp_path_factory.mktemp("official")) as url, serving(url, world=False) as running:
        yield running


@pytest.mark.parametrize(("name", "service"), OFFICIAL, ids=[name.split("/")[1] for name, _ in OFFICIAL])
def test_the_national_client_shows_the_official_fixtures(empty: Running, name: str, service: str) -> None:
    """APP-02, APP-04: the fixtures claim what their makers chose; what is served claims what the client knows."""
    files, start = open_files(shared("qualification", name))
    loaded = load_set(files, start, token_table(files, shared("qualification", name)), today())
    engine = open_engine(empty.settings.database_url)
    sink = StoredSet(engine, empty.settings, loaded.bsn)
    sink.store(loaded.items, PROVIDER, "qualification", ImportOutcome(lambda _origin, _text: None))
    rows = loaded.tokens(PROVIDER, [service])
    sink.tokens(rows)
    engine.dispose()

    async def go() -> list[Sequence[SearchAnswer]]:
        async with connect() as http:
            tokens = [Tokens(PROVIDER, (service,), row["token"], 900, "", "") for row in rows]
            return [await collected(empty, http, one) for one in tokens]

    everybody = asyncio.run(go())
    found = [one for answers in everybody for one in received(MGO, answers)]
    assert [(one.id, one.status) for answers in everybody for one in answers if one.status != 200] == []
    assert any(one.fate.outcome is Outcome.SHOWN for one in found)
    assert unseen(found) == []


def test_a_search_may_be_sent_as_a_form(demo: Running) -> None:
    """APP-01: POST _search is the search that it stands for; what is no form, or too long, is refused in FHIR."""

    async def go() -> None:
        async with connect() as http:
            tokens = await admitted(http, pgo(demo), "ggdmerwestreek", "Wiebe Postma")
            base = f"{demo.base}/ggdmerwestreek/63/fhir/Immunization"
            headers = {"Authorization": f"Bearer {tokens.access_token}"}
            by_url = (await http.get(f"{base}?status=completed", headers=headers)).json()
            by_form = await http.post(f"{base}/_search", headers=headers, data={"status": "completed"})
            assert by_form.status_code == 200
            assert by_form.json()["entry"] == by_url["entry"]
            assert by_form.json()["link"] == by_url["link"]
            both = await http.post(f"{base}/_search?status=completed", headers=headers, data={"_format": "xml"})
            assert (both.status_code, both.headers["content-type"][:20]) == (200, "application/fhir+xml")
            bare = await http.post(f"{base}/_search", headers=headers)
            assert bare.status_code == 200
            for content, media, status in (
                (b"{}", "application/json", 415),
                (b"status=" + b"x" * 9_000, "application/x-www-form-urlencoded", 413),
                (b"access_token=abc", "application/x-www-form-urlencoded", 400),
                (b"patient=Patient/1", "application/x-www-form-urlencoded", 400),
                (b"status=%ff", "application/x-www-form-urlencoded", 400),
            ):
                answer = await http.post(f"{base}/_search", headers={**headers, "Content-Type": media}, content=content)
                assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
            assert (await http.post(f"{base}/_search", data={"status": "completed"})).status_code == 401

    asyncio.run(go())
