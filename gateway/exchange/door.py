"""The door for other institutions, as a plain ASGI application on a port of its own.

    GET  /jwks.json                              our public keys
    POST /{provider}/token                       a token, by signed assertions
    *    /{provider}/fhir/...                    what was granted, and its Task
    POST /{provider}/notify/Task                 a notification; PUT with its identifier takes it back
    POST /{provider}/notify/{task id}            the empty notification of a nursing handoff

Connection, token, rate and grant are checked in this order, before anything of a person is looked up; the audit record
is durable before an answer leaves.
"""

import asyncio
import logging
import re
from dataclasses import dataclass, field
from math import ceil
from urllib.parse import parse_qsl

from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send

from auth.peer.certificates import CertificateRefused
from gateway.audit.trail import AuditUnavailable, Trail
from gateway.exchange.asking import VERSION, InstitutionRequest
from gateway.exchange.assertions import AssertionSigner
from gateway.exchange.holding import DataHolder
from gateway.exchange.peers import ExchangePeers
from gateway.exchange.settings import ExchangeSettings
from gateway.exchange.taking import NotificationTaker, WrongOrganisation
from gateway.exchange.tokens import ExchangeTokens
from gateway.exchange.trust import InstitutionTrust, TokenDenied
from gateway.exchange.workflow import read_notification
from gateway.http.bodies import BodyRoom
from gateway.http.exchange import Exchange
from gateway.http.reply import Reply, send_reply
from gateway.http.statements import serialised
from gateway.problems import Problem, challenge, problem_of
from gateway.rates import Rate
from gateway.store.reader import StoreUnavailable
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format, NotAcceptable, content_type, negotiate, read_format
from profiles.fhir.interactions import UnknownRoute, route
from profiles.fhir.outcome import operation_outcome
from profiles.fhir.search.search import parse_query

log = logging.getLogger("gateway.exchange")

PATH = re.compile(r"/(?P<provider>[^/]{1,64})/(?P<door>token|fhir|notify)(?:/(?P<rest>.*))?", re.DOTALL)
FORM = "application/x-www-form-urlencoded"
FORM_BYTES, TASK_BYTES, QUERY_BYTES = 40_000, 1_000_000, 8_000
_TASK_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExchangeDoor:
    """Answers one request after another; one per process."""

    settings: ExchangeSettings
    peers: ExchangePeers
    trust: InstitutionTrust
    tokens: ExchangeTokens
    signer: AssertionSigner
    holder: DataHolder
    taker: NotificationTaker
    trail: Trail
    room: BodyRoom = field(default_factory=lambda: BodyRoom(64_000_000, 20.0))
    rates: dict[str, Rate] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        exchange = Exchange.of(scope)
        place = PATH.fullmatch(scope["path"])
        if scope["path"] == "/jwks.json" and exchange.method in ("GET", "HEAD"):
            reply = Reply(200, jsonio.dump(self.signer.public()), "application/json")
            await send_reply(exchange, send, reply)
            return
        provider = place["provider"] if place and place["provider"] in self.settings.parties else ""
        rest = (place["rest"] or "") if place else ""
        base = f"{self.settings.base_url}/{provider}/fhir"
        asking, reason = InstitutionRequest(exchange, provider, rest, base), ""
        try:
            if place is None or not provider:
                raise Problem(404, "not-found", "There is nothing at this address.")
            reply = await self._reply(asking, place["door"], receive)
        except TokenDenied as fault:
            reply, reason = _denied(fault), f"{fault.error}: {fault.text}"
        except Exception as fault:
            problem = problem_of(self._told(asking, fault))
            body = serialised(operation_outcome(problem.issues), asking.format, VERSION)
            reply, reason = (
                Reply(problem.status, body, content_type(asking.format, VERSION), problem.headers),
                problem.code,
            )
        if asking.alarm:
            log.error("alarm: %s (%s)", asking.alarm, asking.held.partner if asking.held else "nobody known")
        try:
            await self.trail.write(asking.record(reply.status, reason))
        except AuditUnavailable as fault:
            reply = _refusal(asking, problem_of(fault))
        await send_reply(exchange, send, reply)

    async def _reply(self, asking: InstitutionRequest, door: str, receive: Receive) -> Reply:
        try:
            asking.connection = await self.peers.of(asking.exchange.scope)
        except CertificateRefused as fault:
            log.warning("exchange: a peer was refused: %s", fault)
            raise Problem(403, "security", "The client certificate is missing or not accepted.") from fault
        if door == "token":
            return await self._token(asking, receive)
        query = asking.exchange.query
        if len(query) > QUERY_BYTES:
            raise Problem(414, "too-long", f"The query is longer than {QUERY_BYTES} bytes.")
        pairs = parse_query(query)
        wished = [value for name, value in pairs if name == "_format"]
        try:
            asking.format = negotiate(asking.exchange.header(b"accept"), wished[0] if wished else None, VERSION)
        except NotAcceptable:
            if not asking.rest.startswith("Binary/"):
                raise
        await self._known(asking, "notify" if door == "notify" else "")
        if door == "notify":
            return await self._notify(asking, receive)
        try:
            what = route(asking.exchange.method, asking.rest)
        except UnknownRoute as fault:
            raise Problem(fault.status, fault.issue_code, fault.text) from fault
        body = b""
        if what.interaction == "update":
            length = asking.exchange.header(b"content-length")
            async with self.room.body(receive, length, TASK_BYTES) as body:
                return await self.holder.reply(asking, what, pairs, lambda: body)
        return await self.holder.reply(asking, what, pairs, lambda: b"")

    async def _known(self, asking: InstitutionRequest, level: str) -> None:
        """The token of a request. Raises Problem 401, 403 and 429."""
        exchange = asking.exchange
        given = exchange.header(b"authorization")
        if given is None:
            raise Problem(401, "login", "This request needs an access token.", headers=challenge(None))
        if b"authorization" in exchange.doubled:
            text = "The token belongs in one Authorization header."
            raise Problem(400, "security", text, headers=challenge("invalid_request"))
        scheme, _, token = given.partition(" ")
        refused = Problem(401, "security", "The access token is not valid here.", headers=challenge("invalid_token"))
        if scheme.lower() != "bearer":
            raise refused
        asking.held = await asyncio.to_thread(self.tokens.find, token.strip(), asking.provider, asking.connection)
        if asking.held is None or not self.trust.belongs(asking.held.partner, asking.connection):
            asking.held = None
            raise refused
        partner = self.settings.partners[asking.held.partner]
        if partner.paused or asking.held.scope not in partner.scopes:
            raise Problem(403, "forbidden", "Nothing is exchanged with this organisation at the moment.")
        rate = self.rates.setdefault(asking.held.partner, Rate(partner.per_minute / 60, partner.per_minute))
        if wait := rate.take(asking.held.partner):
            headers = {"retry-after": str(ceil(wait))}
            raise Problem(429, "throttled", "This organisation asks too much at once.", headers=headers)
        if (asking.held.level == "notify") != (level == "notify"):
            raise Problem(403, "forbidden", "This token does not open this.", headers=challenge("insufficient_scope"))

    async def _token(self, asking: InstitutionRequest, receive: Receive) -> Reply:
        asking.action = "token:issue"
        media = (asking.exchange.header(b"content-type") or "").partition(";")[0].strip().lower()
        if asking.exchange.method != "POST" or media != FORM:
            raise TokenDenied("invalid_request", f"a token is asked by POST, as {FORM}")
        async with self.room.body(receive, asking.exchange.header(b"content-length"), FORM_BYTES) as body:
            try:
                pairs = parse_qsl(body.decode("ascii"), strict_parsing=True, max_num_fields=20)
            except (ValueError, UnicodeDecodeError):
                raise TokenDenied("invalid_request", "this is no form") from None
        if len({name for name, _ in pairs}) != len(pairs):
            raise TokenDenied("invalid_request", "a field stands twice")
        connection = asking.connection
        asked = await asyncio.to_thread(self.trust.asked, asking.provider, dict(pairs), connection)
        token = await asyncio.to_thread(self.tokens.issue, asking.provider, asked, connection)
        asking.rule = asked.scope
        asking.held = await asyncio.to_thread(self.tokens.find, token, asking.provider, connection)
        asking.referral_id = asking.held.referral_id if asking.held else ""
        said = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.settings.token_seconds,
            "scope": asked.scope,
        }
        return Reply(200, jsonio.dump(said), "application/json")

    async def _notify(self, asking: InstitutionRequest, receive: Receive) -> Reply:
        exchange, held = asking.exchange, asking.held
        if held is None:
            raise Problem(401, "login", "This request needs an access token.", headers=challenge(None))
        if exchange.method not in ("POST", "PUT"):
            raise Problem(405, "not-supported", "This method is not supported here.", headers={"allow": "POST, PUT"})
        asking.action = "notification:take" if exchange.method == "POST" else "notification:cancel"
        async with self.room.body(receive, exchange.header(b"content-length"), TASK_BYTES) as body:
            if asking.rest != "Task":
                return await self._handoff(asking, body)
            form = read_format(exchange.header(b"content-type"), VERSION)
            task = jsonio.parse(body) if form is Format.JSON else xmlio.parse(body, VERSION)
            said = read_notification(task)
            asking.group = said.group
            if exchange.method == "PUT" or said.cancels:
                taken = await asyncio.to_thread(self.taker.cancel, asking.provider, held, said, asking.now)
            else:
                taken = await asyncio.to_thread(self.taker.take, asking.provider, held, said, body, asking.now)
        asking.referral_id = taken.id
        status = 200 if taken.known else 201
        headers = (
            {} if taken.known else {"location": f"{self.settings.base_url}/{asking.provider}/notify/Task/{taken.id}"}
        )
        text = "The notification was taken." if status == 201 else "The notification is known."
        outcome = operation_outcome([Problem(status, "informational", text, severity="information").issue])
        return Reply(status, serialised(outcome, asking.format, VERSION), content_type(asking.format, VERSION), headers)

    async def _handoff(self, asking: InstitutionRequest, body: bytes) -> Reply:
        held = asking.held
        if held is None or held.scope != "eOverdracht-receiver" or asking.exchange.method != "POST":
            raise Problem(404, "not-found", "There is nothing at this address.")
        if body or not _TASK_ID.fullmatch(asking.rest):
            raise Problem(400, "invalid", "The notification of a handoff has no body, and the id of a Task as address.")
        taken = await asyncio.to_thread(self.taker.handoff, asking.provider, held, asking.rest, asking.now)
        asking.referral_id = taken.id
        return Reply(202, b"", content_type(asking.format, VERSION))

    def _told(self, asking: InstitutionRequest, fault: Exception) -> Exception:
        """A fault as this door tells it: `problem_of` knows the rest."""
        if isinstance(fault, WrongOrganisation):
            asking.alarm = str(fault)
            return Problem(403, "forbidden", "The notification is not of the organisation of its token.")
        if isinstance(fault, SQLAlchemyError):
            unavailable = StoreUnavailable()
            # The log tells what it was, the answer does not.
            unavailable.__cause__ = fault
            return unavailable
        return fault


def _refusal(asking: InstitutionRequest, problem: Problem) -> Reply:
    body = serialised(operation_outcome(problem.issues), asking.format, VERSION)
    return Reply(problem.status, body, content_type(asking.format, VERSION), problem.headers)


def _denied(fault: TokenDenied) -> Reply:
    status = 401 if fault.error == "invalid_client" else 400
    said = {"error": fault.error, "error_description": fault.text}
    return Reply(status, jsonio.dump(said), "application/json")
