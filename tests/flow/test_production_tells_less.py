"""What test mode tells a tester, production tells nobody: the same store, asked in both modes."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from databases import database
from servers import settings_for

from gateway.app import create_app
from gateway.cli.db import upgrade
from gateway.settings import Settings
from gateway.store.engine import open_engine
from gateway.testmode import completed
from workbench.demo.seed import seed
from workbench.plugin import workbench
from workbench.statictokens import issue, read_tokens

PROVIDER, TOKEN = "ziekenhuiszandoord", "a-token-to-see-what-production-tells"
WRONG = ("/nergens/48/fhir/Patient", f"/{PROVIDER}/99999/fhir/Patient", f"/{PROVIDER}/48/fhir/Patient")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Settings]]:
    folder: Path = tmp_path_factory.mktemp("modes")
    with database("sqlite", folder) as url:
        testing = completed(settings_for(url, 443), workbench, everything=True)
        engine = open_engine(url)
        upgrade(engine)
        seed(engine, testing, datetime.now(UTC).date())
        given = [{"token": TOKEN, "provider": PROVIDER, "services": ["48"], "patient": "joke"}]
        issue(engine, testing, read_tokens(json.dumps(given).encode()))
        engine.dispose()
        # Without mutual TLS, which no deployment may leave out: so that the token is all that is asked.
        auth = testing.auth.model_copy(update={"client_authentication": "asserted"})
        yield {"test": testing, "production": testing.model_copy(update={"mode": "production", "auth": auth})}


def asked(settings: Settings, *paths: str, **headers: str) -> list[httpx.Response]:
    async def go() -> list[httpx.Response]:
        # Settings that are complete already: neither mode is given a workbench.
        transport = httpx.ASGITransport(create_app(settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as http:
            return [await http.get(path, headers=headers) for path in paths]

    return asyncio.run(go())


def test_a_wrong_address_names_what_there_is_to_a_tester_only(both: dict[str, Settings]) -> None:
    """ERR-44: production does not say which providers and services there are."""
    bearer = {"authorization": f"Bearer {TOKEN}"}
    told = asked(both["test"], *WRONG[:2], **bearer)
    assert PROVIDER in told[0].text
    assert "48" in told[1].text
    for answer in (*asked(both["production"], *WRONG), *asked(both["production"], *WRONG[:2], **bearer)):
        assert answer.status_code >= 400
        for one in both["production"].providers:
            assert one not in answer.text.replace(str(answer.url), "")
        assert "48" not in answer.text.replace(str(answer.url), "")


def test_production_never_explains_an_answer(both: dict[str, Settings]) -> None:
    """LOG-09: what a search left out is told by the command, which leaves a record; never in a header."""
    why = {"authorization": f"Bearer {TOKEN}", "gateway-explain": "yes"}
    path = f"/{PROVIDER}/48/fhir/AllergyIntolerance"
    (tester,) = asked(both["test"], path, **why)
    assert (tester.status_code, "gateway-explain" in tester.headers) == (200, True)
    (produced,) = asked(both["production"], path, **why)
    assert "gateway-explain" not in produced.headers
    assert produced.status_code == 200


def test_the_pages_of_testers_are_not_there(both: dict[str, Settings]) -> None:
    """The list of the world, the demo PGO, the test login: a workbench has them, production has none."""
    for answer in asked(both["production"], "/demo/world.json", "/demo-pgo/", "/demo-ehr/", "/idp/authorize"):
        assert answer.status_code == 404
