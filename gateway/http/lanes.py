"""Who is let in while more is asked than can be done: refused at once, before anything is looked up, or served well.

A lane below ``always`` requests in work lets everybody in, so that the machine never stands still; above it a request
is let in while the event loop and the database keep up. What is queued is bounded that way, and so is how long it
takes. Health is never refused; tokens, reads, validations and pages each have a lane of their own. This stands before
all other work, since a refusal must cost a small part of what it saves.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from auth.ports import PeerOf
from gateway.http.dispatch import FHIR
from gateway.http.exchange import Exchange, send_bytes
from gateway.metrics import Sample
from gateway.rates import Rate
from gateway.sections import OverloadSettings
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.outcome import Issue, operation_outcome
from profiles.fhir.version import FhirVersion

RETRY_SECONDS = 2
TEXTS: Mapping[str, str] = {
    "gateway_requests_in_work": "requests that are being answered, by lane",
    "gateway_requests_refused_total": "requests that were refused because too much was asked, by lane",
    "gateway_delay_seconds": "how far the event loop or the database is behind",
}
TOO_MUCH, TOO_OFTEN = 503, 429
Refuse = Callable[[Scope, Receive, Send, int, int], Awaitable[None]]
"""Answers with a status and the seconds until it is worth asking again."""


@dataclass(slots=True)
class Lane:
    """Requests that are counted together: their paths, and what is said to those that are refused."""

    name: str
    paths: re.Pattern[str]
    refuse: Refuse
    in_work: int = 0
    refused: int = 0


class Lanes:
    """Pure ASGI middleware. ``delay`` gives the seconds that the process is behind."""

    def __init__(
        self, app: ASGIApp, lanes: Sequence[Lane], settings: OverloadSettings, delay: Callable[[], float]
    ) -> None:
        self._app = app
        self._lanes = lanes
        self._settings = settings
        self._delay = delay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        lane = lane_of(self._lanes, scope)
        if lane is None:
            await self._app(scope, receive, send)
        elif self._full(lane):
            lane.refused += 1
            await lane.refuse(scope, receive, send, TOO_MUCH, RETRY_SECONDS)
        else:
            lane.in_work += 1
            try:
                await self._app(scope, receive, send)
            finally:
                lane.in_work -= 1

    def refusal(self, data: bytes) -> bytes | None:
        """See auth.peer.connections.AtTheDoor: a read that would be refused, when these bytes are one and nothing else.

        Parsing a request costs more than half of what is saved by refusing it; at several times the capacity the
        refusals alone would fill the machine.
        """
        lane = self._lanes[0]
        if lane.in_work < self._settings.always or not self._full(lane):
            return None
        line, _, rest = data.partition(b"\r\n")
        if not rest.endswith(b"\r\n\r\n") or rest.count(b"\r\n\r\n") != 1 or not _READ.fullmatch(line):
            return None
        lane.refused += 1
        return refused_read(rest)

    def samples(self) -> Iterator[Sample]:
        """For monitoring (`TEXTS`)."""
        yield Sample("gateway_delay_seconds", round(self._delay(), 3))
        for lane in self._lanes:
            yield Sample("gateway_requests_in_work", lane.in_work, {"lane": lane.name})
            yield Sample("gateway_requests_refused_total", lane.refused, {"lane": lane.name})

    def _full(self, lane: Lane) -> bool:
        settings = self._settings
        if lane.in_work < settings.always:
            return False
        return lane.in_work >= settings.most or self._delay() > settings.delay_seconds


class ClientAllowance:
    """Pure ASGI middleware behind the check of certificates: a client that asks too often gets 429."""

    def __init__(self, app: ASGIApp, lanes: Sequence[Lane], rate: Rate, peer_of: PeerOf) -> None:
        self._app = app
        self._lanes = lanes
        self._rate = rate
        self._peer_of = peer_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse. Who showed no certificate is nobody's client here: people, and test mode."""
        lane = lane_of(self._lanes, scope)
        names = self._peer_of(scope).hostnames if lane else None
        wait = self._rate.take(names[0]) if names else 0.0
        if lane is None or not wait:
            await self._app(scope, receive, send)
        else:
            await lane.refuse(scope, receive, send, TOO_OFTEN, ceil(wait))


def lane_of(lanes: Sequence[Lane], scope: Scope) -> Lane | None:
    """The first lane with this path; None for health, and for what is no request."""
    if scope["type"] != "http" or scope["path"].startswith("/health/"):
        return None
    return next((lane for lane in lanes if lane.paths.fullmatch(scope["path"])), None)


def lanes(busy: Callable[[Request], Response]) -> list[Lane]:
    """The lanes of the public application; ``busy`` makes the page for people."""

    async def page(scope: Scope, receive: Receive, send: Send, status: int, seconds: int) -> None:
        answer = busy(Request(scope))
        answer.status_code = status
        answer.headers["retry-after"] = str(seconds)
        await answer(scope, receive, send)

    return [
        Lane("reads", FHIR, _fhir),
        Lane("token", re.compile(r"/oauth/(?:token|revoke)"), _oauth),
        Lane("validate", re.compile(r"/fhir/.*\$validate", re.DOTALL), _fhir),
        Lane("pages", re.compile(r".*", re.DOTALL), page),
    ]


_READ = re.compile(rb"GET /[^/ ?]{1,64}/[^/ ?]{1,40}/fhir/[^ ]* HTTP/1\.1")
_TRACE = re.compile(
    rb"\r\n(medmij-request-id|x-correlation-id):[ \t]*([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})[ \t]*(?=\r\n)", re.I
)


def refused_read(headers: bytes) -> bytes:
    """A whole answer of HTTP/1.1 for a read with these header lines; the trace ids come back (HDR-03)."""
    lowered = headers.lower()
    xml = b"fhir+xml" in lowered and b"fhir+json" not in lowered
    body, kind = (_XML, b"xml") if xml else (_JSON, b"json")
    traced = b"".join(b"%s: %s\r\n" % found for found in _TRACE.findall(b"\r\n" + headers))
    return (
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/fhir+%s; charset=utf-8\r\n"
        b"content-length: %d\r\nretry-after: %d\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n"
        b"%s\r\n%s" % (kind, len(body), RETRY_SECONDS, traced, body)
    )


TEXT = "Too much is asked at the same time. Try again later."
_OUTCOME = operation_outcome([Issue("error", "throttled", TEXT)])
_JSON, _XML = jsonio.dump(_OUTCOME), xmlio.dump(_OUTCOME, FhirVersion.R4)


async def _oauth(scope: Scope, receive: Receive, send: Send, status: int, seconds: int) -> None:
    body = {"error": "temporarily_unavailable", "error_description": TEXT}
    exchange = Exchange.of(scope)
    headers = {"retry-after": str(seconds), "pragma": "no-cache"}
    await send_bytes(exchange, send, status, "application/json;charset=UTF-8", jsonio.dump(body), headers)


async def _fhir(scope: Scope, _receive: Receive, send: Send, status: int, seconds: int) -> None:
    """The release is not looked up: this outcome is the same in all of them."""
    exchange = Exchange.of(scope)
    asked = (exchange.header(b"accept") or "") + exchange.query
    xml = "xml" in asked and "json" not in asked
    kind = f"application/fhir+{'xml' if xml else 'json'}; charset=utf-8"
    await send_bytes(exchange, send, status, kind, _XML if xml else _JSON, {"retry-after": str(seconds)})
