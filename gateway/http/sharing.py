"""A request that sends something (Delen): who the person is, the body within its bounds, and the answer in its format.

What is done with it is `gateway.share`'s affair; here is what HTTP has to do with it.
"""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
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
from gateway.http.reply import Reply, Stream, version_tag
from gateway.http.statements import serialised
from gateway.problems import Problem, as_it_is
from gateway.share.answer import body_of, woven
from gateway.share.lifting import Content, Lifter
from gateway.share.receiving import Receiving, start_of
from gateway.share.sharer import Sharer
from gateway.store.reader import StoreUnavailable
from profiles.fhir.codec.mediatypes import NotAcceptable, content_type, read_format
from profiles.fhir.interactions import FhirRequest
from profiles.fhir.search.search import compile_search
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.admit import Admitted, reading_patient
from profiles.standards.model import Standard

_WHOLE = re.compile(r"(?:^|[;,\s])return\s*=\s*\"?representation\"?(?:$|[;,\s])", re.ASCII | re.IGNORECASE)


BLOCK = 3 * 65_536
"""Bytes of a file that are written at once; three by three become base64."""
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sharing:
    """Answers requests that send."""

    collector: Collector
    receiving: Receiving
    room: BodyRoom
    ring: KeyRing
    spool: Path | None = None
    """The folder for what comes in."""
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="share"))
    """Few: what they do is work for the processor, and the answers to others must not wait for it."""

    async def reply(self, progress: Progress, admission: Admission, receive: Receive) -> Reply:
        """Take in what is sent. Raises Problem, FormatError, StoreUnavailable and SQLAlchemyError."""
        receives = admission.admitted.rule.receives
        if receives is None:
            raise Problem(405, "not-supported", "This interaction is not supported here.", headers={"allow": "GET"})
        exchange, version = progress.exchange, progress.address.version
        as_it_is(exchange.header(b"content-encoding"))
        try:
            given = read_format(exchange.header(b"content-type"), version)
        except NotAcceptable as fault:
            if fault.wrong_version:
                raise
            raise Problem(415, "not-supported", fault.text) from fault
        sharer = await self._sharer(progress, admission)
        lifter, length = Lifter(given, self.spool, start_of(sharer)), exchange.header(b"content-length")
        with closing(lifter):
            async with self.room.spooled(receive, length, receives.bytes, lifter):
                answered = await self._stored(self.receiving.take, lifter, given, sharer)
                progress.counts = answered.counts
                progress.reason = "repeated" if answered.repeated else ""
                task = admission.request.interaction == "update"
                whole = task or _WHOLE.search(exchange.header(b"prefer") or "") is not None
                made, files = await self._stored(body_of, answered, sharer, whole=whole)
                data = await self._stored(serialised, made, progress.format, version)
        headers: dict[str, str] = {"preference-applied": "return=representation"} if whole and not task else {}
        if task:
            headers |= version_tag(data)
        if not answered.bundle and answered.status == 201:
            first = answered.outcomes[0]
            headers["location"] = f"{sharer.base}/{first.type}/{first.id}/_history/1"
        return Reply(answered.status, _sent(woven(data, files)), content_type(progress.format, version), headers)

    async def _sharer(self, progress: Progress, admission: Admission) -> Sharer:
        """The person behind the token, as this provider knows them now. Raises Problem 403 for who is not (AVL-08)."""
        address, grant, standard = progress.address, admission.grant, admission.standard
        answer = await self._known(progress, admission, standard.fhir)
        patient = answer[0] if answer else None
        if patient is None:
            # Many records are kept in one release; the person is the same in the other.
            others = [one for one in FhirVersion if one is not standard.fhir]
            answer = [one for version in others for one in await self._known(progress, admission, version)]
            patient = said_again(answer[0], standard) if answer else None
        if patient is None:
            raise Problem(403, "forbidden", "Nothing can be sent to this provider for this person now.")
        sources = self.collector.providers.get(address.provider)
        return Sharer(
            provider=address.provider,
            service=address.service_id,
            standard=standard,
            rule=admission.admitted.rule,
            grant=grant,
            bsn=self.ring.open("bsn", grant.sealed_bsn).decode() if grant.sealed_bsn else "",
            patient=patient,
            patients=frozenset(str(one["id"]) for one in answer),
            request_id=progress.exchange.request_id,
            correlation_id=progress.exchange.correlation_id,
            base=address.base,
            target=admission.request.id or "",
            if_match=progress.exchange.header(b"if-match") or "",
            live=bool(sources and sources.live.sources),
        )

    async def _known(self, progress: Progress, admission: Admission, version: FhirVersion) -> list[Resource]:
        """The Patients in one release that are the person. Raises Problem 503 when nobody can tell."""
        wanted = compile_search(version, "Patient", ())
        request = FhirRequest(version, "search-type", "Patient", base=progress.address.base)
        ids = (progress.exchange.request_id, progress.exchange.correlation_id)
        admitted = Admitted(reading_patient(version), wanted, ())
        whose = replace(admission.whose, version=version)
        collected = await self.collector.collect(whose, admission.grant, None, request, admitted, ids)
        if collected.nothing:
            text = "Who the person is cannot be looked up at the moment. Try again later."
            raise Problem(503, "transient", text, headers={"retry-after": "30"})
        return [dict(held.whole) for held in (await search(collected.record, wanted)).matches]

    async def _stored(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what touches the store beside the event loop. Raises StoreUnavailable when it does not answer."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, partial(work, *args, **kwargs))
        except (OperationalError, InterfaceError, PoolTimeout) as fault:
            raise StoreUnavailable from fault


def _sent(parts: Sequence[bytes | Content]) -> bytes | Stream:
    """An answer with files: they are written in base64 while it is sent, so that none is whole in memory."""
    if len(parts) == 1:
        return bytes(parts[0])

    async def pieces() -> AsyncIterator[bytes]:
        for number, part in enumerate(parts):
            for start in range(0, len(part), BLOCK) if number % 2 else (0,):
                yield base64.b64encode(part[start : start + BLOCK]) if number % 2 else bytes(part)

    sizes = (4 * -(-len(part) // 3) if number % 2 else len(part) for number, part in enumerate(parts))
    return Stream(sum(sizes), pieces)


def said_again(patient: Resource, standard: Standard) -> Resource:
    """A Patient of another release, as far as both say the same: who it is, and no more."""
    names = patient.get("name")
    kept = {name: patient[name] for name in ("gender", "birthDate") if isinstance(patient.get(name), str)}
    shown = [
        {part: one[part] for part in ("use", "text", "family", "given", "prefix") if part in one}
        for one in (names if isinstance(names, list) else ())
        if isinstance(one, dict)
    ]
    profiles = list(reading_patient(standard.fhir).profiles)
    start: Resource = {"resourceType": "Patient", "id": patient["id"], "meta": {"profile": profiles}}
    return start | ({"name": shown} if shown else {}) | kept
