"""The answer to an admitted request: the person's record, searched or read, in the asked format."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from adapters.port import Gap
from auth.crypto import Pseudonyms
from gateway.collect.answer import Answer, read, search
from gateway.collect.context import leads_to
from gateway.collect.converted import ConvertedCollector
from gateway.collect.explain import explained
from gateway.collect.gaps import hidden_counts, hidden_gaps, outcome_entry, told
from gateway.collect.held import Held
from gateway.collect.pipeline import Collected, Collector
from gateway.collect.record import Record
from gateway.http.admission import Admission
from gateway.http.binary import as_document, as_resource, media_of
from gateway.http.explain import EXPLAIN, header_of
from gateway.http.origin import origin
from gateway.http.partial import Partials, unavailable
from gateway.http.progress import Progress
from gateway.http.reply import Reply, version_tag
from gateway.http.summary import Summaries
from gateway.problems import Problem
from profiles.conversion import Loss
from profiles.conversion.losses import as_outcome
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.bundle import BundleEntry, Mode, searchset
from profiles.fhir.codec.mediatypes import Format, content_type, negotiate_content
from profiles.fhir.search.search import Search
from profiles.standards.load import is_summary


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers admitted requests.

    ``named``: answers say which sources they come from (Gateway-Source). ``explains``: they say why they are as they
    are to who asks for it (Gateway-Explain); test mode only, since that tells more than a client may know of a person.
    """

    collector: Collector
    pseudonyms: Pseudonyms
    named: bool
    partials: Partials = field(default_factory=Partials)
    """What an answer is from which a part is missing."""
    explains: bool = False
    converting: ConvertedCollector | None = None
    """Collects for standards that convert what another one collects."""
    summaries: Summaries | None = None
    """Makes documents of a whole record."""
    losses: bool = False
    """Whether an answer of converted data has an entry that tells what was lost."""

    async def reply(self, progress: Progress, admission: Admission) -> Reply:
        """The answer. Raises Problem, SearchError or StoreUnavailable; what was found is noted in ``progress``."""
        if is_summary(admission.admitted.rule) and self.summaries is not None:
            return await self.summaries.reply(progress, admission)
        collected = await self.collected(progress, admission)
        record, gaps = collected.record, collected.gaps
        if admission.request.interaction == "read":
            if not await self.within(progress, admission):
                raise Problem(404, "not-found", "There is no such resource.")
            progress.hidden = hidden_counts(collected.hidden)
            return await self._read(progress, admission, record)
        if admission.admitted.search is None:
            raise Problem(405, "not-supported", "This interaction is not supported here.", headers={"allow": "GET"})
        grant, rule = admission.grant, admission.admitted.rule
        self.partials.check(grant.client, admission.standard.id, rule, gaps)
        answer = await self.search(admission, admission.admitted.search, record)
        progress.counts = answer.counts()
        progress.hidden = hidden_counts([*collected.hidden, *answer.hidden])
        gaps = [*gaps, *hidden_gaps(answer.hidden)]
        progress.gaps = tuple(f"{gap.what}:{gap.reason}" for gap in gaps)
        headers = dict(self._origin([*answer.matches, *answer.included]))
        if self.collector.quality is not None:
            self.collector.quality.told(admission.whose.provider, admission.whose.version, answer.matches)
        if self.explains and progress.exchange.header(EXPLAIN) is not None:
            why = await explained(replace(collected, gaps=gaps), admission.admitted, admission.admitted.search, answer)
            headers |= header_of(why)
        losses = collected.losses if self.losses else ()
        return _ready(progress, _searchset(progress, admission, answer, gaps, losses), headers)

    async def collected(self, progress: Progress, admission: Admission) -> Collected:
        """The person's record, with what live sources add to it, and what is missing from it (ERR-48).

        Raises Problem 503 when no source could answer.
        """
        ids = (progress.exchange.request_id, progress.exchange.correlation_id)
        converts = admission.standard.converts is not None
        collector = self.converting if converts and self.converting is not None else self.collector
        collected = await collector.collect(
            admission.whose, admission.grant, admission.standard, admission.request, admission.admitted, ids
        )
        progress.gaps = tuple(f"{gap.what}:{gap.reason}" for gap in collected.gaps)
        progress.incidents = tuple(collected.incidents)
        if collected.nothing:
            text = "The source of these data does not answer at the moment. Try again later."
            raise unavailable(collected.gaps, text)
        return collected

    async def within(self, progress: Progress, admission: Admission) -> bool:
        """Whether the service may tell of what is read or changed, by the searches of its rows (`collect.context`)."""
        request = admission.request
        target = (request.type or "", request.id or "")
        for one in admission.admitted.within:
            asked = replace(request, interaction="search-type", id=None, query=one.query, format="json")
            question = replace(admission.question, request=asked, admitted=one)
            collected = await self.collected(progress, replace(admission, question=question))
            if one.search is not None and await leads_to(collected.record, one.search, one.rule.types, target):
                return True
        return not admission.admitted.within

    async def _read(self, progress: Progress, admission: Admission, record: Record) -> Reply:
        request = admission.request
        held = await read(record, request.type or "", request.id or "")
        if held is None:
            # Like what is not there (ERR-44); the trail says that it was asked for and not shown.
            here = hidden_counts(record.why([(request.type or "", request.id or "")]))
            progress.hidden = here or progress.hidden
            raise Problem(404, "not-found", "There is no such resource.")
        progress.counts = ((held.type, 1),)
        if held.type == "Binary":
            return await _binary(progress, admission, record, held)
        body = _document(held, progress.format)
        version = {} if held.live else version_tag(body)
        return _ready(progress, body, version | dict(self._origin([held])))

    async def search(self, admission: Admission, wanted: Search, record: Record) -> Answer:
        """The answer to the search of an admitted request. Raises SearchError or StoreUnavailable."""
        person = admission.admitted.person
        if person:
            # A live source has been asked about the person of the grant; the store knows persons of its own.
            asked = self.pseudonyms.of(person.value)
            if asked != admission.subject and asked not in await record.persons():
                return Answer(())
        return await search(record, wanted)

    def _origin(self, resources: Sequence[Held]) -> Mapping[str, str]:
        return origin(resources) if self.named else {}


def _searchset(
    progress: Progress, admission: Admission, found: Answer, gaps: Sequence[Gap], losses: Sequence[Loss]
) -> bytes:
    request, format_ = admission.request, progress.format
    parts: tuple[tuple[Mode, Sequence[Held]], ...] = (("match", found.matches), ("include", found.included))
    entries = [
        BundleEntry(f"{request.base}/{held.type}/{held.id}", mode, held.body(format_))
        for mode, part in parts
        for held in part
    ]
    if told(gaps):
        body = outcome_entry(gaps, format_, request.version)
        entries.append(BundleEntry(f"urn:uuid:{uuid.uuid4()}", "outcome", body))
    if losses:
        lost = as_outcome(losses)
        body = jsonio.dump(lost) if format_ is Format.JSON else xmlio.fragment(lost, request.version)
        entries.append(BundleEntry(f"urn:uuid:{uuid.uuid4()}", "outcome", body))
    return searchset(format_, request.version, admission.question.link, entries)


async def _binary(progress: Progress, admission: Admission, record: Record, held: Held) -> Reply:
    request, exchange = admission.request, progress.exchange
    asked = [value for name, value in request.query if name == "_format"]
    accept = exchange.header(b"accept")
    format_ = negotiate_content(accept, asked[0] if asked else None, request.version, media_of(held))
    content = await record.content(held)
    if format_ is not None:
        if content is None:
            return _ready(progress, _document(held, format_))
        return as_resource(held, content, format_, request.version)
    if content is None:
        raise Problem(404, "not-found", "This document has no content.")
    return as_document(held, content, exchange)


def _document(held: Held, format_: Format) -> bytes:
    body = held.body(format_)
    return body if format_ is Format.JSON else xmlio.document(body)


def _ready(progress: Progress, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(200, body, content_type(progress.format, progress.address.version), headers or {})
