"""A data service is offered and served from its first to its last day, and on no other (spec: ERR-09, ERR-43, LTC-06).

The standard of these stories is a folder of its own; the authorization server and the FHIR endpoint are the real ones.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from world.auth_house import ALL, P1, ZANDOORD, Clock, D, House, returned

from auth.ages import today
from auth.ports import Available, Client, Peer
from gateway.audit.record import AuditRecord
from gateway.audit.trail import UseOf
from gateway.collect.fanout import FanOut
from gateway.collect.pipeline import Collector, Sources
from gateway.http.address import Addresses
from gateway.http.admission import Admissions
from gateway.http.answer import Answers
from gateway.http.dispatch import Dispatch
from gateway.http.fhir import FhirEndpoint
from gateway.http.statements import Statements
from gateway.providers import Registry
from gateway.sections import ProviderSettings
from profiles.standards.capability import OAuthUrls
from profiles.standards.load import Catalogue, StandardError, catalogue

pytestmark = pytest.mark.anyio

STANDARD = """
id = "dental-1"
title = "Dental care"
nl = "Mondzorg"
en = "Dental care"
fhir = "STU3"
[[service]]
id = "9901"
test = true
name = "Mondzorg"
about = "Gegevens van uw tandarts."
en = "Dental care"
usecases = ["serve"]
valid_from = 2026-03-01
valid_until = 2026-03-31
"""
ROW = (
    '[[request]]\nid = "problem"\nnl = "Problemen"\nen = "Problems"\nget = "Condition"\nprofiles = ["N:zib-Problem"]\n'
)
# Amsterdam is an hour ahead of UTC until 29 March, two hours after it.
LAST_SECOND_BEFORE = datetime(2026, 2, 28, 22, 59, 59, tzinfo=UTC)
FIRST_SECOND = datetime(2026, 2, 28, 23, 0, tzinfo=UTC)
LAST_SECOND = datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC)
FIRST_SECOND_AFTER = datetime(2026, 3, 31, 22, 0, tzinfo=UTC)
OUTSIDE = pytest.mark.parametrize("moment", [LAST_SECOND_BEFORE, FIRST_SECOND_AFTER], ids=["the day before", "after"])
INSIDE = pytest.mark.parametrize("moment", [FIRST_SECOND, LAST_SECOND], ids=["on the first day", "on the last day"])


@pytest.fixture
def known(tmp_path: Path) -> Catalogue:
    folder = tmp_path / "dental-1"
    folder.mkdir()
    (folder / "standard.toml").write_text(STANDARD, "utf-8")
    (folder / "requests.toml").write_text(ROW, "utf-8")
    return catalogue(extra=[folder])


@pytest.fixture
def calendar() -> Clock:
    """What the gateway takes the day from; the login and the tokens keep the true time."""
    return Clock()


@pytest.fixture
def dated(house: House, known: Catalogue, calendar: Clock) -> House:
    """The house of the stories, with the hospital offering a service for one month beside one without dates."""
    offered = {ZANDOORD: ProviderSettings(display_name="Ziekenhuis Zandoord", services=("48", "9901"))}
    house.providers = Registry(offered, known, lambda: today(calendar()))  # type: ignore[assignment]
    house.host.known[P1] = Available(ALL | {"9901"}, birth_date=house.host.known[P1].birth_date)
    house.lists.entries[D] = Client(D, "Mijn Dossierboom", frozenset({"48", "9901"}))
    house.auth = house.build()
    house.app = Starlette(routes=house.auth.routes)
    return house


async def errors(house: House, scope: str) -> dict[str, str]:
    answer = returned(await house.pgo().authorize(scope=scope))
    return {name: answer[name] for name in ("error",) if name in answer}


@OUTSIDE
async def test_err_09_consent_is_not_asked_outside_the_dates(dated: House, calendar: Clock, moment: datetime) -> None:
    """AUTH-08, ERR-09: named, it is an unknown service; among all services of the provider it is left out."""
    calendar.now = moment
    assert await errors(dated, f"{ZANDOORD}~9901") == {"error": "invalid_scope"}
    assert await errors(dated, f"{ZANDOORD}~48 {ZANDOORD}~9901") == {"error": "invalid_scope"}
    page = await dated.pgo().to_consent()
    assert "Basisgegevens zorg" in page.text
    assert "Mondzorg" not in page.text


@INSIDE
async def test_on_the_first_and_the_last_day_consent_is_asked(dated: House, calendar: Clock, moment: datetime) -> None:
    calendar.now = moment
    pgo = dated.pgo()
    page = await pgo.to_consent()
    assert "Mondzorg" in page.text
    tokens = (await pgo.token(await pgo.grant(page))).json()
    assert tokens["scope"] == f"{ZANDOORD}~48 {ZANDOORD}~9901"


async def test_ltc_06_a_lasting_consent_brings_nothing_of_it_after_its_last_day(dated: House, calendar: Clock) -> None:
    calendar.now = LAST_SECOND
    pgo = dated.pgo()
    first = await pgo.tokens(lasting=True)
    calendar.now = FIRST_SECOND_AFTER
    second = (await pgo.refresh(first["refresh_token"])).json()
    assert second["scope"] == f"{ZANDOORD}~48"


async def test_err_27_a_consent_to_nothing_else_ends_with_it(dated: House, calendar: Clock) -> None:
    calendar.now = LAST_SECOND
    pgo = dated.pgo()
    first = await pgo.tokens(lasting=True, scope=f"{ZANDOORD}~9901")
    assert first["scope"] == f"{ZANDOORD}~9901"
    calendar.now = FIRST_SECOND_AFTER
    assert (await pgo.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"


# --- the resource server -------------------------------------------------------------------------------------------


class Records:
    """A trail that keeps records in memory."""

    def __init__(self) -> None:
        self.kept: list[AuditRecord] = []

    async def write(self, record: AuditRecord, _use: UseOf) -> None:
        self.kept.append(record)


class NothingStored:
    """This hospital has no store and no sources: every record is empty, and nothing of it is withheld."""

    async def fetch(self, _statement: object, _values: object) -> tuple[()]:
        return ()


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def server(dated: House, known: Catalogue, calendar: Clock, records: Records) -> httpx.AsyncClient:
    parts: Any = dated.auth.parts
    collector = Collector(
        reader=NothingStored(),  # type: ignore[arg-type]
        ring=parts.ring,
        providers={ZANDOORD: Sources(False, FanOut(()))},
        expected=lambda _resource, _version: (),
        deadline=1.0,
    )
    base = "https://gateway.example"
    endpoint = FhirEndpoint(
        addresses=Addresses(known, {ZANDOORD}, base),
        admissions=Admissions(dated.auth.bearer, lambda _scope: Peer((D,)), strict=False, query_bytes=8000),
        answers=Answers(collector, parts.pseudonyms, named=False),
        statements=Statements(OAuthUrls(f"{base}/oauth/authorize", f"{base}/oauth/token")),
        trail=records,  # type: ignore[arg-type]
        today=lambda: today(calendar()),
    )
    app = Dispatch(endpoint, Starlette())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"{base}/{ZANDOORD}/9901/fhir")


async def collected(dated: House, server: httpx.AsyncClient) -> httpx.Response:
    """A search with a token that was given for the service on a day on which it was in force, and still lives."""
    dated.static_token("dental", ["9901"], bsn=P1)
    return await server.get("/Condition", headers={"Authorization": "Bearer dental"})


@INSIDE
async def test_it_is_served_on_its_days(
    dated: House, server: httpx.AsyncClient, records: Records, calendar: Clock, moment: datetime
) -> None:
    calendar.now = moment
    answer = await collected(dated, server)
    assert (answer.status_code, answer.json()["total"]) == (200, 0)
    statement = await server.get("/metadata")
    assert statement.json()["implementation"]["url"] == str(server.base_url).rstrip("/")
    assert [(one.outcome, one.service) for one in records.kept] == [(200, "9901")]


@OUTSIDE
async def test_err_43_it_is_not_served_on_other_days(
    dated: House, server: httpx.AsyncClient, records: Records, calendar: Clock, moment: datetime
) -> None:
    """A token from the last minutes before: 403 insufficient_scope, and nothing is looked up."""
    calendar.now = moment
    answer = await collected(dated, server)
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert [(one.outcome, one.service, one.resources) for one in records.kept] == [(403, "", ())]
    assert (await server.get("/metadata")).status_code == 404


async def test_a_year_without_dates_changes_nothing(dated: House, calendar: Clock) -> None:
    """A service without dates is on offer on every day."""
    calendar.now = FIRST_SECOND_AFTER + timedelta(days=3650)
    provider = dated.providers.find(ZANDOORD)
    assert provider is not None
    assert list(provider.services) == ["48"]


async def test_a_last_day_before_the_first_is_a_mistake_in_the_folder(known: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "other" / "dental-1"
    folder.mkdir(parents=True)
    (folder / "standard.toml").write_text(STANDARD.replace("2026-03-31", "2026-02-01"), "utf-8")
    (folder / "requests.toml").write_text(ROW, "utf-8")
    with pytest.raises(StandardError, match="valid_until lies before valid_from"):
        catalogue(extra=[folder])
