"""The back channel: redeeming, refreshing, revoking, and who may use a token (CT-60 to CT-90, CT-103)."""

import uuid
from collections.abc import Callable

import anyio
import httpx
import pytest
from sqlalchemy import update
from starlette.applications import Starlette
from timing import LONG
from world.auth_house import FRONT, P1, P4, WHITELIST_ONLY, ZANDOORD, D, G, House, Pgo, V

from auth.bearer import PeerRefused, require
from auth.crypto import digest, new_token
from auth.errors import REFUSALS, BearerError, told_as
from auth.ports import Available, Client, Peer
from auth.settings import ClientQuirks
from auth.store.tables import access_tokens

pytestmark = pytest.mark.anyio


def told(answer: httpx.Response) -> tuple[int, str]:
    """Status and error of a refusal, after the checks that hold for every one (TOKEN-17)."""
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"
    body = answer.json()
    assert set(body) <= {"error", "error_description"}
    return answer.status_code, body["error"]


GRANT = (400, "invalid_grant")
REQUEST = (400, "invalid_request")
SCOPE = (400, "invalid_scope")


async def alive(pgo: Pgo, access_token: str) -> bool:
    """True when the bearer check accepts the token."""
    try:
        await pgo.check(access_token)
    except BearerError as error:
        return (error.status, error.error) != (401, "invalid_token")
    return True


# --- codes ------------------------------------------------------------


async def test_ct_60_a_code_works_once(house: House) -> None:
    """CT-60, TOKEN-07, TOKEN-08: the second use is refused and costs the first token."""
    pgo = house.pgo()
    code = await pgo.code()
    token = (await pgo.token(code)).json()["access_token"]
    assert await alive(pgo, token)
    assert told(await pgo.token(code)) == GRANT
    assert not await alive(pgo, token)
    assert "code_replayed" in house.host.told()


async def test_ct_61_two_at_the_same_time(house: House) -> None:
    """CT-61, TOKEN-18: exactly one wins, on two workers of one database."""
    pgo = house.pgo()
    other = house.build()
    for _ in range(5):
        code = await pgo.code()
        answers: list[httpx.Response] = []

        async def offer(worker: httpx.AsyncClient, code: str = code, answers: list[httpx.Response] = answers) -> None:
            form = {"grant_type": "authorization_code", "code": code, "client_id": D, "redirect_uri": pgo.redirect_uri}
            answers.append(await worker.post("/oauth/token", data=form))

        app = Starlette(routes=other.routes)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=FRONT) as second:
            with pgo.connected():
                async with anyio.create_task_group() as group:
                    group.start_soon(offer, pgo.server)
                    group.start_soon(offer, second)
        assert sorted(answer.status_code for answer in answers) == [200, 400]


async def test_ct_62_an_old_code(house: House) -> None:
    """ERR-25, CT-62, AUTH-15: ten minutes."""
    pgo = house.pgo()
    code = await pgo.code()
    house.clock.pass_(seconds=601)
    assert told(await pgo.token(code)) == GRANT


async def test_ct_63_a_made_up_code(house: House) -> None:
    """ERR-25, CT-63."""
    for code in ("x" * 43, "", "a b", "%00"):
        assert told(await house.pgo().token(code)) in {GRANT, REQUEST}


async def test_ct_64_a_code_in_other_hands_is_spent(house: House) -> None:
    """ERR-25, CT-64: refused for G, and useless for D afterwards."""
    pgo, thief = house.pgo(), house.pgo(G)
    code = await pgo.code()
    assert told(await thief.token(code, redirect_uri=pgo.redirect_uri)) == GRANT
    assert told(await pgo.token(code)) == GRANT


async def test_ct_65_a_client_id_that_is_not_the_certificate(house: House) -> None:
    """CT-65, ERR-21."""
    pgo = house.pgo()
    assert told(await pgo.token(await pgo.code(), client_id=G)) == (401, "invalid_client")


async def test_ct_66_no_redirect_uri(house: House) -> None:
    """CT-66, TOKEN-05: refused, and the code is spent."""
    pgo = house.pgo()
    code = await pgo.code()
    assert told(await pgo.token(code, redirect_uri=None)) == REQUEST
    assert told(await pgo.token(code)) == GRANT


async def test_ct_67_another_redirect_uri(house: House) -> None:
    """CT-67, ERR-26: a trailing slash is enough."""
    pgo = house.pgo()
    code = await pgo.code()
    assert told(await pgo.token(code, redirect_uri=pgo.redirect_uri + "/")) == GRANT
    assert told(await pgo.token(code)) == GRANT


@pytest.mark.parametrize(
    ("grant_type", "error"),
    [
        (None, "invalid_request"),
        ("", "invalid_request"),
        ("password", "unsupported_grant_type"),
        ("client_credentials", "unsupported_grant_type"),
        ("refresh_code", "unsupported_grant_type"),
    ],
)
async def test_ct_68_grant_types(house: House, grant_type: str | None, error: str) -> None:
    """CT-68, ROLE-02, ERR-22, ERR-23."""
    pgo = house.pgo()
    assert told(await pgo.token(await pgo.code(), grant_type=grant_type)) == (400, error)


async def test_ct_69_to_71_the_shape_of_the_request(house: House) -> None:
    """CT-69, CT-70, CT-71, ERR-24, ERR-30: JSON, parameters twice or in two places, other methods, a huge body."""
    pgo = house.pgo()
    form = f"grant_type=authorization_code&code=x&client_id={D}&redirect_uri=https%3A%2F%2F{D}%2Fcb"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    with pgo.connected():
        post = pgo.server.post
        assert told(await post("/oauth/token", json={"grant_type": "authorization_code"})) == REQUEST
        assert told(await post("/oauth/token", content=f"{form}&code=y", headers=kind)) == REQUEST
        assert told(await post("/oauth/token?code=x", content=form, headers=kind)) == REQUEST
        assert told(await post("/oauth/token?x=1", content=form, headers=kind)) == REQUEST
        assert told(await post("/oauth/token", content=form + "&a=" + "x" * 1_000_000, headers=kind)) == REQUEST
        assert told(await post("/oauth/token", content=form + "&a=%ff", headers=kind)) == REQUEST
        assert told(await post("/oauth/token", content="&".join(["a=1"] * 1000), headers=kind)) == REQUEST
        assert told(await post("/oauth/token", content=form)) == REQUEST
    for method in ("GET", "PUT", "DELETE"):
        answer = await pgo.server.request(method, "/oauth/token")
        assert told(answer) == (405, "invalid_request")
        assert answer.headers["allow"] == "POST"


async def test_ct_72_no_certificate(house: House) -> None:
    """CT-72, TLS-13: refused before OAuth, so the code lives."""
    pgo = house.pgo()
    code = await pgo.code()
    form = {"grant_type": "authorization_code", "code": code, "client_id": D, "redirect_uri": pgo.redirect_uri}
    answer = await pgo.server.post("/oauth/token", data=form)
    assert told(answer) == (403, "invalid_client")
    assert answer.json() == {"error": "invalid_client"}
    assert house.host.told()[-1] == "tls_peer_refused"
    assert (await pgo.token(code)).status_code == 200


async def test_ct_73_and_75_a_certificate_that_is_not_on_the_whitelist(house: House) -> None:
    """CT-73, CT-75, TLS-08: also when it was listed a minute ago; a suffix of a listed name is another name."""
    pgo = house.pgo()
    code = await pgo.code()
    for peer in ("pgo.onbekend.example", f"x.{D}", f"{D}.evil.example"):
        assert told(await pgo.token(code, peer=peer)) == (403, "invalid_client")
    house.lists.hosts.discard(D)
    assert told(await pgo.token(code)) == (403, "invalid_client")
    house.lists.hosts.add(D)
    assert (await pgo.token(code)).status_code == 200


async def test_err_21_on_the_whitelist_but_no_client(house: House) -> None:
    """ERR-21."""
    pgo = house.pgo()
    answer = await pgo.token(await pgo.code(), peer=WHITELIST_ONLY, client_id=WHITELIST_ONLY)
    assert told(answer) == (401, "invalid_client")


async def test_ct_77_no_service_in_common(house: House) -> None:
    """CT-77, ERR-28: the visit succeeds, the token does not."""
    pgo = house.pgo(V)
    assert told(await pgo.token(await pgo.code())) == SCOPE


async def test_ct_78_the_client_list_shrinks_meanwhile(house: House) -> None:
    """CT-78, TOKEN-12."""
    pgo = house.pgo()
    code = await pgo.code()
    house.lists.entries[D] = Client(D, "Mijn Dossierboom", frozenset({"48"}))
    assert (await pgo.token(code)).json()["scope"] == f"{ZANDOORD}~48"


@pytest.mark.parametrize(("setting", "status"), [("allow", 200), ("deny", 400)])
async def test_list_17_a_client_without_services(house_with: Callable[..., House], setting: str, status: int) -> None:
    """LIST-17: dialect C follows the setting; dialect M passes."""
    house = house_with(missing_services=setting)
    house.lists.entries[D] = Client(D, "Mijn Dossierboom", None)
    pgo = house.pgo()
    assert (await pgo.token(await pgo.code())).status_code == status
    assert (await pgo.token(await pgo.code(scope=f"{ZANDOORD}~48"))).status_code == 200


async def test_ct_79_another_correlation_id(house_with: Callable[..., House]) -> None:
    """CT-79, TOKEN-02: refused when strict, logged when lenient."""
    for setting, status in (("strict", 400), ("lenient", 200)):
        house = house_with(correlation=setting)
        pgo = house.pgo()
        code = await pgo.code()
        pgo.correlation = str(uuid.uuid4())
        answer = await pgo.token(code)
        assert answer.status_code == status
        assert ("correlation_differs" in house.host.told()) == (setting == "lenient")


# --- refresh ------------------------------------------------------------


async def test_ct_81_a_dead_refresh_token_ends_the_family(house: House) -> None:
    """ERR-27, CT-81, LTC-04."""
    pgo = house.pgo()
    first = await pgo.tokens(lasting=True)
    second = (await pgo.refresh(first["refresh_token"])).json()
    assert told(await pgo.refresh(first["refresh_token"])) == GRANT
    assert told(await pgo.refresh(second["refresh_token"])) == GRANT
    assert not await alive(pgo, second["access_token"])
    assert "refresh_token_replayed" in house.host.told()


async def test_ltc_04_the_same_request_repeated_is_answered_again(house: House) -> None:
    """LTC-04, SC-P5: same MedMij-Request-ID within the grace time; only the last answer's token lives on."""
    pgo = house.pgo()
    first = await pgo.tokens(lasting=True)
    request_id = str(uuid.uuid4())
    lost = (await pgo.refresh(first["refresh_token"], request_id=request_id)).json()
    house.clock.pass_(seconds=20)
    again = await pgo.refresh(first["refresh_token"], request_id=request_id)
    assert again.status_code == 200
    assert again.json()["refresh_token"] != lost["refresh_token"]
    third = await pgo.refresh(again.json()["refresh_token"])
    assert third.status_code == 200
    assert told(await pgo.refresh(first["refresh_token"], request_id=request_id)) == GRANT


async def test_ltc_04_the_grace_time_ends(house: House) -> None:
    """LTC-04: thirty seconds."""
    pgo = house.pgo()
    first = await pgo.tokens(lasting=True)
    request_id = str(uuid.uuid4())
    assert (await pgo.refresh(first["refresh_token"], request_id=request_id)).status_code == 200
    house.clock.pass_(seconds=31)
    assert told(await pgo.refresh(first["refresh_token"], request_id=request_id)) == GRANT


async def test_ltc_04_two_refreshes_at_the_same_time(house: House) -> None:
    """LTC-04: exactly one wins; the other is a reuse."""
    pgo = house.pgo()
    first = await pgo.tokens(lasting=True)
    answers: list[int] = []

    async def use() -> None:
        answers.append((await pgo.refresh(first["refresh_token"])).status_code)

    async with anyio.create_task_group() as group:
        group.start_soon(use)
        group.start_soon(use)
    assert sorted(answers) == [200, 400]


async def test_ltc_11_a_refresh_has_a_correlation_id_of_its_own(house_with: Callable[..., House]) -> None:
    """LTC-11, TOKEN-02, HDR-02: even where the id of a code is held strictly, and the new token carries the new one."""
    pgo = house_with(correlation="strict").pgo()
    first = await pgo.tokens(lasting=True)
    second = (await pgo.refresh(first["refresh_token"])).json()
    before, after = await pgo.check(first["access_token"]), await pgo.check(second["access_token"])
    assert before.correlation_id == pgo.correlation
    assert after.correlation_id not in {None, pgo.correlation}


async def test_ct_82_a_refresh_token_in_other_hands(house: House) -> None:
    """ERR-27, CT-82: refused; the owner is not hurt."""
    pgo, thief = house.pgo(), house.pgo(G)
    first = await pgo.tokens(lasting=True)
    assert told(await thief.refresh(first["refresh_token"])) == GRANT
    assert (await pgo.refresh(first["refresh_token"])).status_code == 200


async def test_ct_83_six_months_idle(house: House) -> None:
    """CT-83, LTC-03: expired in the register too; 182 days are fine."""
    pgo = house.pgo()
    first = await pgo.tokens(lasting=True)
    house.clock.pass_(days=182)
    second = (await pgo.refresh(first["refresh_token"])).json()
    house.clock.pass_(days=184)
    assert told(await pgo.refresh(second["refresh_token"])) == GRANT
    entries = house.auth.parts.store.consents_of(house.auth.parts.pseudonyms.of(P1))
    assert [entry.outcome for entry in entries] == ["expired", "given"]
    assert "consent_expired" in house.host.told()


async def test_ct_84_scope_at_refresh(house: House) -> None:
    """CT-84, ERR-29, TOKEN-04: larger is refused and costs nothing; smaller narrows this access token only."""
    pgo = house.pgo()
    first = await pgo.tokens(lasting=True)
    for larger in (f"{ZANDOORD}~48 {ZANDOORD}~50", f"{ZANDOORD}~99", "onbekend", f"{ZANDOORD}~48  {ZANDOORD}~65"):
        assert told(await pgo.refresh(first["refresh_token"], scope=larger)) == SCOPE
    smaller = (await pgo.refresh(first["refresh_token"], scope=f"{ZANDOORD}~65")).json()
    assert smaller["scope"] == f"{ZANDOORD}~65"
    full = (await pgo.refresh(smaller["refresh_token"])).json()
    assert full["scope"] == f"{ZANDOORD}~48 {ZANDOORD}~65"


async def test_ltc_06_the_tests_are_repeated_without_the_person(house: House) -> None:
    """LTC-06: availability shrinks the scope, a client list too; nothing left is invalid_grant."""
    pgo = house.pgo()
    token = await pgo.tokens(lasting=True)
    house.host.known[P1] = Available(frozenset({"65"}), birth_date=house.host.known[P1].birth_date)
    token = (await pgo.refresh(token["refresh_token"])).json()
    assert token["scope"] == f"{ZANDOORD}~65"
    house.lists.entries[D] = Client(D, "Mijn Dossierboom", frozenset({"48"}))
    assert told(await pgo.refresh(token["refresh_token"])) == GRANT
    house.host.known[P1] = Available(frozenset({"48"}), birth_date=house.host.known[P1].birth_date)
    token = (await pgo.refresh(token["refresh_token"])).json()
    assert token["scope"] == f"{ZANDOORD}~48"


async def test_ltc_06_a_source_that_is_down_costs_no_token(house: House) -> None:
    """ERR-31b, ERR-31, SC-P3: 503 with Retry-After, and the refresh token still works afterwards."""
    pgo = house.pgo()
    token = await pgo.tokens(lasting=True)
    house.host.fault = OSError("connection refused")
    answer = await pgo.refresh(token["refresh_token"])
    assert told(answer) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"]
    house.host.fault = None
    assert (await pgo.refresh(token["refresh_token"])).status_code == 200


async def test_ltc_10_a_new_consent_replaces_the_lasting_one(house: House) -> None:
    """LTC-10: the old family ends, the page says so beforehand, the register keeps both."""
    pgo = house.pgo()
    old = await pgo.tokens(lasting=True)
    page = await pgo.to_consent()
    assert "Uw keuze van nu komt daarvoor in de plaats" in page.text
    await pgo.grant(page, lasting=True)
    assert not await alive(pgo, old["access_token"])
    assert told(await pgo.refresh(old["refresh_token"])) == GRANT
    entries = house.auth.parts.store.consents_of(house.auth.parts.pseudonyms.of(P1))
    assert sorted(entry.outcome for entry in entries) == ["given", "given", "replaced"]


async def test_ct_86_revocation(house: House) -> None:
    """CT-86, LTC-08: any token of the family ends all of it; an unknown token is 200 too."""
    pgo = house.pgo()
    for which in ("access_token", "refresh_token"):
        token = await pgo.tokens(lasting=True)
        answer = await pgo.post("/oauth/revoke", {"token": token[which], "client_id": D, "token_type_hint": "x"})
        assert answer.status_code == 200
        assert not await alive(pgo, token["access_token"])
        assert told(await pgo.refresh(token["refresh_token"])) == GRANT
    assert (await pgo.post("/oauth/revoke", {"token": "unknown", "client_id": D})).status_code == 200
    assert told(await pgo.post("/oauth/revoke", {"client_id": D})) == REQUEST
    assert told(await pgo.post("/oauth/revoke", {"token": "x", "client_id": G})) == (401, "invalid_client")
    assert (await pgo.server.get("/oauth/revoke")).status_code == 405
    assert (await pgo.server.post("/oauth/revoke", data={"token": "x"})).status_code == 403


async def test_ct_86_nobody_revokes_for_another(house: House) -> None:
    """RFC 7009 section 2.1."""
    pgo, other = house.pgo(), house.pgo(G)
    token = await pgo.tokens()
    answer = await other.post("/oauth/revoke", {"token": token["access_token"], "client_id": G})
    assert answer.status_code == 400
    assert await alive(pgo, token["access_token"])


async def test_token_15_and_16_client_quirks_are_switches(house_with: Callable[..., House]) -> None:
    """TOKEN-15, TOKEN-16: off by default; when on, the extra refresh token dies with the access token."""
    house = house_with(always_refresh_token=True, accept_refresh_code=True)
    pgo = house.pgo()
    token = await pgo.tokens(P4)
    second = await pgo.refresh(token["refresh_token"], grant_type="refresh_code")
    assert second.status_code == 200
    house.clock.pass_(seconds=901)
    assert told(await pgo.refresh(second.json()["refresh_token"])) == GRANT


async def test_quirks_are_those_of_one_client(house_with: Callable[..., House]) -> None:
    """APP-06, TOKEN-15, TOKEN-16: what one client needs, no other gets; a refusal reaches it as a number."""
    quirks = ClientQuirks(always_refresh_token=True, accept_refresh_code=True, numeric_error=True)
    house = house_with(quirks={D: quirks})
    token = await house.pgo().tokens(P4)
    second = await house.pgo().refresh(token["refresh_token"], grant_type="refresh_code")
    assert second.status_code == 200
    assert second.json()["scope"].strip()
    other = house_with(quirks={"other.example": quirks})
    assert "refresh_token" not in await other.pgo().tokens(P4)
    assert told(await other.pgo().refresh("x", grant_type="refresh_code")) == (400, "unsupported_grant_type")
    assert told_as("access_denied", numeric=True).isdigit()
    assert all(row.code is None or told_as(row.code, numeric=True).isdigit() for row in REFUSALS.values())


# --- bearer ------------------------------------------------------------


async def test_ct_87_an_access_token_lives_900_seconds(house: House) -> None:
    """CT-87, TOKEN-11, ERR-42."""
    pgo = house.pgo()
    token = (await pgo.tokens())["access_token"]
    house.clock.pass_(seconds=899)
    assert await alive(pgo, token)
    house.clock.pass_(seconds=1)
    assert not await alive(pgo, token)


async def test_ct_88_another_service_or_provider(house: House) -> None:
    """CT-88, RES-05, ERR-43."""
    pgo = house.pgo()
    grant = await pgo.check((await pgo.tokens(P4))["access_token"])
    require(grant, ZANDOORD, "48")
    for provider, service in ((ZANDOORD, "65"), ("ggzdewadden", "48")):
        with pytest.raises(BearerError) as refused:
            require(grant, provider, service)
        assert refused.value.status == 403
        assert refused.value.challenge.startswith('Bearer error="insufficient_scope"')


async def test_res_05_a_token_for_another_function(house: House) -> None:
    """RES-05: a subscription to a service opens no data of it."""
    pgo = house.pgo()
    grant = await pgo.check((await pgo.tokens(scope=f"subscribe~30/{ZANDOORD}~65"))["access_token"])
    require(grant, ZANDOORD, "65", subscribe=True)
    with pytest.raises(BearerError):
        require(grant, ZANDOORD, "65")


async def test_token_04_refresh_names_its_client(house: House) -> None:
    """TOKEN-04: dialect C sends client_id; leaving it out costs nothing but the call."""
    pgo = house.pgo()
    token = await pgo.tokens(lasting=True)
    assert told(await pgo.refresh(token["refresh_token"], client_id="")) == REQUEST
    assert (await pgo.refresh(token["refresh_token"])).status_code == 200


async def test_ct_89_over_another_certificate(house: House) -> None:
    """CT-89, RES-06."""
    pgo = house.pgo()
    token = (await pgo.tokens())["access_token"]
    with pytest.raises(BearerError) as refused:
        await pgo.check(token, peer=G)
    assert (refused.value.status, refused.value.error) == (401, "invalid_token")
    for peer in (Peer(None), Peer(()), Peer(("evil.example",))):
        with pytest.raises(PeerRefused):
            await house.auth.bearer.check(f"Bearer {token}", peer)


async def test_res_06_another_node_of_the_same_organisation(house_with: Callable[..., House]) -> None:
    """RES-06: by setting."""
    house = house_with(peer_match="organisation")
    node = "tweede.mijndossierboom.example"
    house.lists.hosts.add(node)
    house.lists.entries[node] = Client(node, "Mijn Dossierboom", None)
    pgo = house.pgo()
    token = (await pgo.tokens())["access_token"]
    assert (await pgo.check(token, peer=node)).client == D
    with pytest.raises(BearerError):
        await pgo.check(token, peer=G)


@pytest.mark.parametrize(
    ("header", "status", "challenge"),
    [
        (None, 401, "Bearer"),
        ("", 400, "invalid_request"),
        ("Bearer", 400, "invalid_request"),
        ("Bearer ", 400, "invalid_request"),
        ("Basic abc", 400, "invalid_request"),
        ("Bearer a b", 400, "invalid_request"),
        ("Bearer " + "x" * 600, 400, "invalid_request"),
        ("Bearer unknown", 401, "invalid_token"),
        ("bearer \udcff\x00", 401, "invalid_token"),
    ],
)
async def test_ct_90_the_authorization_header(house: House, header: str | None, status: int, challenge: str) -> None:
    """CT-90, ERR-40 to ERR-42."""
    with pytest.raises(BearerError) as refused:
        await house.auth.bearer.check(header, Peer((D,)))
    assert refused.value.status == status
    assert challenge in refused.value.challenge
    assert (header is None) == (refused.value.challenge == "Bearer")


async def test_ct_90_a_token_elsewhere(house: House) -> None:
    """CT-90, RES-01: in the query or body, even when the header is fine."""
    pgo = house.pgo()
    token = (await pgo.tokens())["access_token"]
    with pytest.raises(BearerError) as refused:
        await house.auth.bearer.check(f"Bearer {token}", Peer((D,)), elsewhere=True)
    assert refused.value.status == 400


async def test_static_tokens_exist_in_test_mode(house: House) -> None:
    """`gateway tokens load`: usable by any client, by number or by patient id; loading twice is fine."""
    for _ in range(2):
        house.static_token("static-1", ["48", "65"], bsn=P1)
    house.static_token("static-2", ["48"], patient="patient-1")
    by_number = await house.auth.bearer.check("Bearer static-1", Peer((D,)))
    assert by_number.subject == house.auth.parts.pseudonyms.of(P1)
    by_id = await house.auth.bearer.check("Bearer static-2", Peer((G,)))
    assert (by_id.patient, by_id.sealed_bsn, by_id.services) == ("patient-1", None, frozenset({"48"}))


async def test_ct_103_codes_and_tokens_have_no_structure(house: House) -> None:
    """CT-103, AUTH-14: 256 bits each, no two alike; a value that was drawn before is drawn again."""
    drawn = {new_token() for _ in range(10_000)}
    assert len(drawn) == 10_000
    assert {len(value) for value in drawn} == {43}
    store = house.auth.parts.store
    pgo = house.pgo()
    code = await pgo.code()
    spent = store.spend_code(digest(code), 0).code
    assert spent is not None
    assert store.add_code(digest(code), spent) is False


async def test_slow_refreshes_hold_up_nobody(house_with: Callable[..., House]) -> None:
    """SC-H4, TOKEN-14: forty refreshes wait for a source that hangs; a code is redeemed meanwhile."""
    house = house_with(availability_seconds=30)
    pgo, other = house.pgo(), house.pgo()
    token = await pgo.tokens(P4, lasting=True)
    code = await other.code(scope=f"{ZANDOORD}~48")
    house.host.slow = 600
    before = len(house.host.asked)
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"], "client_id": D}

    async def refresh() -> None:
        await pgo.server.post("/oauth/token", data=form)

    with pgo.connected():
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(refresh)
            with anyio.fail_after(LONG):  # before the first of them gives up
                while len(house.host.asked) < before + 3:  # noqa: ASYNC110 - what is awaited are calls at the source
                    await anyio.sleep(0.01)
                assert (await other.token(code)).status_code == 200
            group.cancel_scope.cancel()


async def test_ltc_09_withdrawn_between_code_and_token(house: House) -> None:
    """LTC-09: a consent that ended before its code was redeemed gives nothing."""
    pgo = house.pgo()
    code = await pgo.code(lasting=True)
    store, subject = house.auth.parts.store, house.auth.parts.pseudonyms.of(P1)
    store.end_family(store.lasting_families(subject)[0].id, house.auth.parts.now(), "withdrawn", "manage-consents")
    assert told(await pgo.token(code)) == GRANT


async def test_token_06_a_certificate_with_two_clients_must_say_which(house: House) -> None:
    """TOKEN-06: client_id is taken from the certificate only when that leaves no doubt."""
    pgo = house.pgo()
    code = await pgo.code(scope=f"{ZANDOORD}~48")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": pgo.redirect_uri}
    with pgo.connected(D, G):
        answer = await pgo.server.post("/oauth/token", data=form)
    assert told(answer) == (401, "invalid_client")


async def test_a_single_access_token_can_be_revoked(house: House) -> None:
    """The bearer check reads the token's own mark as well as its family's."""
    pgo = house.pgo()
    token = (await pgo.tokens())["access_token"]
    with house.engine.begin() as connection:
        connection.execute(update(access_tokens).values(revoked=1))
    assert not await alive(pgo, token)


async def test_static_tokens_mean_nothing_in_production(house: House) -> None:
    """DESIGN 6: a token without a client, brought over from a test database, opens nothing."""
    house.static_token("static-3", ["48"], bsn=P1)
    production = house.settings.model_copy(update={"mode": "production"})
    object.__setattr__(house.auth.parts, "settings", production)
    with pytest.raises(BearerError) as refused:
        await house.auth.bearer.check("Bearer static-3", Peer((D,)))
    assert refused.value.error == "invalid_token"
