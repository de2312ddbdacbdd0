"""Peers that are slow on purpose or by accident: half headers, half bodies, answers that nobody reads, lines held open.

The limits are short here; what hangs in a test would hang for ever otherwise.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from databases import database
from servers import free_port, settings_for
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from timing import LONG, START, until
from world.intake_house import condition, house, patient, source

from auth.peer.limits import ConnectionSettings
from auth.peer.listeners import LimitedServer, server
from auth.peer.tls import TlsSettings
from gateway.app import create_app
from gateway.cli.db import upgrade
from gateway.intake.settings import IntakeSettings
from gateway.store.engine import open_engine
from workbench.plugin import workbench

SHORT = ConnectionSettings(header_seconds=0.5, body_seconds=0.5, body_rate=1_000, answer_seconds=0.5)
SLOW_PATHS = ("/oauth/token", "/oauth/revoke", "/fhir/stu3/$validate")


class Door:
    """An application that reads its body, and notes who went away."""

    def __init__(self) -> None:
        self.left = 0
        self.go = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:
            self.left += 1
            return
        answer = b"x" * 20_000_000 if scope["path"] == "/large" else str(len(body)).encode()
        await PlainTextResponse(answer)(scope, receive, send)


@contextmanager
def listening(app: object, limits: ConnectionSettings = SHORT) -> Iterator[LimitedServer]:
    made = server(app, TlsSettings(), limits, host="127.0.0.1", port=free_port(), log_config=None, lifespan="on"
                  if not isinstance(app, Door) else "off", beside=True)  # fmt: skip
    thread = threading.Thread(target=made.run)
    thread.start()
    assert until(lambda: made.started, START)
    try:
        yield made
    finally:
        made.should_exit = True
        thread.join()


def line(made: LimitedServer, sent: bytes = b"") -> socket.socket:
    found = socket.create_connection(("127.0.0.1", made.config.port), LONG)
    found.sendall(sent)
    return found


def rest(found: socket.socket) -> bytes:
    """All that still comes, until the other side ends it; raises TimeoutError when it does not."""
    with found:
        data = b""
        try:
            while part := found.recv(65_536):
                data += part
        except ConnectionResetError:
            pass
        return data


def head(path: str = "/", length: int = 10, method: str = "POST") -> bytes:
    lines = (f"{method} {path} HTTP/1.1", "Host: x", "Content-Type: application/x-www-form-urlencoded")
    return "\r\n".join((*lines, f"Content-Length: {length}", "", "")).encode()


def asked(made: LimitedServer) -> str:
    return httpx.get(f"http://127.0.0.1:{made.config.port}/", timeout=LONG).text


def test_half_a_header_half_a_body_and_silence_have_an_end() -> None:
    app = Door()
    with listening(app) as made:
        for sent in (b"GET / HTTP/1.1\r\nHost: x\r\n", b"", head() + b"half"):
            assert rest(line(made, sent)).startswith(b"HTTP/1.1 408 ")
        assert until(lambda: app.left == 1), "the application was told that the peer is gone"
        # The second header on a connection that was good until then.
        again = line(made, head() + b"0123456789")
        assert again.recv(65_536).startswith(b"HTTP/1.1 200 ")
        again.sendall(b"GET / HT")
        assert rest(again).startswith(b"HTTP/1.1 408 ")
        assert rest(line(made, b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000)).startswith(b"HTTP/1.1 4")
        assert asked(made) == "0"
        assert until(lambda: not len(made.guests))


def test_what_is_refused_at_the_door_says_why() -> None:
    """A request that names no host, or two, is none (RFC 9112, 3.2); too long a header hears the limit."""
    with listening(Door()) as made:
        for hosts in (b"", b"Host: x\r\nHost: y\r\n"):
            answer = rest(line(made, b"GET / HTTP/1.1\r\n" + hosts + b"\r\n"))
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"names its host once" in answer
        assert rest(line(made, b"GET / HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        again = line(made, head() + b"0123456789")
        assert again.recv(65_536).startswith(b"HTTP/1.1 200 ")
        again.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        time.sleep(0.1)
        again.sendall(b"".join(b"X%d: %s\r\n" % (place, b"x" * 4_000) for place in range(18)))
        answer = rest(again)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"65536 bytes together at most" in answer


def test_a_slow_line_that_keeps_the_rate_is_waited_for() -> None:
    with listening(Door()) as made:
        found = line(made, head(length=4_000))
        for _ in range(20):
            found.sendall(b"x" * 200)
            time.sleep(0.08)
        assert b"4000" in found.recv(65_536)
        found.close()


def test_an_answer_that_nobody_reads_is_dropped() -> None:
    with listening(Door()) as made:
        found = line(made, head("/large", 0))
        assert until(lambda: len(made.guests) == 1)
        assert until(lambda: not len(made.guests)), "nothing is read, and the connection ends"
        found.close()


def test_a_peer_with_too_many_lines_loses_the_oldest_that_asks_nothing() -> None:
    with listening(Door(), ConnectionSettings(per_address=20)) as made, ExitStack() as held:
        working = held.enter_context(line(made, head()))
        for _ in range(100):
            held.enter_context(line(made, b"GET / HTTP/1.1\r\n"))
        assert asked(made) == "0"
        assert until(lambda: len(made.guests) <= 20)
        working.sendall(b"0123456789")
        assert working.recv(65_536).startswith(b"HTTP/1.1 200 "), "what is in work is left alone"


def test_new_lines_are_taken_while_the_loop_is_busy() -> None:
    """uvloop takes one per turn of the loop."""
    with listening(Door()) as made:
        lines = [line(made, head() + b"0123456789") for _ in range(200)]
        assert all(one.recv(65_536).startswith(b"HTTP/1.1 200 ") for one in lines)
        for one in lines:
            one.close()


def test_the_public_port_ends_half_bodies_everywhere(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as url:
        settings = settings_for(url, free_port())
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        with listening(create_app(settings, workbench=workbench)) as made:
            lines = [line(made, head(path, 500) + b"grant_type=") for path in SLOW_PATHS]
            said = [rest(one) for one in lines]
            assert {one[:12] for one in said} == {b"HTTP/1.1 408"}
            assert httpx.get(f"http://127.0.0.1:{made.config.port}/health/live").status_code == 200


def test_half_bodies_of_one_source_keep_no_other_waiting(tmp_path: Path) -> None:
    """And 520 half headers stop neither pushes nor health: the limit per address makes room."""
    section = IntakeSettings(sources={"epd": source(), "lab": source()})
    limits = ConnectionSettings(header_seconds=60, body_seconds=60)
    with (
        house("sqlite", tmp_path, section) as hospital,
        listening(hospital.parts.app, limits) as made,
        ExitStack() as lines,
    ):
        start = b"PUT /intake/epd/Patient/p1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\n"
        for _ in range(16):
            lines.enter_context(line(made, start + b"Content-Length: 500\r\n\r\n{"))
        for _ in range(520):
            lines.enter_context(line(made, b"GET /metrics HTTP/1.1\r\n"))
        base, headers = f"http://127.0.0.1:{made.config.port}", {"content-type": "application/fhir+json"}
        with httpx.Client(base_url=base, timeout=LONG, headers=headers) as web:
            assert web.put("/intake/lab/Patient/p1", json=patient()).status_code == 201
            assert web.put("/intake/lab/Condition/c1", json=condition()).status_code == 201
            assert web.get("/health/live").status_code == 200
            assert web.get("/metrics").status_code == 200


def test_metrics_and_health_have_a_listener_that_no_load_can_starve(tmp_path: Path) -> None:
    port = free_port()
    with database("sqlite", tmp_path) as url:
        settings = settings_for(url, free_port(), metrics={"port": port})
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        with (
            listening(create_app(settings, workbench=workbench)) as made,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=LONG) as web,
        ):
            held = threading.Event()
            # The loop of the public application stands still.
            made.servers[0].get_loop().call_soon_threadsafe(held.wait)
            try:
                assert "gateway_requests_in_work" in web.get("/metrics").text
                assert [web.get(f"/health/{one}").status_code for one in ("live", "ready")] == [200, 200]
                assert web.get("/intake/epd").status_code == 404
            finally:
                held.set()
