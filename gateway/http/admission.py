"""Who asks, for whom, and what: the checks before anything of a person is looked up, in the order of the agreement.

Limits, format, trace ids, bearer token, the service of the token, the request by the rows of the standard.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

from auth.bearer import Bearer
from auth.grants import Grant
from auth.ports import PeerOf
from gateway.collect.record import RecordOwner
from gateway.http.address import Address
from gateway.http.asked import AskedQuestions, Question, key_of
from gateway.http.exchange import Exchange
from gateway.http.progress import Progress
from gateway.problems import Problem, challenge
from gateway.rates import Rate
from profiles.fhir.codec.mediatypes import NotAcceptable, negotiate
from profiles.fhir.interactions import FhirRequest, Route, route
from profiles.fhir.search.search import Pairs, parse_query
from profiles.standards.admit import Admitted, admit
from profiles.standards.model import Standard

WRITES = frozenset({"transaction", "create", "update"})
"""Interactions that send something."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may be answered: the grant, whose record it is, and the row of the standard that allows it."""

    grant: Grant
    standard: Standard
    question: Question

    @property
    def request(self) -> FhirRequest:
        """What is asked."""
        return self.question.request

    @property
    def admitted(self) -> Admitted:
        """What the row allows."""
        return self.question.admitted

    @property
    def whose(self) -> RecordOwner:
        """Whose record may be searched. A static test token names a patient; every other token a person."""
        grant, version = self.grant, self.request.version
        return RecordOwner(grant.provider, version, self.subject, grant.patient or "")

    @property
    def subject(self) -> str:
        """The pseudonym of the person of the grant; empty for a test token that names a patient."""
        return "" if self.grant.patient else self.grant.subject


@dataclass(frozen=True, slots=True)
class Admissions:
    """Lets requests in. ``strict``: a request without trace ids is refused."""

    bearer: Bearer
    peer_of: PeerOf
    strict: bool
    query_bytes: int
    persons: Rate = field(default_factory=lambda: Rate(0, 1))
    asked: AskedQuestions = field(default_factory=AskedQuestions)

    def opened(self, progress: Progress) -> tuple[Route, Pairs]:
        """What is asked, without looking at who asks: the interaction and the query. Raises what `problem_of` knows.

        The format comes first, so that every refusal has the asked format.
        """
        exchange = progress.exchange
        if len(exchange.query) > self.query_bytes:
            raise Problem(414, "too-long", f"The query is longer than {self.query_bytes} bytes.")
        known = progress.question = self.asked.get(key_of(exchange, progress.address))
        if known is None:
            pairs = _read_form(progress)
        else:
            progress.format, pairs = known.format, known.request.query
        if self.strict and not exchange.traced:
            raise Problem(400, "required", "The headers MedMij-Request-ID and X-Correlation-ID must hold UUIDs.")
        progress.route = found = known.route if known else route(exchange.method, progress.address.rest)
        return found, pairs

    async def admit(self, progress: Progress, what: Route, pairs: Pairs) -> Admission:
        """Check the token and the request against it. Raises BearerError, PeerRefused, Refused or Problem."""
        grant, standard = await self.granted(progress, pairs)
        if _only_sends(progress.address) and what.interaction not in WRITES:
            text = "This data service takes something in; nothing can be read through it."
            raise Problem(403, "security", text, headers=challenge("insufficient_scope"))
        question = progress.question or self.question(progress, standard, what, pairs)
        progress.rule = question.admitted.rule.id
        return Admission(grant, standard, question)

    async def granted(
        self, progress: Progress, pairs: Pairs, allow: Callable[[Grant], None] | None = None
    ) -> tuple[Grant, Standard]:
        """The grant of the token, and the standard of the address, which it opens. Raises BearerError or Problem.

        ``allow`` raises for who asks too often, in place of the allowance for reads of a record.
        """
        _refuse_stray_tokens(progress.exchange, pairs)
        peer = self.peer_of(progress.exchange.scope)
        progress.grant = grant = await self.bearer.check(progress.exchange.header(b"authorization"), peer)
        (allow or self._allow)(grant)
        address = progress.address
        standard = address.standard
        if standard is None or not grant.covers(address.provider, address.service_id) or grant.function == "subscribe":
            text = "The token does not give access to this data service of this provider."
            raise Problem(403, "security", text, headers=challenge("insufficient_scope"))
        return grant, standard

    def _allow(self, grant: Grant) -> None:
        """One person's record is asked so often and no more, by whatever clients. Raises Problem."""
        if wait := self.persons.take(grant.subject or f"{grant.provider}/{grant.patient}"):
            text = "This record is asked too often. Try again later."
            raise Problem(429, "throttled", text, headers={"retry-after": str(ceil(wait))})

    def question(self, progress: Progress, standard: Standard, what: Route, pairs: Pairs) -> Question:
        """What is asked, by the row that allows it. Raises Refused."""
        address = progress.address
        request = FhirRequest(
            version=address.version,
            interaction=what.interaction,
            type=what.type,
            id=what.id,
            operation=what.operation,
            query=tuple(pairs),
            format=progress.format.value,
            base=address.base,
        )
        question = Question(progress.format, what, request, admit(standard, request, address.service))
        self.asked.keep(key_of(progress.exchange, address), question)
        return question


def _only_sends(address: Address) -> bool:
    """Whether a data service offers nothing to read (DL-11)."""
    standard, service = address.standard, address.service
    return (
        standard is not None
        and service is not None
        and all(rule.method != "GET" for rule in standard.rules_of(service))
    )


def _read_form(progress: Progress) -> Pairs:
    exchange, version = progress.exchange, progress.address.version
    try:
        pairs = parse_query(exchange.query)
    except ValueError:
        progress.format = negotiate(exchange.header(b"accept"), None, version)
        raise
    asked = [value for name, value in pairs if name == "_format"]
    try:
        progress.format = negotiate(exchange.header(b"accept"), asked[0] if asked else None, version)
    except NotAcceptable as fault:
        # A document has a type of its own, that only shows when it was found; until then refusals are JSON.
        if fault.wrong_version or not _has_content(progress.address.rest):
            raise
    return pairs


def _has_content(rest: str) -> bool:
    """Whether what stands there may be had as something else than FHIR: a document, or a summary on paper."""
    return rest.startswith("Binary/") or rest.endswith("/$summary")


def _refuse_stray_tokens(exchange: Exchange, pairs: Pairs) -> None:
    if b"authorization" in exchange.doubled or any(name == "access_token" for name, _ in pairs):
        text = "The token belongs in one Authorization header, and nowhere else."
        raise Problem(400, "security", text, headers=challenge("invalid_request"))
