"""The FHIR endpoint of a provider and a data service: ``/{provider}/{service}/fhir/...``, as a plain ASGI application.

Admission, answer, audit, and only then the first byte: the audit record is durable before anything leaves.
"""

from dataclasses import dataclass, replace

from starlette.types import Receive, Scope, Send

from auth.metadata import SMART
from gateway.audit.trail import AuditUnavailable, Trail
from gateway.calendar import Today
from gateway.current import CURRENT
from gateway.http.address import Addresses
from gateway.http.admission import WRITES, Admissions
from gateway.http.answer import Answers
from gateway.http.exchange import Exchange
from gateway.http.images import ROOT, Images
from gateway.http.posted import take_form
from gateway.http.progress import Note, Progress, audit_record, show, tell, use_of
from gateway.http.reply import Reply, discard, send_reply
from gateway.http.sharing import Sharing
from gateway.http.signpost import Signpost
from gateway.http.statements import Statements, serialised
from gateway.problems import Problem, challenge, problem_of
from profiles.fhir.codec.mediatypes import NotAcceptable, content_type
from profiles.fhir.interactions import UnknownRoute
from profiles.fhir.outcome import operation_outcome


@dataclass(frozen=True, slots=True)
class FhirEndpoint:
    """The ASGI application behind every provider and data service; one per process."""

    addresses: Addresses
    admissions: Admissions
    answers: Answers
    statements: Statements
    trail: Trail
    today: Today
    sharing: Sharing | None = None
    """Takes in what is sent; None: nothing is."""
    wrong_version_status: int = 406
    note: Note | None = None
    """Takes the resource events of the chain log; None where nobody collects them."""
    images: Images | None = None
    """Gives images of a PACS; None where no provider has one."""
    signpost: Signpost | None = None
    """Tells a tester what there is in place of a wrong address; None in production."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Every fault becomes an OperationOutcome in the asked format."""
        method = scope["method"]
        exchange, current = Exchange.of(scope), CURRENT.get()
        if current is not None:
            current.request_id, current.correlation_id = exchange.request_id, exchange.correlation_id
        progress = Progress(exchange, self.addresses.of(scope["path_params"], self.today()))
        reason = ""
        try:
            await take_form(progress, receive, self.admissions.query_bytes)
            reply = await self._reply(progress, receive)
        except Exception as fault:
            problem = self._guided(progress, problem_of(self.at_edge(fault)))
            reply, reason = _refusal(progress, problem), problem.code
        if current is not None:
            show(progress, current)
        if reply.audited:
            try:
                await self.trail.write(audit_record(progress, reply.status, reason), use_of(progress))
            except AuditUnavailable as fault:
                await discard(reply)
                reply = _refusal(progress, problem_of(fault))
        await send_reply(exchange, send, reply)
        # After the answer left: the chain log never holds it up (LOG-08).
        if self.note is not None:
            tell(self.note, progress, method, reply.status)

    async def aclose(self) -> None:
        """Write what was seen and not recorded yet; while the trail still takes it."""
        if self.images is not None:
            await self.images.viewings.aclose()

    async def _reply(self, progress: Progress, receive: Receive) -> Reply:
        if progress.address.rest == SMART and progress.exchange.method in ("GET", "HEAD"):
            return self.statements.configuration(progress)
        if self.images is not None and progress.address.rest.startswith(ROOT):
            return await self.images.reply(progress)
        what, pairs = self.admissions.opened(progress)
        if what.interaction == "capabilities":
            return self.statements.reply(progress)
        admission = await self.admissions.admit(progress, what, pairs)
        if self.sharing is not None and what.interaction in WRITES:
            if not await self.answers.within(progress, admission):
                raise Problem(404, "not-found", "There is no such resource.")
            return await self.sharing.reply(progress, admission, receive)
        return await self.answers.reply(progress, admission)

    def _guided(self, progress: Progress, problem: Problem) -> Problem:
        if self.signpost is None or problem.status not in (403, 404):
            return problem
        what_is = self.signpost.to(progress.address)
        return replace(problem, text=f"{problem.text} {what_is}") if what_is else problem

    def at_edge(self, fault: Exception) -> Exception:
        """A fault as this endpoint tells it: `problem_of` knows the rest."""
        if isinstance(fault, UnknownRoute):
            headers = {"allow": "GET"} if fault.status == 405 else {}
            return Problem(fault.status, fault.issue_code, fault.text, headers=headers)
        if isinstance(fault, NotAcceptable) and fault.wrong_version:
            # RFC 9110 says 406; clients are known that were built against a server that says 400.
            asked = challenge("invalid_request", fault.text)
            return Problem(self.wrong_version_status, "not-supported", fault.text, headers=asked)
        return fault


def _refusal(progress: Progress, problem: Problem) -> Reply:
    version = progress.address.version
    body = serialised(operation_outcome(problem.issues), progress.format, version)
    return Reply(problem.status, body, content_type(progress.format, version), problem.headers)
