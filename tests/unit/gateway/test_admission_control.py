"""What is refused while more is asked than can be done: lanes, and allowances of clients, persons and sources."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from auth.peer.transport import peer_of
from auth.ports import Peer
from gateway.http.lanes import ClientAllowance, Lanes, lanes
from gateway.pulse import Pulse
from gateway.rates import Rate
from gateway.sections import OverloadSettings

READ, TOKEN, PAGE, HEALTH = "/zandoord/48/fhir/Patient", "/oauth/token", "/oauth/authorize", "/health/ready"


class Held:
    """An application of which every request stays in work until it is let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.append(scope["path"])
        await self.go.wait()
        await PlainTextResponse("done")(scope, receive, send)


class Asked:
    """One request, and what came back."""

    def __init__(self, app: Any, path: str, accept: str = "", peer: Peer | None = None) -> None:
        self.messages: list[Message] = []
        extensions = {"gateway.peer": peer} if peer else {}
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "extensions": extensions}
        headers = [(b"accept", accept.encode()), (b"medmij-request-id", b"11111111-2222-4333-8444-555555555555")]
        self.done = asyncio.ensure_future(app(scope | {"headers": headers}, self._receive, self._send))

    async def _receive(self) -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(one.get("body", b"") for one in self.messages[1:])


def ways() -> Any:
    return lanes(lambda request: PlainTextResponse("Het is te druk.", headers={"content-language": "nl"}))


async def begun(*asked: Asked) -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.anyio
async def test_a_lane_has_room_for_a_visit_and_only_then_looks_at_the_delay() -> None:
    held, delay = Held(), [9.9]
    app = Lanes(held, ways(), OverloadSettings(always=28, most=30), lambda: delay[0])
    visit = [Asked(app, READ) for _ in range(28)]
    late = Asked(app, READ)
    await begun()
    assert (len(held.begun), late.status) == (28, 503)
    delay[0] = 0.0
    more = [Asked(app, READ) for _ in range(3)]
    await begun()
    assert [len(one.messages) for one in more] == [0, 0, 2], "two are let in while nothing is behind; then it is full"
    held.go.set()
    await asyncio.gather(*(one.done for one in visit))
    assert {one.status for one in visit} == {200}
    again = Asked(app, READ)
    await again.done
    assert again.status == 200


@pytest.mark.anyio
async def test_each_lane_is_full_for_itself_and_refuses_in_its_own_words() -> None:
    held = Held()
    app = Lanes(held, ways(), OverloadSettings(always=1, most=1), lambda: 0.0)
    paths = (READ, TOKEN, PAGE, "/fhir/r4/$validate")
    for path in paths:
        Asked(app, path)
    await begun()
    assert held.begun == list(paths), "reads that fill their lane leave room for tokens and pages"
    json_, xml, token, page = (
        Asked(app, READ), Asked(app, READ, "application/fhir+xml"), Asked(app, TOKEN), Asked(app, PAGE),
    )  # fmt: skip
    await begun()
    assert {one.status for one in (json_, xml, token, page)} == {503}
    assert all(int(one.headers["retry-after"]) > 0 for one in (json_, xml, token, page))
    assert json.loads(json_.body)["issue"][0]["code"] == "throttled"
    assert json_.headers["medmij-request-id"] == "11111111-2222-4333-8444-555555555555"
    assert (b"<OperationOutcome" in xml.body, xml.headers["content-type"]) == (
        True, "application/fhir+xml; charset=utf-8",
    )  # fmt: skip
    assert json.loads(token.body)["error"] == "temporarily_unavailable"
    assert page.body == b"Het is te druk."
    healthy = Asked(app, HEALTH)
    await begun()
    assert held.begun[-1] == HEALTH, "health is never refused"
    held.go.set()
    await healthy.done


@pytest.mark.anyio
async def test_a_client_that_asks_too_often_is_told_when_to_come_back_and_others_notice_nothing() -> None:
    now = [0.0]
    rate = Rate(0.5, 2, lambda: now[0])
    held = Held()
    held.go.set()
    app = ClientAllowance(held, ways(), rate, peer_of)
    busy, other = Peer(("druk.example",)), Peer(("rustig.example",))
    asked = [Asked(app, READ, peer=busy) for _ in range(3)] + [Asked(app, READ, peer=other), Asked(app, PAGE)]
    await asyncio.gather(*(one.done for one in asked))
    assert [one.status for one in asked] == [200, 200, 429, 200, 200]
    assert asked[2].headers["retry-after"] == "2"
    now[0] = 2.0
    again = Asked(app, READ, peer=busy)
    await again.done
    assert again.status == 200


@given(
    st.floats(0.1, 100), st.integers(1, 50), st.lists(st.floats(0, 3), min_size=1, max_size=200),
)  # fmt: skip
def test_nobody_gets_more_than_the_allowance_and_the_wait_is_true(
    per_second: float, burst: int, pauses: list[float]
) -> None:
    now, taken = [0.0], []
    rate = Rate(per_second, burst, lambda: now[0])
    for pause in pauses:
        now[0] += pause
        if wait := rate.take("one"):
            now[0] += wait
            assert rate.take("one") == 0.0
        taken.append(now[0])
        first = max(0, len(taken) - 1 - burst)
        # Of any burst + 1 in a row the last is not before the allowance has grown by one again.
        if len(taken) > burst:
            assert taken[-1] - taken[first] >= 1 / per_second - 1e-6


def test_no_limit_is_no_limit() -> None:
    rate = Rate(0, 1)
    assert {rate.take("one") for _ in range(1_000)} == {0.0}


@pytest.mark.anyio
async def test_the_pulse_tells_a_loop_that_is_held_up() -> None:
    pulse = Pulse()
    assert pulse.delay == 0.0
    pulse.start()
    held = asyncio.get_running_loop().time() + 0.2
    while asyncio.get_running_loop().time() < held:
        pass
    assert pulse.delay > 0.1, "also before the late beat has come"
    pulse.stop()
    assert pulse.delay == 0.0


@pytest.mark.parametrize("number", [28, 400])
def test_a_person_with_a_whole_visit_at_once_is_never_refused(number: int) -> None:
    usual = OverloadSettings()
    rate = Rate(usual.person_per_second, usual.person_burst)
    assert {rate.take("joke") for _ in range(number)} == {0.0}


TRACE = "11111111-2222-4333-8444-555555555555"
WHOLE = (
    f"GET {READ}?x=y HTTP/1.1\r\nHost: x\r\nAccept: application/fhir+xml\r\nMedMij-Request-ID: {TRACE}\r\n\r\n".encode()
)


def full() -> Lanes:
    found = ways()
    app = Lanes(PlainTextResponse("never"), found, OverloadSettings(always=1, most=1), lambda: 0.0)
    found[0].in_work = 1
    return app


def test_a_read_is_refused_before_it_is_parsed_and_gets_its_trace_id_back() -> None:
    """HDR-03, at the door too."""
    head, _, body = (full().refusal(WHOLE) or b"").partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 503 Service Unavailable"
    assert f"content-length: {len(body)}" in lines
    assert "content-type: application/fhir+xml; charset=utf-8" in lines
    assert any(one.startswith("retry-after: ") for one in lines)
    assert f"MedMij-Request-ID: {TRACE}" in lines
    assert b"<OperationOutcome" in body
    again = (full().refusal(WHOLE.replace(TRACE.encode(), b"<script>")) or b"").lower()
    assert b"script" not in again
    assert b"request-id" not in again


@pytest.mark.parametrize("sent", [
    WHOLE[:-2],
    WHOLE + WHOLE,
    WHOLE + b"x",
    WHOLE.replace(b"GET", b"POST"),
    WHOLE.replace(READ.encode(), b"/health/live"),
    WHOLE.replace(READ.encode(), b"/oauth/token"),
    WHOLE.replace(READ.encode(), b"/fhir/r4/$validate"),
    WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
])  # fmt: skip
def test_what_is_not_one_whole_read_is_parsed_as_always(sent: bytes) -> None:
    assert full().refusal(sent) is None


@given(st.binary(max_size=200))
def test_no_bytes_break_the_door(sent: bytes) -> None:
    answer = full().refusal(sent)
    assert answer is None or answer.startswith(b"HTTP/1.1 503 ")


def test_a_lane_with_room_refuses_nothing_at_the_door() -> None:
    app = Lanes(PlainTextResponse("never"), ways(), OverloadSettings(), lambda: 9.9)
    assert app.refusal(WHOLE) is None
