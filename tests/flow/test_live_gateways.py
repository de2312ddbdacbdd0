"""A second gateway as the EHR: what one serves by the rows of a standard, the other collects with the fhir adapter."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from databases import database
from servers import Running, serving

from gateway.sections import ProviderSettings
from gateway.store.engine import open_engine
from profiles.standards.load import catalogue
from profiles.standards.model import RequestRule
from workbench.demo.world import load
from workbench.statictokens import StaticToken, issue

HOSPITAL = "ziekenhuiszandoord"
TOKEN = "test-token-of-one-patient"


def allow(server: Running) -> None:
    """A test token for Joke, by her id at the first gateway."""
    engine = open_engine(server.settings.database_url)
    issue(engine, server.settings, [StaticToken(token=TOKEN, provider=HOSPITAL, services=["48"], patient="joke")])
    engine.dispose()


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Running]]:
    """One with the record in its store, and one with nothing but the first as its source."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    with database("sqlite", one) as first_url, serving(first_url) as first:
        allow(first)
        source = {
            "type": "fhir", "name": "upstream", "url": f"{first.base}/{HOSPITAL}/48/fhir", "version": "stu3",
            "login": {"kind": "bearer", "token": TOKEN}, "patient_lookup": "login",
        }  # fmt: skip
        given = ProviderSettings(display_name="Ziekenhuis Zandoord", services=("48",), sources=(source,))
        with database("sqlite", two) as url, serving(url, world=False, providers={HOSPITAL: given}) as second:
            allow(second)
            yield first, second


def rows() -> list[RequestRule]:
    """The 28 questions of the BgZ."""
    standard, service = catalogue().service("48")
    found = [rule for rule in standard.rules_of(service) if rule.interaction in ("search-type", "operation")]
    return [rule for rule in found if rule.method == "GET" and not any(one.is_open for one in rule.required)]


def asked(server: Running, rule: RequestRule) -> tuple[int, list[dict[str, Any]]]:
    """The status and the entries of an answer, without what differs by address."""
    query = httpx.QueryParams([(one.name, one.value) for one in rule.required])
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/fhir+json; fhirVersion=3.0"}
    url = f"{server.base}/{HOSPITAL}/48/fhir/{rule.path}"
    answer = httpx.get(url, params=query, headers=headers, trust_env=False)
    return answer.status_code, [
        {"mode": entry["search"]["mode"], "resource": entry["resource"]} for entry in answer.json().get("entry", [])
    ]


@pytest.mark.parametrize("rule", rows(), ids=lambda rule: rule.id)
def test_the_second_gateway_answers_as_the_first(gateways: tuple[Running, Running], rule: RequestRule) -> None:
    first, second = (asked(server, rule) for server in gateways)
    assert first[0] == second[0] == 200
    assert first[1], "Joke has something behind every question"
    assert sorted(json.dumps(one, sort_keys=True) for one in second[1]) == sorted(
        json.dumps(one, sort_keys=True) for one in first[1]
    )


def test_it_says_where_the_answer_comes_from(gateways: tuple[Running, Running]) -> None:
    _, second = gateways
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/fhir+json"}
    answer = httpx.get(f"{second.base}/{HOSPITAL}/48/fhir/Patient", headers=headers, trust_env=False)
    assert answer.headers["gateway-source"].startswith('"upstream";via=live;count=')
    bsn = load(datetime.now(UTC).date()).person("joke").bsn
    assert bsn not in answer.text
