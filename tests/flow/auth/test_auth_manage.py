"""Mijn toestemmingen: a person sees and ends what was given, and sees who collected (CT-85, SC-T2, LTC-07)."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

import httpx
import pytest
from world.auth_house import CARER, CHILD, FRONT, P1, P4, ZANDOORD, D, House, Pgo, read_form

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
    asked = await pgo.submit(page, "end-1")
    assert "Wilt u deze toestemming stoppen?" in asked.text
    await pgo.check(token["access_token"])
    ended = await pgo.submit(asked, "end")
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
    """SC-T2, SC-T3: in plain language, with the fact that somebody else did it; a pseudonym is no name to show."""
    carer = house.auth.parts.pseudonyms.of(CARER)
    house.host.accesses.append(
        AccessEntry(datetime(2026, 7, 1, 10, 30, tzinfo=UTC), D, ZANDOORD, "48", "Medicatie", 12, carer)
    )
    page = await _manage(house.pgo())
    for words in (
        "01-07-2026 12:30",
        "Mijn Dossierboom",
        "Medicatie (12)",
        "Ziekenhuis Zandoord",
        "Dit deed iemand anders voor u.",
    ):
        assert words in page.text
    assert carer not in page.text


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


async def _given_for_a_child(house: House) -> tuple[Pgo, dict[str, str], str]:
    """A carer gives a lasting consent for a child: the client, its tokens, and the child's birth date on a page."""
    born = house.host.known[CHILD].birth_date or date.min
    pgo = house.pgo()
    landing = await pgo.authorize(
        scope=f"{ZANDOORD} {Representation.PARENTAL}", MedMij_geboortedatum=born.strftime("%Y%m%d")
    )
    consent = await pgo.log_in(await pgo.to_login(landing), CARER, **{"for": CHILD})
    answer = await pgo.token(await pgo.grant(consent, lasting=True))
    return pgo, answer.json(), born.strftime("%d-%m-%Y")


async def test_rep_06_who_acted_sees_and_ends_what_was_given(house_with: Callable[..., House]) -> None:
    """REP-06, LTC-07, LTC-09: a child cannot log in; the parent who gave the consent ends it."""
    house = house_with(representation=True)
    pgo, token, born = await _given_for_a_child(house)
    page = await _manage(pgo, CARER)
    own, _, others = page.text.partition("Toestemmingen die u voor iemand anders gaf")
    assert "U hebt geen toestemmingen die doorlopen" in own
    assert f"Voor uw kind, geboren op {born}." in others
    ended = await pgo.submit(await pgo.submit(page, "end-1"), "end")
    assert "Mijn Dossierboom kan vanaf nu niets meer ophalen" in ended.text
    assert "Toestemmingen die u voor iemand anders gaf" not in ended.text
    with pytest.raises(BearerError):
        await pgo.check(token["access_token"])
    assert (await pgo.refresh(token["refresh_token"])).json()["error"] == "invalid_grant"


async def test_rep_06_the_person_sees_that_somebody_acted(house_with: Callable[..., House]) -> None:
    """REP-06: on the consent and in the register; neither a number nor a pseudonym of who did it."""
    house = house_with(representation=True)
    await _given_for_a_child(house)
    page = await _manage(house.pgo(), CHILD)
    card, _, history = page.text.partition('id="history"')
    assert "Dit deed een ouder of voogd voor u." in card
    assert "Dit deed een ouder of voogd voor u." in history
    assert CARER not in page.text
    assert house.auth.parts.pseudonyms.of(CARER) not in page.text


async def test_rep_06_of_a_child_the_parent_sees_only_what_they_did(house_with: Callable[..., House]) -> None:
    """REP-06: what another gave for the same child, and who collected by it, stays out of sight."""
    house = house_with(representation=True)
    await _given_for_a_child(house)
    when = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
    pseudonyms = house.auth.parts.pseudonyms
    house.host.log[pseudonyms.of(CHILD)] = [
        AccessEntry(when, D, ZANDOORD, "48", "Medicatie", 12, pseudonyms.of(CARER)),
        AccessEntry(when, D, ZANDOORD, "48", "Bloeddruk", 3, pseudonyms.of(P4)),
    ]
    page = await _manage(house.pgo(), CARER)
    assert "Medicatie (12)" in page.text
    assert "Bloeddruk" not in page.text
    assert "Toestemmingen die u voor iemand anders gaf" not in (await _manage(house.pgo(), P4)).text


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
