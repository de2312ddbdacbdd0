"""A request that sends something (Delen): who the person is, the body within its bounds, and the answer in its format.

What is done with it is `gateway.share`'s affair; here is what HTTP has to do with it.
"""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.types import Receive

from auth.crypto import KeyRing
from gateway.collect.answer import search
from gateway.collect.pipeline import Collector
from gateway.http.admission import Admission
from gateway.http.bodies import BodyRoom
from gateway.http.progress import Progress
from gateway.http.reply import Reply
from gateway.http.statements import serialised
from gateway.problems import Problem
from gateway.share.answer import body_of
from gateway.share.receiving import Receiving
from gateway.share.sharer import Sharer
from gateway.store.reader import StoreUnavailable
from profiles.fhir.codec.mediatypes import NotAcceptable, content_type, read_format
from profiles.fhir.interactions import FhirRequest
from profiles.fhir.search.search import compile_search
from profiles.standards.admit import Admitted, reading_patient

_WHOLE = re.compile(r"(?:^|[;,\s])return\s*=\s*\"?representation\"?(?:$|[;,\s])", re.ASCII | re.IGNORECASE)


P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sharing:
    """Answers requests that send."""

    collector: Collector
    receiving: Receiving
    room: BodyRoom
    ring: KeyRing
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="share"))
    """Few: what they do is work for the processor, and the answers to others must not wait for it."""

    async def reply(self, progress: Progress, admission: Admission, receive: Receive) -> Reply:
        """Take in what is sent. Raises Problem, FormatError, StoreUnavailable and SQLAlchemyError."""
        receives = admission.admitted.rule.receives
        if receives is None:
            raise Problem(405, "not-supported", "This interaction is not supported here.", headers={"allow": "GET"})
        exchange, version = progress.exchange, progress.address.version
        try:
            given = read_format(exchange.header(b"content-type"), version)
        except NotAcceptable as fault:
            if fault.wrong_version:
                raise
            raise Problem(415, "not-supported", fault.text) from fault
        sharer = await self._sharer(progress, admission)
        async with self.room.body(receive, exchange.header(b"content-length"), receives.bytes) as body:
            answered = await self._stored(self.receiving.take, body, given, sharer)
            progress.counts = answered.counts
            progress.reason = "repeated" if answered.repeated else ""
            task = admission.request.interaction == "update"
            whole = task or _WHOLE.search(exchange.header(b"prefer") or "") is not None
            made = await self._stored(body_of, answered, sharer, whole=whole)
            data = await self._stored(serialised, made, progress.format, version)
        headers = {"preference-applied": "return=representation"} if whole and not task else {}
        if not answered.bundle and answered.status == 201:
            first = answered.outcomes[0]
            headers["location"] = f"{sharer.base}/{first.type}/{first.id}/_history/1"
        return Reply(answered.status, data, content_type(progress.format, version), headers)

    async def _sharer(self, progress: Progress, admission: Admission) -> Sharer:
        """The person behind the token, as this provider knows them now. Raises Problem 403 for who is not (AVL-08)."""
        address, grant, standard = progress.address, admission.grant, admission.standard
        wanted = compile_search(standard.fhir, "Patient", ())
        request = FhirRequest(standard.fhir, "search-type", "Patient", base=address.base)
        ids = (progress.exchange.request_id, progress.exchange.correlation_id)
        admitted = Admitted(reading_patient(standard), wanted, ())
        collected = await self.collector.collect(admission.whose, grant, standard, request, admitted, ids)
        if collected.nothing:
            text = "Who the person is cannot be looked up at the moment. Try again later."
            raise Problem(503, "transient", text, headers={"retry-after": "30"})
        answer = await search(collected.record, wanted)
        if not answer.matches:
            raise Problem(403, "forbidden", "Nothing can be sent to this provider for this person now.")
        known = answer.matches[0]
        sources = self.collector.providers.get(address.provider)
        return Sharer(
            provider=address.provider,
            service=address.service_id,
            standard=standard,
            rule=admission.admitted.rule,
            grant=grant,
            bsn=self.ring.open("bsn", grant.sealed_bsn).decode() if grant.sealed_bsn else "",
            patient=dict(known.whole),
            patients=frozenset(held.id for held in answer.matches),
            request_id=progress.exchange.request_id,
            correlation_id=progress.exchange.correlation_id,
            base=address.base,
            live=bool(sources and sources.live.sources),
        )

    async def _stored(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what touches the store beside the event loop. Raises StoreUnavailable when it does not answer."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, partial(work, *args, **kwargs))
        except (OperationalError, InterfaceError, PoolTimeout) as fault:
            raise StoreUnavailable from fault
