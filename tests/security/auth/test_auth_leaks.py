"""What may never be found anywhere: numbers, codes, tokens, states; headers that nobody bends (CT-101, CT-102)."""

import json
import logging
import re
from dataclasses import asdict
from urllib.parse import urlencode

import httpx
import pytest
from world.auth_house import FRONT, P1, P3, D, House, read_form, returned

from auth.events import Event, EventType
from auth.ports import Level

pytestmark = pytest.mark.anyio


async def _everything(house: House) -> list[str]:
    """A visit with all that can happen; returns the secrets that came by."""
    pgo = house.pgo()
    code = await pgo.code(lasting=True)
    first = (await pgo.token(code)).json()
    second = (await pgo.refresh(first["refresh_token"])).json()
    await pgo.token(code)
    await pgo.post("/oauth/revoke", {"token": second["access_token"], "client_id": D})
    await pgo.to_consent(P3)
    await pgo.to_consent(P1, Level.BASIS)
    await pgo.submit(await pgo.to_consent(), "decide", decision="refuse")
    cookies = [str(value) for value in pgo.browser.cookies.values()]
    secrets = [code, pgo.state, P1, P3, *cookies]
    return secrets + [token[name] for token in (first, second) for name in ("access_token", "refresh_token")]


async def test_ct_101_nothing_in_logs_events_or_the_database(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """CT-101, LOG-06, AUTH-16, IDN-07: not in our logs at debug level, not in events, not in any row."""
    caplog.set_level(logging.DEBUG)
    secrets = await _everything(house)
    kept = house.dump()
    logged = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    events = "\n".join(repr(event) for event in house.host.events)
    assert len(secrets) >= 8
    for secret in secrets:
        assert secret not in kept
        assert secret not in logged
        assert secret not in events


async def test_ct_101_an_internal_fault_tells_nothing(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """CT-101: the log has the trace and the trace id, and none of the values that were on their way."""
    pgo = house.pgo()
    consent = await pgo.to_consent()
    with house.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE auth_consent RENAME TO gone")
    try:
        with caplog.at_level(logging.DEBUG):
            await pgo.submit(consent, "decide", decision="give")
    finally:
        with house.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO auth_consent")
    assert "internal error on a page" in caplog.text
    for secret in (P1, pgo.state, house.auth.parts.pseudonyms.of(P1)):
        assert secret not in caplog.text


async def test_err_31_a_fault_at_the_token_endpoint(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """ERR-31a, ERR-31: JSON, no text of the fault, nothing of the request in the log."""
    pgo = house.pgo()
    code = await pgo.code()
    with house.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE auth_access_token RENAME TO gone")
    try:
        answer = await pgo.token(code)
    finally:
        with house.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO auth_access_token")
    assert answer.status_code == 500
    assert answer.json() == {"error": "server_error", "error_description": "an internal error occurred"}
    assert answer.headers["cache-control"] == "no-store"
    assert "internal error at /oauth/token" in caplog.text
    assert code not in caplog.text


async def test_idn_04_no_person_in_any_url(house: House) -> None:
    """IDN-04: the number crosses no URL of ours, the client's or the login's redirects."""
    urls: list[str] = []

    async def seen(response: httpx.Response) -> None:
        urls.extend((str(response.request.url), response.headers.get("location", "")))

    pgo = house.pgo()
    pgo.browser.event_hooks = {"response": [seen]}
    pgo.server.event_hooks = {"response": [seen]}
    await pgo.tokens()
    assert len(urls) > 8
    assert not any(P1 in url for url in urls)


async def test_ct_102_the_chain_log(house: House) -> None:
    """CT-102, LOG-01 to LOG-04: every step in order, tied by the correlation id, with the names of section 20."""
    pgo = house.pgo()
    first = await pgo.tokens(lasting=True)
    told = house.host.told()
    assert told == [
        "receive_authorization_request",
        "show_landing_page",
        "send_authentication_request",
        "receive_authentication_response",
        "send_availability_request",
        "receive_availability_response",
        "show_consent_page",
        "receive_consent",
        "send_authorization_response",
        "receive_token_request",
        "send_token_response",
    ]
    assert {event.trace_id for event in house.host.events} == {pgo.correlation}
    assert len({event.session_id for event in house.host.events if event.session_id}) == 1
    house.host.events.clear()
    await pgo.refresh(first["refresh_token"])
    assert house.host.told() == ["receive_token_request", "send_token_response"]
    assert {event.initiated_by for event in house.host.events} == {"automatic"}
    answer = house.host.events[-1]
    assert (answer.client_id, answer.provider_id, answer.status) == (D, "ziekenhuiszandoord", 200)


async def test_log_06_an_event_has_no_room_for_secrets(house: House) -> None:
    """LOG-06: the fields are a closed list, and what clients send reaches none of them unless it is a UUID."""
    pgo = house.pgo()
    marker = "kwaad<>\"'"
    await pgo.authorize(state=marker, scope=marker, response_type=marker, correlation_id=marker, request_id=marker)
    await pgo.authorize(client_id=marker, redirect_uri=marker)
    await pgo.post(
        "/oauth/token",
        {"grant_type": marker, "code": marker, "client_id": marker, "redirect_uri": marker},
        correlation_id="kwaad",
        request_id="kwaad",
    )
    assert house.host.events
    assert "kwaad" not in json.dumps([asdict(event) for event in house.host.events], default=str)
    assert {"bsn", "state", "code", "token", "person"} & set(Event.__dataclass_fields__) == set()
    assert len(set(EventType)) == len(EventType)


async def test_pages_repeat_nothing_that_was_sent(house: House) -> None:
    """Cross-site scripting: parameters reach no page; names from the lists are escaped."""
    pgo = house.pgo()
    marker = "<script>alert(1)</script>"
    for changes in ({"client_id": marker}, {"redirect_uri": marker}, {"lang": marker, "prompt": marker}):
        page = await pgo.authorize(**changes)
        assert "alert(1)" not in page.text
        assert "<script" not in page.text
    wrong = await pgo.browser.get(f"{FRONT}/oauth/visit/{marker}")
    assert wrong.status_code in {400, 404}
    assert "<script" not in wrong.text


POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' https: http:; base-uri 'none'; "
    "frame-ancestors 'none'"
)


async def test_ui_14_every_page_is_locked_down(house: House) -> None:
    """UI-14, TLS-14: no script at all, no framing, no referrer, no caching, on every kind of page."""
    pgo = house.pgo()
    landing = await pgo.authorize()
    pages = [
        landing,
        await pgo.submit(landing, "cancel"),
        await pgo.to_consent(),
        await pgo.to_consent(P3),
        await pgo.authorize(client_id="x"),
        await pgo.browser.get(f"{FRONT}/consents"),
        await pgo.browser.get(f"{FRONT}/oauth/visit/unknown"),
    ]
    for page in pages:
        assert page.headers["content-security-policy"] == POLICY
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["strict-transport-security"]
        assert not re.search(r"<script|\son\w+=|style=|javascript:", page.text)
    answer = await pgo.submit(await pgo.to_consent(), "decide", decision="give")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_header_injection_is_impossible(house: House) -> None:
    """Line breaks in state, redirect or language never reach a header."""
    pgo = house.pgo()
    for text in ("x\r\nSet-Cookie: a=b", "x%0d%0aSet-Cookie: a=b", "x\nLocation: https://evil.example"):
        for name in ("state", "scope", "redirect_uri", "lang", "response_type"):
            answer = await pgo.authorize(**{name: text})
            for header, value in answer.headers.multi_items():
                assert "\r" not in value
                assert "\n" not in value
                assert header != "set-cookie" or not value.startswith("a=")
                assert header != "location" or value.startswith(pgo.redirect_uri)


async def test_requests_of_a_megabyte(house: House) -> None:
    """Bounded everything: refused by size before anything is read from it."""
    pgo = house.pgo()
    huge = "x" * 60_000  # the most that the test's own client puts into a URL
    for name in ("state", "scope", "client_id", "redirect_uri", "MedMij-Request-ID", "other"):
        page = await pgo.authorize(**{name: huge})
        assert page.status_code == 400
        assert len(page.content) < 10_000
    consent = await pgo.to_consent()
    action, hidden = read_form(consent.text, "decide")
    page = await pgo.browser.post(f"{FRONT}{action}", data={**hidden, "decision": "give", "x": "x" * 1_000_000})
    assert page.status_code == 400


async def test_session_fixation_a_cookie_from_outside_opens_nothing(house: House) -> None:
    """AUTH-17: the secret is ours, per visit; another visit's secret does not fit."""
    pgo, other = house.pgo(), house.pgo()
    one, two = await pgo.authorize(), await other.authorize()
    action, hidden = read_form(two.text, "continue")
    name = two.headers["set-cookie"].partition("=")[0]
    secret = one.headers["set-cookie"].partition("=")[2].partition(";")[0]
    for cookie in ("", "x", secret):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), cookies={name: cookie}) as browser:
            assert (await browser.post(f"{FRONT}{action}", data=hidden)).status_code == 400


async def test_idn_04_the_client_learns_nothing_from_the_answer(house: House) -> None:
    """IDN-04, AUTH-13: code, state; a token answer with five members at most."""
    pgo = house.pgo()
    back = returned(await pgo.submit(await pgo.to_consent(), "decide", decision="give"))
    assert set(back) == {"code", "state"}
    body = (await pgo.token(back["code"])).json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert P1 not in urlencode(body)


async def test_a_failing_event_sink_blocks_nothing(house: House) -> None:
    """LOG-08: the exchange goes on."""

    def broken(event: Event) -> None:
        raise OSError("disk full")

    house.host.note = broken  # type: ignore[method-assign]
    assert (await house.pgo().tokens())["access_token"]
