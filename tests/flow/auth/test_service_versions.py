"""Two versions of a data service, each on its days and for a while together: one consent, one token, two addresses."""

from datetime import date
from pathlib import Path

import httpx
import pytest
from flow.auth.test_service_validity import (
    FIRST_SECOND_AFTER,
    LAST_SECOND_BEFORE,
    ROW,
    STANDARD,
    ZANDOORD,
    Records,
    calendar,
    dated,
    records,
    server,
)
from world.auth_house import P1, Clock, House

from gateway import registration
from gateway.registration import ourselves
from gateway.sections import ProviderSettings
from profiles.standards.changes import changes
from profiles.standards.load import Catalogue, StandardError, catalogue

__all__ = ["calendar", "dated", "records", "server"]  # fixtures

pytestmark = pytest.mark.anyio

VERSIONED = STANDARD.replace("test = true", 'test = true\nversion = "1.0"')
LATER = (
    STANDARD.replace('id = "dental-1"', 'id = "dental-2"\nreplaces = "dental-1"')
    .replace("test = true", 'test = true\nversion = "2.0"')
    .replace("valid_from = 2026-03-01\nvalid_until = 2026-03-31", "valid_from = 2026-03-20")
)
LATER_ROW = ROW.replace('get = "Condition"', 'get = "Condition"\nquery = ["clinical-status=active"]')


def folder(root: Path, name: str, standard: str, row: str) -> Path:
    made = root / name
    made.mkdir()
    (made / "standard.toml").write_text(standard, "utf-8")
    (made / "requests.toml").write_text(row, "utf-8")
    return made


@pytest.fixture
def known(tmp_path: Path) -> Catalogue:
    """The later version is named first: the days decide on the order."""
    later = folder(tmp_path, "dental-2", LATER, LATER_ROW)
    return catalogue(extra=[later, folder(tmp_path, "dental-1", VERSIONED, ROW)])


async def asked(server: httpx.AsyncClient, address: str, query: str = "") -> tuple[int, str]:
    """Status and self link of a search at an address."""
    base = str(server.base_url).replace("/9901/", f"/{address}/")
    answer = await server.get(f"{base}Condition{query}", headers={"Authorization": "Bearer dental"})
    links = answer.json().get("link", [{}]) if answer.status_code == 200 else [{}]
    return answer.status_code, links[0].get("url", "").rpartition(f"/{ZANDOORD}/")[2]


async def test_both_versions_are_served_on_the_days_that_they_share(
    dated: House, server: httpx.AsyncClient, records: Records, calendar: Clock
) -> None:
    """The address without a version is the older one's, until its last day; each has the rows of its own version."""
    calendar.now = FIRST_SECOND_AFTER.replace(month=3, day=25)
    dated.static_token("dental", ["9901"], bsn=P1)
    active = "?clinical-status=active"
    assert await asked(server, "9901") == (200, "9901/fhir/Condition")
    assert await asked(server, "9901.1.0") == (200, "9901.1.0/fhir/Condition")
    assert await asked(server, "9901.2.0", active) == (200, f"9901.2.0/fhir/Condition{active}")
    assert (await asked(server, "9901", active))[0] == 400, "a parameter of the new version"
    assert (await asked(server, "9901.2.0"))[0] == 400, "the new version requires it"
    assert (await asked(server, "9901.3.0"))[0] == 403
    assert [one.rule for one in records.kept[:3]] == ["problem.1.0", "problem.1.0", "problem.2.0"]
    assert {one.service for one in records.kept} <= {"9901", ""}, "counted as one service"


async def test_each_version_is_served_on_its_own_days_alone(
    dated: House, server: httpx.AsyncClient, calendar: Clock
) -> None:
    """Before the first day nothing, then the first version; after its last day its address leads to the second."""
    dated.static_token("dental", ["9901"], bsn=P1)
    for moment, served in (
        (LAST_SECOND_BEFORE, {}),
        (LAST_SECOND_BEFORE.replace(month=3, day=10), {"9901": "", "9901.1.0": ""}),
        (FIRST_SECOND_AFTER, {"9901": "?clinical-status=active", "9901.2.0": "?clinical-status=active"}),
    ):
        calendar.now = moment
        for address in ("9901", "9901.1.0", "9901.2.0"):
            status, _ = await asked(server, address, served.get(address, ""))
            assert status == (200 if address in served else 403), (moment, address)


async def test_one_consent_is_for_the_service_whatever_its_version(dated: House, calendar: Clock) -> None:
    calendar.now = FIRST_SECOND_AFTER.replace(month=3, day=25)
    first = await dated.pgo().tokens(lasting=True, scope=f"{ZANDOORD}~9901")
    assert first["scope"] == f"{ZANDOORD}~9901"
    calendar.now = FIRST_SECOND_AFTER
    assert (await dated.pgo().refresh(first["refresh_token"])).json()["scope"] == f"{ZANDOORD}~9901"


def test_the_list_gets_the_roles_of_both_with_an_address_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IFV-04: two roles of one service, at two addresses, on the days that they share."""
    known = catalogue(
        extra=[
            folder(tmp_path, "dental-1", VERSIONED.replace("test = true", 'roles = ["DEN-1"]'), ROW),
            folder(tmp_path, "dental-2", LATER.replace("test = true", 'roles = ["DEN-2"]'), LATER_ROW),
        ]
    )
    monkeypatch.setattr(registration, "catalogue", lambda: known)
    providers = {ZANDOORD: ProviderSettings(display_name="Ziekenhuis Zandoord", services=("9901",))}

    def roles(day: date) -> dict[str, str]:
        monkeypatch.setattr(registration, "today_here", lambda: day)
        made = ourselves("https://f.example", "https://b.example", providers)
        return dict(made.services[f"{ZANDOORD}@medmij"]["9901"].roles)

    base = f"https://b.example/{ZANDOORD}"
    both = {"DEN-1": f"{base}/9901/fhir", "DEN-2": f"{base}/9901.2.0/fhir"}
    assert roles(date(2026, 3, 25)) == both
    assert roles(date(2026, 4, 1)) == {"DEN-2": both["DEN-2"]}, "the new version keeps its address"


def test_what_is_announced_is_told(known: Catalogue) -> None:
    lines = changes(known.standards["dental-1"], known.standards["dental-2"])
    assert "service 9901: version 2.0, was 1.0" in lines
    assert (
        "service 9901: both versions are in force from 2026-03-20 until 2026-03-31; the new one is at 9901.2.0" in lines
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (STANDARD, LATER, "each have a version"),
        (VERSIONED, LATER.replace('version = "2.0"', 'version = "1.0"'), "each have a version"),
        (VERSIONED, LATER.replace('fhir = "STU3"', 'fhir = "STU3"\ndraft = true'), "service id of its own"),
        (VERSIONED, LATER.replace('version = "2.0"', 'version = "2.0"\nfunction = "share"'), "service id of its own"),
    ],
)
def test_two_different_things_never_share_a_service_id(tmp_path: Path, old: str, new: str, told: str) -> None:
    one, two = folder(tmp_path, "dental-1", old, ROW), folder(tmp_path, "dental-2", new, LATER_ROW)
    with pytest.raises(StandardError, match=told):
        catalogue(extra=[one, two])
