"""The FHIR endpoint of a provider and a data service: ``/{provider}/{service}/fhir/...``, as a plain ASGI application.

The order is that of the agreement: format, trace ids, bearer token, service of the token, the request by the rows of
the standard, the person's record, the answer. The audit record is durable before the first byte of the answer leaves.
"""

import uuid
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send

from adapters.port import Gap
from auth.bearer import Bearer
from auth.crypto import Pseudonyms
from auth.events import EventType
from auth.grants import Grant
from auth.ports import PeerOf
from gateway.audit.record import AuditRecord
from gateway.audit.trail import AuditUnavailable, Trail
from gateway.collect.answer import Answer, read, search
from gateway.collect.gaps import outcome_entry, told
from gateway.collect.held import Held
from gateway.collect.pipeline import Collector
from gateway.collect.record import Record, Whose
from gateway.http.binary import as_document, as_resource, media_of
from gateway.http.exchange import Exchange
from gateway.http.origin import origin
from gateway.http.problems import Problem, challenge, problem_of
from gateway.http.reply import Reply, send_reply
from gateway.settings import Settings
from gateway.version import RELEASED, SOFTWARE
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.bundle import BundleEntry, Mode, searchset
from profiles.fhir.codec.mediatypes import Format, NotAcceptable, content_type, negotiate, negotiate_content
from profiles.fhir.interactions import FhirRequest, Route, UnknownRoute, route
from profiles.fhir.outcome import operation_outcome
from profiles.fhir.search.search import Pairs, parse_query, write_query
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.admit import Admitted, admit
from profiles.standards.capability import OAuthUrls, statement
from profiles.standards.load import Catalogue
from profiles.standards.model import Service, Standard


@dataclass(frozen=True, slots=True)
class Parts:
    """What the endpoint works with; one set per process."""

    settings: Settings
    catalogue: Catalogue
    bearer: Bearer
    collector: Collector
    trail: Trail
    peer_of: PeerOf
    pseudonyms: Pseudonyms
    providers: Container[str]
    note: Callable[..., None] | None = None
    """Takes chain log events of the resource steps; None where nobody collects them."""


@dataclass(slots=True)
class Visit:
    """What is known of a request so far; the audit record is made from it, however far it came."""

    exchange: Exchange
    provider: str
    service_id: str
    standard: Standard | None
    service: Service | None
    version: FhirVersion
    format: Format = Format.JSON
    grant: Grant | None = None
    what: Route | None = None
    rule: str = ""
    counts: tuple[tuple[str, int], ...] = field(default=())
    gaps: tuple[str, ...] = ()
    incidents: tuple[str, ...] = ()

    @property
    def grant_subject(self) -> str:
        """The pseudonym of the person of the grant; empty without one, and for a test token that names a patient."""
        return "" if self.grant is None or self.grant.patient else self.grant.subject


class FhirEndpoint:
    """The ASGI application behind every provider and data service."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        manifests = parts.settings.resource_server.document_manifest
        self._catalogue = parts.catalogue if manifests else parts.catalogue.without("DocumentManifest")
        self._statements: dict[tuple[str, str, Format], bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Every fault becomes an OperationOutcome in the asked format."""
        exchange = Exchange.of(scope)
        visit = self._visit(exchange, scope["path_params"])
        reason = ""
        try:
            reply = await self._answer(visit)
        except Exception as fault:
            problem = problem_of(_at_edge(fault, self._parts.settings.resource_server.wrong_version_status))
            reply, reason = _refusal(visit, problem), problem.code
        if reply.audited:
            try:
                await self._parts.trail.write(self._record(visit, reply.status, reason))
            except AuditUnavailable as fault:
                reply = _refusal(visit, problem_of(fault))
        await send_reply(exchange, send, reply)
        self._tell(visit, reply.status)

    def _tell(self, visit: Visit, status: int) -> None:
        """The two resource events of the chain log (LOG-03), after the answer left: they never hold it up (LOG-08)."""
        note, exchange, grant = self._parts.note, visit.exchange, visit.grant
        if note is None or visit.what is None or visit.what.interaction == "capabilities":
            return
        common = {
            "trace_id": exchange.correlation_id,
            "session_id": None,
            "request_id": exchange.request_id,
            "client_id": grant.client if grant else None,
            "provider_id": visit.provider if visit.provider in self._parts.providers else None,
            "service_id": visit.service_id if visit.service else None,
        }
        note(EventType.RECEIVE_RESOURCE_REQUEST, method=exchange.method, **common)
        error = {} if status < 400 else {"error_code": "other"}
        note(EventType.SEND_RESOURCE_RESPONSE, status=status, **error, **common)

    def _visit(self, exchange: Exchange, path: Mapping[str, str]) -> Visit:
        known = self._catalogue.services.get(path["service"])
        standard, service = known or (None, None)
        version = standard.fhir if standard else FhirVersion.STU3
        return Visit(exchange, path["provider"], path["service"], standard, service, version)

    async def _answer(self, visit: Visit) -> Reply:
        exchange, parts = visit.exchange, self._parts
        pairs = self._read_form(visit)
        if parts.settings.resource_server.trace_ids == "strict" and not exchange.traced:
            raise Problem(400, "required", "The headers MedMij-Request-ID and X-Correlation-ID must hold UUIDs.")
        what = visit.what = route(exchange.method, _rest(exchange))
        if what.interaction == "capabilities":
            if visit.standard is None or visit.service is None or visit.provider not in parts.providers:
                raise Problem(404, "not-found", "There is no such data service here.")
            return self._capabilities(visit, visit.standard, visit.service)
        if b"authorization" in exchange.doubled or any(name == "access_token" for name, _ in pairs):
            text = "The token belongs in one Authorization header, and nowhere else."
            raise Problem(400, "security", text, headers=challenge("invalid_request"))
        peer = parts.peer_of(exchange.scope)
        visit.grant = grant = await parts.bearer.check(exchange.header(b"authorization"), peer)
        standard = visit.standard
        if standard is None or not grant.covers(visit.provider, visit.service_id) or grant.function == "subscribe":
            text = "The token does not give access to this data service of this provider."
            raise Problem(403, "security", text, headers=challenge("insufficient_scope"))
        request = FhirRequest(
            version=visit.version,
            interaction=what.interaction,
            type=what.type,
            id=what.id,
            operation=what.operation,
            query=tuple(pairs),
            format=visit.format.value,
            base=self._base(visit),
        )
        return await self._collect(visit, standard, request)

    def _read_form(self, visit: Visit) -> list[tuple[str, str]]:
        """The query, and the format of the answer: found first, so that every refusal has the asked format."""
        exchange = visit.exchange
        try:
            pairs = parse_query(exchange.query)
        except ValueError:
            visit.format = negotiate(exchange.header(b"accept"), None, visit.version)
            raise
        asked = [value for name, value in pairs if name == "_format"]
        try:
            visit.format = negotiate(exchange.header(b"accept"), asked[0] if asked else None, visit.version)
        except NotAcceptable as fault:
            # A document has a type of its own, that only shows when it was found; until then refusals are JSON.
            if fault.wrong_version or not _rest(exchange).startswith("Binary/"):
                raise
        return pairs

    async def _collect(self, visit: Visit, standard: Standard, request: FhirRequest) -> Reply:
        admitted = admit(standard, request, visit.service)
        visit.rule = admitted.rule.id
        record, gaps = await self._record_of(visit, standard, request, admitted)
        if request.interaction == "read" and request.type and request.id:
            held = await read(record, request.type, request.id)
            if held is None:
                raise Problem(404, "not-found", "There is no such resource.")
            visit.counts = ((held.type, 1),)
            if held.type == "Binary":
                return await _binary(visit, request, record, held)
            return _reply(visit, _document(held, visit.format), self._origin([held]))
        if admitted.search is None:
            raise Problem(405, "not-supported", "This interaction is not supported here.", headers={"allow": "GET"})
        named = admitted.person and self._parts.pseudonyms.of(admitted.person.value)
        # A live source has been asked about the person of the grant; the store knows persons of its own.
        if named and named != visit.grant_subject and named not in await record.persons():
            answer = Answer(())
        else:
            answer = await search(record, admitted.search)
        visit.counts = answer.counts()
        body = _searchset(visit, request, admitted.query, answer, gaps)
        return _reply(visit, body, self._origin([*answer.matches, *answer.included]))

    async def _record_of(
        self, visit: Visit, standard: Standard, request: FhirRequest, admitted: Admitted
    ) -> tuple[Record, Sequence[Gap]]:
        """The person's record, with what live sources add to it, and what is missing from it (ERR-48)."""
        if visit.grant is None:
            raise RuntimeError("no grant")
        ids = (visit.exchange.request_id, visit.exchange.correlation_id)
        collected = await self._parts.collector.collect(_whose(visit), visit.grant, standard, request, admitted, ids)
        visit.gaps = tuple(f"{gap.what}:{gap.reason}" for gap in collected.gaps)
        visit.incidents = tuple(collected.incidents)
        if collected.nothing:
            after = max([gap.retry_after or 10 for gap in collected.gaps], default=10)
            text = "The source of these data does not answer at the moment. Try again later."
            raise Problem(503, "transient", text, headers={"retry-after": str(after)})
        return collected.record, collected.gaps

    def _capabilities(self, visit: Visit, standard: Standard, service: Service) -> Reply:
        key = (visit.provider, visit.service_id, visit.format)
        body = self._statements.get(key)
        if body is None:
            base = self._parts.settings.base_url
            oauth = OAuthUrls(f"{base}/oauth/authorize", f"{base}/oauth/token")
            made = statement(standard, service, self._base(visit), SOFTWARE, RELEASED, oauth)
            body = self._statements[key] = _serialise(made, visit.format, visit.version)
        return Reply(200, body, content_type(visit.format, visit.version), audited=False)

    def _origin(self, resources: Sequence[Held]) -> Mapping[str, str]:
        return origin(resources) if self._parts.settings.resource_server.source_header else {}

    def _base(self, visit: Visit) -> str:
        return f"{self._parts.settings.base_url}/{visit.provider}/{visit.service_id}/fhir"

    def _record(self, visit: Visit, status: int, reason: str) -> AuditRecord:
        grant, exchange = visit.grant, visit.exchange
        known: dict[str, Any] = {}
        if grant is not None:
            known = {
                "client": grant.client,
                "person": grant.subject,
                "actor": grant.actor or "",
                "basis": grant.consent_id or "",
            }
        service = visit.service_id if visit.service else ""
        return AuditRecord(
            action=f"pgo:resource:{visit.what.interaction if visit.what else 'unknown'}",
            at=exchange.started,
            outcome=status,
            provider=visit.provider if visit.provider in self._parts.providers else "",
            service=service,
            interaction=visit.what.interaction if visit.what else "",
            rule=visit.rule,
            resources=visit.counts if status in (200, 206) else (),
            request_id=exchange.request_id,
            correlation_id=exchange.correlation_id,
            reason=reason,
            gaps=visit.gaps,
            incidents=visit.incidents,
            **known,
        )


def _at_edge(fault: Exception, wrong_version: int) -> Exception:
    if isinstance(fault, UnknownRoute):
        headers = {"allow": "GET"} if fault.status == 405 else {}
        return Problem(fault.status, fault.issue_code, fault.text, headers=headers)
    if isinstance(fault, NotAcceptable) and fault.wrong_version:
        # RFC 9110 says 406; clients are known that were built against a server that says 400.
        asked = challenge("invalid_request", fault.text)
        return Problem(wrong_version, "not-supported", fault.text, headers=asked)
    return fault


def _rest(exchange: Exchange) -> str:
    # A client that adds /fhir to an endpoint that has it already is understood (DESIGN 6).
    rest = str(exchange.scope["path_params"].get("rest", ""))
    return rest.removeprefix("fhir/") if rest != "fhir" else ""


def _whose(visit: Visit) -> Whose:
    grant = visit.grant
    if grant is None:
        raise RuntimeError("no grant")
    # A static test token names a patient; every other token a person.
    return Whose(visit.provider, visit.version, "" if grant.patient else grant.subject, grant.patient or "")


def _searchset(visit: Visit, request: FhirRequest, asked: Pairs, answer: Answer, gaps: Sequence[Gap]) -> bytes:
    path = f"{request.base}/{request.type}" + (f"/${request.operation}" if request.operation else "")
    query = write_query(asked)
    parts: tuple[tuple[Mode, Sequence[Held]], ...] = (("match", answer.matches), ("include", answer.included))
    entries = [
        BundleEntry(f"{request.base}/{held.type}/{held.id}", mode, held.body(visit.format))
        for mode, part in parts
        for held in part
    ]
    if told(gaps):
        body = outcome_entry(gaps, visit.format, visit.version)
        entries.append(BundleEntry(f"urn:uuid:{uuid.uuid4()}", "outcome", body))
    return searchset(visit.format, visit.version, f"{path}?{query}" if query else path, entries)


def _document(held: Held, format_: Format) -> bytes:
    body = held.body(format_)
    return body if format_ is Format.JSON else xmlio.document(body)


async def _binary(visit: Visit, request: FhirRequest, record: Record, held: Held) -> Reply:
    asked = [value for name, value in request.query if name == "_format"]
    accept = visit.exchange.header(b"accept")
    format_ = negotiate_content(accept, asked[0] if asked else None, visit.version, media_of(held))
    content = await record.content(held)
    if format_ is not None:
        return (
            as_resource(held, content, format_, visit.version) if content else _reply(visit, _document(held, format_))
        )
    if content is None:
        raise Problem(404, "not-found", "This document has no content.")
    return as_document(held, content, visit.exchange)


def _serialise(resource: Resource, format_: Format, version: FhirVersion) -> bytes:
    return jsonio.dump(resource) if format_ is Format.JSON else xmlio.dump(resource, version)


def _reply(visit: Visit, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(200, body, content_type(visit.format, visit.version), headers or {})


def _refusal(visit: Visit, problem: Problem) -> Reply:
    body = _serialise(operation_outcome([problem.issue]), visit.format, visit.version)
    return Reply(problem.status, body, content_type(visit.format, visit.version), problem.headers)
