"""Conformance cases over real sockets: TLS on both channels, a PKI made here, both databases.

The stories of tests/flow/auth run again as they are, with a house that is reached over connections; what is about
certificates is told here, and what is about more than one process in test_conformance_processes.py.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from databases import database
from flow.auth import test_auth_collect as collect
from flow.auth import test_auth_dialects as dialects
from flow.auth import test_auth_person as person
from flow.auth import test_auth_requests as requests
from flow.auth import test_auth_tokens as tokens
from flow.auth.test_auth_tokens import REQUEST, told
from security.auth import test_auth_leaks as leaks
from security.socketworld import BACK, EXPIRED, FOREIGN, RESOURCE, REVOKED, SocketHouse, Sockets
from sqlalchemy import Engine
from world.auth_house import FRONT, D, G, House, empty

from auth.store.store import engine_for

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def sockets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sockets]:
    with Sockets(tmp_path_factory.mktemp("sockets")).listening() as found:
        yield found


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with database(request.param, tmp_path_factory.mktemp("auth")) as url:
        engine = engine_for(url)
        yield engine
        engine.dispose()


@pytest.fixture
async def house_with(sockets: Sockets, engine: Engine) -> AsyncIterator[Callable[..., SocketHouse]]:
    empty(engine)
    houses: list[SocketHouse] = []

    def build(**settings: Any) -> SocketHouse:
        houses.append(SocketHouse(sockets, engine, **settings))
        return houses[-1]

    yield build
    for house in houses:
        await house.close()


@pytest.fixture
def house(house_with: Callable[..., SocketHouse]) -> SocketHouse:
    return house_with()


# --- the stories of the flow, and the certificates ------------------------------------------------------------------

Story = Callable[[House], Awaitable[None]]
STORIES: dict[str, Story] = {
    "CT-01": collect.test_ct_01_the_landing_page_names_the_provider,
    "CT-02, CT-04, CT-05": collect.test_ct_02_to_05_one_visit_gives_an_access_token,
    "CT-03": dialects.test_ct_03_a_long_state_comes_back_byte_for_byte,
    "CT-06, CT-80": collect.test_ct_06_a_lasting_consent_gives_a_refresh_token,
    "CT-07": person.test_ct_07_lasting_is_never_preselected,
    "CT-08": collect.test_ct_08_services_without_data_are_left_out,
    "CT-09": dialects.test_ct_09_dialect_m_one_combination,
    "CT-10": dialects.test_ct_10_dialect_m_two_combinations,
    "CT-12": dialects.test_ct_12_the_java_client_of_dialect_m,
    "CT-13": dialects.test_ct_13_a_redirect_uri_with_a_query,
    "CT-14": dialects.test_ct_14_unknown_parameters_are_ignored,
    "CT-15": dialects.test_ct_15_trace_ids_as_headers,
    "CT-19": partial(requests.test_ct_19_and_27_twice_is_a_page, name="client_id"),
    "CT-27": partial(requests.test_ct_19_and_27_twice_is_a_page, name="redirect_uri"),
    "CT-31": requests.test_ct_31_no_state,
    "CT-32": partial(requests.test_ct_32_a_state_out_of_form, state="s" * 1025),
    "CT-40": requests.test_ct_40_dialect_m_and_the_client_list,
    "CT-41": partial(requests.test_ct_41_any_parameter_twice, name="scope"),
    "CT-44": partial(requests.test_ct_44_only_get, method="POST"),
    "CT-45": person.test_ct_45_cancel_on_the_landing_page,
    "CT-46": person.test_ct_46_cancel_at_the_login,
    "CT-47": person.test_ct_47_a_level_below_the_floor,
    "CT-48 replayed": person.test_ct_48_a_login_answer_replayed,
    "CT-48 another request": person.test_ct_48_a_login_answer_for_another_request,
    "CT-49": person.test_ct_49_unknown_at_the_provider,
    "CT-50": person.test_ct_50_fifteen_years_old,
    "CT-51 today": partial(person.test_ct_51_the_sixteenth_birthday, days=0, passes=True),
    "CT-51 tomorrow": partial(person.test_ct_51_the_sixteenth_birthday, days=1, passes=False),
    "CT-52": person.test_ct_52_consent_refused,
    "CT-53": person.test_ct_53_the_client_cannot_tell_the_refusals_apart,
    "CT-55": person.test_ct_55_an_internal_fault,
    "CT-57 twice": person.test_ct_57_the_consent_form_posted_twice,
    "CT-57 no CSRF token": partial(person.test_ct_57_without_the_csrf_token, csrf=""),
    "CT-58": person.test_ct_58_the_consent_form_from_another_browser,
    "CT-59": person.test_ct_59_no_single_sign_on,
    "CT-60": tokens.test_ct_60_a_code_works_once,
    "CT-62": tokens.test_ct_62_an_old_code,
    "CT-63": tokens.test_ct_63_a_made_up_code,
    "CT-64": tokens.test_ct_64_a_code_in_other_hands_is_spent,
    "CT-65": tokens.test_ct_65_a_client_id_that_is_not_the_certificate,
    "CT-66": tokens.test_ct_66_no_redirect_uri,
    "CT-67": tokens.test_ct_67_another_redirect_uri,
    "CT-68 absent": partial(tokens.test_ct_68_grant_types, grant_type=None, error="invalid_request"),
    "CT-68 password": partial(tokens.test_ct_68_grant_types, grant_type="password", error="unsupported_grant_type"),
    "CT-72": tokens.test_ct_72_no_certificate,
    "CT-73, CT-75": tokens.test_ct_73_and_75_a_certificate_that_is_not_on_the_whitelist,
    "CT-77": tokens.test_ct_77_no_service_in_common,
    "CT-78": tokens.test_ct_78_the_client_list_shrinks_meanwhile,
    "CT-81": tokens.test_ct_81_a_dead_refresh_token_ends_the_family,
    "CT-82": tokens.test_ct_82_a_refresh_token_in_other_hands,
    "CT-83": tokens.test_ct_83_six_months_idle,
    "CT-84": tokens.test_ct_84_scope_at_refresh,
    "CT-86": tokens.test_ct_86_nobody_revokes_for_another,
    "CT-87": tokens.test_ct_87_an_access_token_lives_900_seconds,
    "CT-94": dialects.test_ct_94_delen_shows_a_confirmation,
    "CT-95": dialects.test_ct_95_a_subscription_is_shortened_to_the_maximum,
    "CT-96 no days": dialects.test_ct_96_zero_days_ends_the_subscription,
    "CT-96 no number": partial(dialects.test_ct_96_days_that_are_no_number, days="x"),
    "CT-102": leaks.test_ct_102_the_chain_log,
    "CT-100": requests.test_ct_100_lists_too_old,
}


@pytest.mark.parametrize("cases", STORIES)
async def test_the_stories_of_the_flow(house: SocketHouse, cases: str) -> None:
    """CT-01 to CT-10, CT-12 to CT-15, CT-19, CT-27, CT-31, CT-32, CT-40, CT-41, CT-44 to CT-53, CT-55,
    CT-57 to CT-60, CT-62 to CT-68, CT-72, CT-73, CT-75, CT-77, CT-78, CT-80 to CT-84, CT-86, CT-87,
    CT-94 to CT-96, CT-100, CT-102: the same words over TLS, with the client's certificate on the back channel."""
    await STORIES[cases](house)


HouseWith = Callable[..., House]
BY_SETTING: dict[str, Callable[[HouseWith], Awaitable[None]]] = {
    "CT-11": dialects.test_ct_11_dialect_l_on_a_path_of_the_provider,
    "CT-54": person.test_ct_54_the_source_does_not_answer,
    "CT-79": tokens.test_ct_79_another_correlation_id,
    "CT-98 not used": person.test_ct_98_representation_asked_but_not_used,
    "CT-98 birth date": person.test_ct_98_another_birth_date,
}


@pytest.mark.parametrize("cases", BY_SETTING)
async def test_the_stories_with_a_setting(house_with: HouseWith, cases: str) -> None:
    """CT-11, CT-54, CT-79, CT-98: as above, in a house with another setting."""
    await BY_SETTING[cases](house_with)


async def test_nothing_is_told(house: SocketHouse, caplog: pytest.LogCaptureFixture) -> None:
    """CT-101: nothing of a person or a token in logs, events or the database, with a real server in between."""
    await leaks.test_ct_101_nothing_in_logs_events_or_the_database(house, caplog)


async def test_a_page_and_no_redirect(house: SocketHouse) -> None:
    """CT-16 to CT-18, CT-20 to CT-26, CT-28: requests of which the client cannot be trusted to be who it says."""
    for case in requests.PAGES:
        house.host.events.clear()
        await requests.test_ct_16_to_28_a_page_and_no_redirect(house, case)


async def test_an_error_back_to_the_client(house: SocketHouse) -> None:
    """CT-29 to CT-30, CT-33 to CT-39, CT-42, CT-43, CT-97: a redirect with the error and the state."""
    for case in requests.REDIRECTS:
        house.host.events.clear()
        await requests.test_ct_29_to_43_back_to_the_client(house, case)


async def test_another_method_or_shape(house: SocketHouse) -> None:
    """CT-69 to CT-71: also with more body than the server wants to read."""
    pgo = house.pgo()
    form = f"grant_type=authorization_code&code=x&client_id={D}&redirect_uri=https%3A%2F%2F{D}%2Fcb"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    with pgo.connected():
        for method in ("GET", "PUT", "DELETE"):
            answer = await pgo.server.request(method, "/oauth/token")
            assert told(answer) == (405, "invalid_request")
            assert answer.headers["allow"] == "POST"
        post = pgo.server.post
        assert told(await post("/oauth/token", json={"grant_type": "authorization_code"})) == REQUEST
        assert told(await post("/oauth/token", content=f"{form}&code=y", headers=kind)) == REQUEST
        assert told(await post("/oauth/token?code=x", content=form, headers=kind)) == REQUEST
        assert told(await post("/oauth/token", content=form + "&a=" + "x" * 1_000_000, headers=kind)) == REQUEST


async def test_no_certificate_on_either_channel(house: SocketHouse) -> None:
    """CT-72, TLS-13: the front channel asks for none, and therefore serves no token; the code lives."""
    pgo = house.pgo()
    code = await pgo.code()
    form = {"grant_type": "authorization_code", "code": code, "client_id": D, "redirect_uri": pgo.redirect_uri}
    for url in (f"{BACK}/oauth/token", f"{FRONT}/oauth/token"):
        assert told(await pgo.server.post(url, data=form)) == (403, "invalid_client")
    with pgo.connected():
        assert told(await pgo.server.post(f"{FRONT}/oauth/token", data=form)) == (403, "invalid_client")
    assert house.host.told().count("tls_peer_refused") == 3
    assert (await pgo.token(code)).status_code == 200


@pytest.mark.parametrize("fault", [EXPIRED, FOREIGN])
async def test_a_certificate_that_ends_the_handshake(house: SocketHouse, fault: str) -> None:
    """CT-74, TLS-05, TLS-09: expired, or from an authority that is not ours; the code lives."""
    pgo = house.pgo()
    code = await pgo.code()
    with pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.WriteError, httpx.RemoteProtocolError)):
        await pgo.token(code, peer=fault)
    assert (await pgo.token(code)).status_code == 200


async def test_a_revoked_certificate(house: SocketHouse) -> None:
    """CT-74, TLS-09: refused after the handshake, told in the log; the code lives."""
    pgo = house.pgo()
    code = await pgo.code()
    assert told(await pgo.token(code, peer=REVOKED)) == (403, "invalid_client")
    assert house.host.events[-1].type == "tls_peer_refused"
    assert (await pgo.token(code)).status_code == 200


async def test_a_host_that_leaves_the_whitelist(house: SocketHouse) -> None:
    """CT-75: refused at the resource too, on the connection that was open already."""
    pgo = house.pgo()
    token = (await pgo.tokens())["access_token"]
    good = {"Authorization": f"Bearer {token}"}
    answers = [await pgo.bearer(good)]
    house.lists.hosts.discard(D)
    answers.append(await pgo.bearer(good))
    house.lists.hosts.add(D)
    answers.append(await pgo.bearer(good))
    assert [answer.status_code for answer in answers] == [200, 403, 200]
    ends = {answer.extensions["network_stream"].get_extra_info("client_addr") for answer in answers}
    assert len(ends) == 1, "one connection"


async def test_a_forged_header(house: SocketHouse) -> None:
    """CT-76, TLS-10: nobody becomes D by saying so, without a certificate, with one that is not listed, with G's."""
    pgo = house.pgo()
    code = await pgo.code()
    form = {"grant_type": "authorization_code", "code": code, "client_id": D, "redirect_uri": pgo.redirect_uri}
    forged = {house.sockets.tls.header: house.sockets.identity(D).header}
    for url in (f"{BACK}/oauth/token", f"{FRONT}/oauth/token"):
        assert told(await pgo.server.post(url, data=form, headers=forged)) == (403, "invalid_client")
    with pgo.connected("pgo.onbekend.example"):
        assert told(await pgo.server.post("/oauth/token", data=form, headers=forged)) == (403, "invalid_client")
    assert (await pgo.token(code)).status_code == 200
    form["code"] = await pgo.code()
    with pgo.connected(G):
        assert told(await pgo.server.post("/oauth/token", data=form, headers=forged)) == (401, "invalid_client")


async def test_a_token_over_another_certificate(house: SocketHouse) -> None:
    """CT-89, RES-06: 401 for another client; 403 for who is not listed or shows nothing."""
    pgo = house.pgo()
    header = {"Authorization": f"Bearer {(await pgo.tokens())['access_token']}"}
    answer = await pgo.bearer(header, G)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    for peer in ("pgo.onbekend.example", REVOKED):
        assert (await pgo.bearer(header, peer)).status_code == 403
    assert (await pgo.server.get(RESOURCE, headers=header)).status_code == 403
    assert (await pgo.bearer(header)).status_code == 200


@pytest.mark.parametrize(
    ("header", "status", "challenge"),
    [(None, 401, "Bearer"), ("Basic abc", 400, 'Bearer error="invalid_request"'), ("Bearer x", 401, "invalid_token")],
)
async def test_the_authorization_header(house: SocketHouse, header: str | None, status: int, challenge: str) -> None:
    """CT-90, ERR-40 to ERR-42: no token is no error; what is no bearer token is."""
    answer = await house.pgo().bearer({"Authorization": header} if header else {})
    assert answer.status_code == status
    assert challenge in answer.headers["www-authenticate"]
    assert (header is None) == (answer.headers["www-authenticate"] == "Bearer")
