"""What the consent page says that there is, and what the PGO then collects: the same, for everybody."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources

import httpx
import pytest
from databases import database
from lxml import etree, html
from servers import Running, serving

from workbench.demo.world import load
from workbench.pgo.client import PgoClient, connect
from workbench.pgo.endpoints import GatewayEndpoints
from workbench.pgo.oauth import authorization_request
from workbench.pgo.walk import Met, PageWalk, VisitError

Parts = dict[tuple[str, str], int]
"""How much there is, by service and part."""

WORLD = load(datetime.now(UTC).date())
LIST = resources.files("workbench.demo") / "lists" / "gegevensdienstnamenlijst.xml"
NAMES = {
    str(one.findtext("{*}GegevensdienstId")): str(one.findtext("{*}Weergavenaam")).removeprefix("Verzamelen ")
    for one in etree.fromstring(LIST.read_bytes()).iter("{*}Gegevensdienst")
}
"""What the pages call a data service."""


class Reader(PageWalk):
    """A person who reads the numbers on the consent page before they press its button."""

    def __init__(self, http: httpx.AsyncClient, redirect_uri: str, person: str) -> None:
        super().__init__(http, redirect_uri, person)
        self.told: Parts = {}

    async def _answer(self, page: httpx.Response, met: Met) -> httpx.Response:
        for service in html.fromstring(page.text).xpath("//ul[@class='services']/li"):
            name = service.findtext("strong") or ""
            for part in service.xpath(".//details//li"):
                number = re.match(r"\d+", part.findtext("span") or "")
                what = (part.text or "").strip()
                if number:
                    # Services of one kind are a line that opens: what stands in it are services, not parts.
                    self.told[(name, what) if name else (what, "")] = int(number[0])
        return await super()._answer(page, met)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with database("sqlite", tmp_path_factory.mktemp("store")) as url, serving(url, visits=True) as running:
        yield running


async def told_and_got(dva: GatewayEndpoints, provider: str, person: str) -> tuple[Parts, Parts]:
    """The numbers of the page, and those of a visit; what is only brought along counts in neither."""
    async with connect() as http:
        walk = Reader(http, dva.redirect_uri, person)
        asked = authorization_request(dva, provider)
        pgo = PgoClient(http, dva)
        answers = await pgo.collect(await pgo.redeem(asked, await walk.authorize(asked)))
    got: Counter[tuple[str, str]] = Counter()
    for answer in answers:
        name = NAMES.get(answer.search.service.id, answer.search.service.name)
        got[name, answer.name] += len(answer.matches)
        got[name, ""] += len(answer.matches)
    return walk.told, dict(got)


@pytest.mark.parametrize("provider", [one.name for one in WORLD.providers])
def test_the_numbers_of_the_consent_page_are_what_the_pgo_gets(demo: Running, provider: str) -> None:
    """UI-08: a number per part, where one can be told beforehand, and every resource of it is then there."""
    dva = GatewayEndpoints(demo.base, f"{demo.base}/demo-pgo/callback")
    compared = 0
    for person in WORLD.patients_of(provider):
        try:
            told, got = asyncio.run(told_and_got(dva, provider, person.name))
        except VisitError:
            continue  # too young, or nothing there: the pages say so
        wrong = {part: (number, got.get(part, 0)) for part, number in told.items() if number != got.get(part, 0)}
        assert wrong == {}, person.name
        compared += len(told)
    assert compared
