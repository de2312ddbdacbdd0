"""The internal listener as an ASGI application: ``/intake/{source}`` is a FHIR base that takes and never gives.

POST base            transaction or batch
POST Type            create; If-None-Exist: identifier=system|value makes it conditional
PUT Type/id          update, or create with this id; If-Match is honoured; PUT Type?identifier=system|value
DELETE Type/id       and DELETE Type?identifier=system|value
POST cda             a CDA document, where the source sends these
OPTIONS              which methods an address takes; any other method is answered with 405 and the same list
POST /intake/token   an access token for a client assertion
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from math import ceil
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from auth.peer.transport import peer_of
from gateway.audit.trail import Trail
from gateway.current import CURRENT
from gateway.intake.answers import IntakeAnswer, refused
from gateway.intake.cda.take import CdaTaker
from gateway.intake.encoding import decoded
from gateway.intake.login import Denied, Logins
from gateway.intake.preconditions import HEADERS
from gateway.intake.receipts import Taken
from gateway.intake.refusal import Refusal
from gateway.intake.settings import IntakeSettings
from gateway.intake.tasks import HttpCall, tasks_of
from gateway.intake.work import Intake
from gateway.intake.worker import Worker, note
from gateway.metrics import exposition
from gateway.problems import Problem, problem_of
from gateway.rates import Rate
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format, NotAcceptable, content_type, negotiate, read_format
from profiles.fhir.outcome import operation_outcome
from profiles.fhir.version import FhirVersion

log = logging.getLogger("gateway.intake")

REQUEST_ID = re.compile(r"[!-~]{1,100}", re.ASCII)
XML_TYPE = re.compile(r"(text|application)/([a-z0-9.-]+\+)?xml")
CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
SMALL = 20_000
"""Largest form at the token endpoint."""
AT_ONCE = 4
"""Most bodies of one source that are in memory at the same time; what comes later waits before anything is read."""
KEPT_HEADERS = ("x-request-id", "if-none-exist", *HEADERS)
ALLOWED = {0: ("POST",), 1: ("POST", "PUT", "DELETE"), 2: ("PUT", "DELETE")}
"""Methods by the number of steps below the base of a source."""
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


class Listener:
    """Answers the requests of sources."""

    def __init__(
        self, settings: IntakeSettings, intake: Intake, logins: Logins, trail: Trail, worker: Worker, rate: Rate
    ) -> None:
        self._settings = settings
        self._rate = rate
        self._intake = intake
        self._logins = logins
        self._trail = trail
        self._worker = worker
        self._documents = {name: CdaTaker(name, one.cda, intake) for name, one in settings.sources.items() if one.cda}
        # A room of its own for each: one that sends slowly keeps nobody waiting but itself.
        self._room = {name: asyncio.Semaphore(AT_ONCE) for name in settings.sources}

    async def token(self, request: Request) -> Response:
        """The token endpoint."""
        headers = {"cache-control": "no-store", "pragma": "no-cache"}
        try:
            body = await self._body(request, SMALL)
            pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20)
            if len({name for name, _ in pairs}) != len(pairs):
                raise Denied("invalid_request", "a parameter is given twice")
            answer = await self._worker.run(lambda: self._logins.token(dict(pairs)))
            return JSONResponse(answer, headers=headers)
        except Denied as fault:
            log.warning("token refused: %s", fault.text)
            status = 401 if fault.error == "invalid_client" else 400
            return JSONResponse({"error": fault.error, "error_description": fault.text}, status, headers=headers)
        except ValueError:
            return JSONResponse({"error": "invalid_request"}, 400, headers=headers)
        except Exception as fault:
            problem = problem_of(fault)
            return JSONResponse({"error": "temporarily_unavailable" if problem.status == 503 else "server_error"},
                                problem.status, headers=headers | dict(problem.headers))  # fmt: skip

    async def push(self, request: Request) -> Response:
        """A request below a source's base."""
        name = request.path_params["source"]
        source = self._settings.sources.get(name)
        version, format_ = source.fhir if source else FhirVersion.STU3, Format.JSON
        try:
            await self._log_in(name, request)
            if (current := CURRENT.get()) is not None:
                current.client = name
            self._allow(name)
            given, version = _sent(request, version)
            query = [pair for pair in parse_qsl(request.url.query) if pair[0] == "_format"]
            format_ = negotiate(request.headers.get("accept"), query[0][1] if query else None, version)
            async with self._slot(name):
                body = await self._body(request, self._settings.body_bytes)
                taken = await self._worker.run(lambda: self._take(name, request, body, given, version))
                await note(self._trail, taken.records)
            answer = taken.answer
        except Exception as fault:
            answer = _answer_of(fault)
        return _written(answer, format_, version)

    def _take(self, name: str, request: Request, body: bytes, given: Format, version: FhirVersion) -> Taken:
        coding = ",".join(request.headers.getlist("content-encoding"))
        call = _call(request, decoded(body, coding, self._settings.body_bytes), given, version)
        return self._intake.take(name, lambda: tasks_of(call, self._settings.entries))

    async def document(self, request: Request) -> Response:
        """A CDA document of a source."""
        name = request.path_params["source"]
        source = self._settings.sources.get(name)
        version, format_ = source.fhir if source else FhirVersion.STU3, Format.JSON
        try:
            await self._log_in(name, request)
            self._allow(name)
            taker = self._documents.get(name)
            if taker is None:
                raise Problem(404, "not-found", f"This source sends no CDA documents (intake.sources.{name}.cda).")
            format_ = negotiate(request.headers.get("accept"), None, version)
            charset = _xml_charset(request)
            named = _request_id(request)
            async with self._slot(name):
                body = await self._body(request, self._settings.body_bytes)
                coding = ",".join(request.headers.getlist("content-encoding"))
                taken = await self._worker.run(
                    lambda: taker.take(decoded(body, coding, self._settings.body_bytes), charset, named)
                )
                await note(self._trail, taken.records)
            answer = taken.answer
        except Exception as fault:
            answer = _answer_of(fault)
        return _written(answer, format_, version)

    async def _log_in(self, name: str, request: Request) -> None:
        authorization = request.headers.get("authorization", "")
        peer = peer_of(request.scope)
        if not await self._worker.run(lambda: self._logins.is_source(name, peer, authorization)):
            log.warning("not let in: %s as %.60s", "/".join(peer.hostnames or ()) or "nobody", name)
            text = "This source is not known, or you are not it."
            raise Problem(401, "login", text, headers={"www-authenticate": "Bearer"})

    def _allow(self, name: str) -> None:
        if wait := self._rate.take(name):
            text = "This source sends too often."
            raise Problem(429, "throttled", text, headers={"retry-after": str(ceil(wait))})

    def _slot(self, name: str) -> "_Slot":
        return _Slot(self._room[name], self._settings.body_seconds)

    async def _body(self, request: Request, most: int) -> bytes:
        too_large = Problem(413, "too-long", f"The body is larger than {most} bytes.")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 12 or int(length) > most):
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                async for part in request.stream():
                    size += len(part)
                    if size > most:
                        raise too_large
                    parts.append(part)
        except TimeoutError:
            raise Problem(408, "timeout", "The body did not arrive in time.", headers={"connection": "close"}) from None
        except ClientDisconnect:
            raise Problem(400, "incomplete", "The body ended early.") from None
        return b"".join(parts)


class _Slot:
    """Waits for room, but not for ever."""

    def __init__(self, room: asyncio.Semaphore, seconds: float) -> None:
        self._room = room
        self._seconds = seconds

    async def __aenter__(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._room.acquire()
        except TimeoutError:
            text = "Too many requests at the same time."
            raise Problem(503, "throttled", text, headers={"retry-after": "5"}) from None

    async def __aexit__(self, *_: object) -> None:
        self._room.release()


def _call(request: Request, body: bytes, given: Format, version: FhirVersion) -> HttpCall:
    # What is said in several lines is one list (RFC 9110, 5.3).
    headers = {name: ", ".join(found) for name in KEPT_HEADERS if (found := request.headers.getlist(name))}
    _request_id(request)
    path = tuple(request.path_params[part] for part in ("type", "id") if part in request.path_params)
    query = "&".join(part for part in request.url.query.split("&") if part and not part.startswith("_format="))
    return HttpCall(request.method, path, query, body, given, version, headers)


def _request_id(request: Request) -> str:
    found = ", ".join(request.headers.getlist("x-request-id"))
    if found and not REQUEST_ID.fullmatch(found):
        raise Problem(400, "invalid", "X-Request-ID has 1 to 100 printable characters.")
    return found


def _xml_charset(request: Request) -> str:
    """The charset that Content-Type names, of a media type of XML. Raises Problem 415 for another type."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    if not XML_TYPE.fullmatch(kind.strip().lower()):
        raise Problem(415, "not-supported", "A CDA document is sent as application/xml or text/xml.")
    found = CHARSET.search(parameters)
    return found[1] if found else ""


def _sent(request: Request, usual: FhirVersion) -> tuple[Format, FhirVersion]:
    """Format and release of the body: the release that Content-Type names, else that of the source."""
    if request.method == "DELETE":
        return Format.JSON, usual
    header = request.headers.get("content-type")
    fault: NotAcceptable | None = None
    for version in sorted(FhirVersion, key=lambda one: one is not usual):
        try:
            return read_format(header, version), version
        except NotAcceptable as refusal:
            fault = fault or refusal
    raise Problem(415, "not-supported", fault.text if fault else "")


def _answer_of(fault: Exception) -> IntakeAnswer:
    if isinstance(fault, Refusal):
        return refused(fault)
    problem = problem_of(fault)
    return IntakeAnswer(problem.status, operation_outcome([problem.issue]), dict(problem.headers))


def _written(answer: IntakeAnswer, format_: Format, version: FhirVersion) -> Response:
    body = jsonio.dump(answer.resource) if format_ is Format.JSON else xmlio.dump(answer.resource, version)
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff", **answer.headers}
    return Response(body, answer.status, {**headers, "content-type": content_type(format_, version)})


async def _other(request: Request) -> Response:
    """What no address takes: which methods there are, or that there is nothing. It tells nothing of who sends."""
    path = request.path_params["rest"]
    steps = len([step for step in path.split("/") if step]) - 1
    allowed = ("POST",) if path == "token" else ALLOWED.get(steps, ())
    if not allowed:
        problem = Problem(404, "not-found", "This address is no Type or Type/id below the base of a source.")
    elif request.method == "OPTIONS":
        return Response(
            status_code=204, headers={"allow": ", ".join((*allowed, "OPTIONS")), "cache-control": "no-store"}
        )
    else:
        text = "This address takes data and gives none" if request.method in ("GET", "HEAD") else "No such method here"
        allow = {"allow": ", ".join((*allowed, "OPTIONS"))}
        problem = Problem(405, "not-supported", f"{text}; it knows {allow['allow']}.", headers=allow)
    try:
        format_ = negotiate(request.headers.get("accept"), request.query_params.get("_format"), FhirVersion.STU3)
    except NotAcceptable:
        format_ = Format.JSON
    return _written(_answer_of(problem), format_, FhirVersion.STU3)


def application(listener: Listener, health: ASGIApp, admin: ASGIApp) -> Starlette:
    """The application of the internal listener; ``health`` and ``admin`` are mounted at these names."""
    taking: Callable[[Request], Awaitable[Response]] = listener.push
    return Starlette(
        routes=[
            Mount("/health", health),
            Mount("/admin", admin),
            Route("/metrics", exposition),
            Route("/intake/token", listener.token, methods=["POST"]),
            Route("/intake/{source}/cda", listener.document, methods=["POST"]),
            Route("/intake/{source}", taking, methods=ALLOWED[0]),
            Route("/intake/{source}/", taking, methods=ALLOWED[0]),
            Route("/intake/{source}/{type}", taking, methods=ALLOWED[1]),
            Route("/intake/{source}/{type}/{id}", taking, methods=ALLOWED[2]),
            Route("/intake/{rest:path}", _other, methods=METHODS),
        ]
    )
