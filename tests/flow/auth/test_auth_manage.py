"""Mijn toestemmingen: a person sees and ends what was given, and sees who collected (CT-85, SC-T2, LTC-07)."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import httpx
import pytest
from world.auth_house import CARER, FRONT, P1, P4, ZANDOORD, D, House, Pgo, read_form

from auth.errors import BearerError
from auth.login.port import Identity, LoginAsk, LoginStart
from auth.ports import AccessEntry, Level, Representation

pytestmark = pytest.mark.anyio


async def _manage(pgo: Pgo, bsn: str = P1, query: str = "", level: Level = Level.MIDDEN) -> httpx.Response:
    landing = await pgo.browser.get(f"{FRONT}/consents{query}")
    assert landing.status_code == 200
    return await pgo.log_in(await pgo.to_login(landing), bsn, level)


async def test_ct_85_ending_a_consent_works_at_once(house: House) -> None:
    """CT-85, LTC-09: the very next request is refused."""
    pgo = house.pgo()
    token = await pgo.tokens(lasting=True)
    page = await _manage(pgo)
    assert "Mijn Dossierboom" in page.text
    assert "Basisgegevens zorg 3.0" in page.text
    house.clock.pass_(minutes=1)
    ended = await pgo.submit(page, "end-1")
    assert "Mijn Dossierboom kan vanaf nu niets meer ophalen" in ended.text
    with pytest.raises(BearerError):
        await pgo.check(token["access_token"])
    refused = await pgo.refresh(token["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    entries = house.auth.parts.store.consents_of(house.auth.parts.pseudonyms.of(P1))
    assert [(entry.outcome, entry.channel) for entry in entries] == [
        ("withdrawn", "manage-consents"),
        ("given", "authorization"),
    ]
    assert "consent_withdrawn" in house.host.told()


async def test_sc_t2_who_collected_what(house: House) -> None:
    """SC-T2, SC-T3: in plain language, with the representative."""
    house.host.accesses.append(
        AccessEntry(datetime(2026, 7, 1, 10, 30, tzinfo=UTC), D, ZANDOORD, "48", "Medicatie", 12, "C. de Wit")
    )
    page = await _manage(house.pgo())
    for words in (
        "01-07-2026 12:30",
        "Mijn Dossierboom",
        "Medicatie (12)",
        "Ziekenhuis Zandoord",
        "namens u: C. de Wit",
    ):
        assert words in page.text


async def test_sc_t2_one_collection_is_one_line(house: House) -> None:
    """SC-T2: a client asks thirty questions at once; the person sees one collection, with what was in it."""
    for minute, what in ((31, "Medicatie"), (30, "Bloeddruk"), (10, "Allergieën")):
        when = datetime(2026, 7, 1, 10, minute, tzinfo=UTC)
        house.host.accesses.append(AccessEntry(when, D, ZANDOORD, "48", what, 1, None))
    page = await _manage(house.pgo())
    assert page.text.count("haalde op bij") == 2
    newest, _, older = page.text.partition("01-07-2026 12:31")[2].partition("01-07-2026 12:10")
    assert "Bloeddruk (1)" in newest
    assert "Medicatie (1)" in newest
    assert "Allergieën (1)" in older


async def test_ltc_07_only_ones_own(house: House) -> None:
    """LTC-07: another person sees nothing, and cannot end it by knowing its id."""
    pgo = house.pgo()
    token = await pgo.tokens(lasting=True)
    family = house.auth.parts.store.lasting_families(house.auth.parts.pseudonyms.of(P1))[0].id
    stranger = house.pgo()
    page = await _manage(stranger, P4)
    assert "U hebt geen toestemmingen die doorlopen" in page.text
    _, hidden = read_form(page.text, "logout")
    await stranger.browser.post(f"{page.url}/end", data={**hidden, "consent": family})
    assert (await pgo.check(token["access_token"])).provider == ZANDOORD


async def test_role_04_a_provider_shows_its_own(house: House) -> None:
    """ROLE-04: started for one provider, the page shows that provider."""
    pgo = house.pgo()
    await pgo.tokens(lasting=True)
    page = await _manage(pgo, query="?provider=ggzdewadden", level=Level.SUBSTANTIEEL)
    assert "GGZ De Wadden" in page.text
    assert "U hebt geen toestemmingen die doorlopen" in page.text


async def test_ltc_07_login_comes_first(house: House) -> None:
    """LTC-07: nothing is shown or ended before; a cancelled login has no client to go back to."""
    pgo = house.pgo()
    landing = await pgo.browser.get(f"{FRONT}/consents")
    action, hidden = read_form(landing.text, "continue")
    refused = await pgo.browser.post(f"{FRONT}{action.removesuffix('continue')}end", data={**hidden, "consent": "x"})
    assert refused.status_code == 400
    login = await pgo.to_login(landing)
    page = await pgo.follow(await pgo.submit(login, "login", action="cancel"))
    assert "U bent gestopt met inloggen" in page.text
    assert 'id="leave"' not in page.text


async def test_ltc_07_logging_out(house: House) -> None:
    """The visit is over: the page is gone with it."""
    pgo = house.pgo()
    page = await _manage(pgo, CARER)
    bye = await pgo.submit(page, "logout")
    assert "U bent uitgelogd" in bye.text
    assert (await pgo.browser.get(str(page.url))).status_code == 400


class Representing:
    """A login in which somebody acts for another although nobody asked."""

    async def start(self, ask: LoginAsk) -> LoginStart:
        return LoginStart(f"{FRONT}/login/callback?state={ask.state}", {"nonce": "n"})

    async def finish(
        self, answer: Mapping[str, str], kept: Mapping[str, str], ask: LoginAsk, now: datetime
    ) -> Identity:
        kind = Representation.VOLUNTARY
        return Identity(P1, Level.HOOG, now, "a", actor_bsn=CARER, representation=kind)


async def test_rep_04_nobody_sees_anothers_consents(house_with: Callable[..., House]) -> None:
    """REP-04: representation that was used but not asked for ends the visit."""
    house = house_with(login=Representing())
    pgo = house.pgo()
    page = await pgo.follow(await pgo.submit(await pgo.browser.get(f"{FRONT}/consents"), "continue"))
    assert "machtiging is niet (meer) geldig" in page.text
    assert 'id="logout"' not in page.text
