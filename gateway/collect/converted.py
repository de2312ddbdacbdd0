"""One record, another release: what a standard gives that converts, made on the way out from what another collects.

The source standard's row of the same id says what is asked of the store and of live sources, in the release that they
speak. What it finds is converted whole; the client's own search then runs over the result. Conversions are kept by the
digests of the stored bytes they were made of: the searches of one visit ask for the same resources again and again.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from auth.grants import Grant
from gateway.calendar import Today
from gateway.collect.answer import read, search
from gateway.collect.content import DocumentContent
from gateway.collect.gaps import hidden_gaps
from gateway.collect.held import Held
from gateway.collect.pipeline import Collected, Collector
from gateway.collect.record import Key, Record, RecordOwner
from profiles.conversion import Loss
from profiles.conversion.judge import judge
from profiles.conversion.ways import WAYS, ConversionWay
from profiles.fhir.codec import jsonio
from profiles.fhir.interactions import FhirRequest
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.walk import links
from profiles.standards.admit import Admitted, Refused, admit, whole_search
from profiles.standards.load import Catalogue
from profiles.standards.model import RequestRule, Standard
from profiles.validation import Report

Reporting = Callable[[FhirVersion, Resource, bytes], Report]
"""The verdict on a resource; its canonical bytes are the third."""
MOST = 4_000
"""Converted resources that are kept, of all persons together."""
BESIDE = frozenset({"PractitionerRole"})
"""Types that a conversion asks about when a resource points at them."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a conversion made of some resources, and what it lost."""

    resources: Sequence[Held]
    losses: Sequence[Loss]
    wrong: frozenset[Key]
    """Those that are wrong in their release, also without a claim."""


class KeptConversions:
    """Conversions by what they were made of, the oldest forgotten first; bounded by the number of resources."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._size = 0
        self._made: OrderedDict[bytes, Made] = OrderedDict()

    def get(self, key: bytes) -> Made | None:
        """What was made of the same before."""
        made = self._made.get(key)
        if made is not None:
            self._made.move_to_end(key)
        return made

    def keep(self, key: bytes, made: Made) -> None:
        """Keep what was made; one that is larger than all room is not."""
        if key in self._made or len(made.resources) > self._most:
            return
        self._made[key] = made
        self._size += len(made.resources)
        while self._size > self._most:
            _, old = self._made.popitem(last=False)
            self._size -= len(old.resources)


class ConvertedRecord(Record):
    """A record of converted resources. The content of a document is that of its source: it is never converted."""

    def __init__(self, whose: RecordOwner, format_: str) -> None:
        super().__init__(None, whose, format_)
        self._contents: dict[Key, tuple[Record, Held]] = {}
        self.wrong: frozenset[Key] = frozenset()
        """What is wrong in its release: a search gives it without a claim, a document leaves it out."""

    def take(self, record: Record, given: Sequence[Held], made: Made) -> None:
        """Put in what was made of some resources of another record."""
        self._contents |= {(one.type, one.id): (record, one) for one in given if one.type == "Binary"}
        self.wrong |= made.wrong
        self.add(made.resources)

    def everything(self) -> Sequence[Held]:
        """All that was made."""
        return [held for some in self._added.values() for held in some]

    async def content(self, held: Held) -> DocumentContent | None:
        """See Record."""
        record, source = self._contents[held.type, held.id]
        return await record.content(source)


@dataclass(frozen=True, slots=True)
class ConvertedCollector:
    """Collects as a standard does that another one converts."""

    collector: Collector
    catalogue: Catalogue
    report: Reporting
    today: Today
    kept: KeptConversions = field(default_factory=KeptConversions)

    async def collect(
        self,
        whose: RecordOwner,
        grant: Grant,
        standard: Standard,
        request: FhirRequest,
        admitted: Admitted,
        ids: tuple[str, str],
    ) -> Collected:
        """The record for a search or a read, as `Collector.collect` gives it. Raises StoreUnavailable."""
        asking = SourceQuestion(self, whose, grant, self.catalogue.delivering(standard), request, ids)
        if admitted.search is not None:
            return await asking.row(asking.source.rule(admitted.rule.id))
        return await asking.one(request.type or "", request.id or "")

    async def everything(
        self, whose: RecordOwner, grant: Grant, standard: Standard, request: FhirRequest, ids: tuple[str, str]
    ) -> Sequence[tuple[RequestRule, Collected]]:
        """What each search of the source standard finds, converted: together all that it collects."""
        asking = SourceQuestion(self, whose, grant, self.catalogue.delivering(standard), request, ids)
        rules = _searches(asking.source)
        return list(zip(rules, await asyncio.gather(*map(asking.row, rules)), strict=True))

    async def made_of(self, whose: RecordOwner, given: Sequence[Held], way: ConversionWay) -> Made:
        """The conversion of resources, all of one person."""
        day = self.today()
        key = _key(whose, day, given, way)
        made = self.kept.get(key)
        if made is None:
            made = await asyncio.to_thread(self._convert, day, given, way)
            self.kept.keep(key, made)
        return made

    def _convert(self, day: date, given: Sequence[Held], way: ConversionWay) -> Made:
        result = way.convert([held.whole for held in given], day)
        judged = judge(result, lambda one: self.report(way.target, one, jsonio.canonical(one)), way.outside)
        wrong = frozenset(_key_of(one.resource) for one in judged if not one.report.valid)
        origins = {(way.types.get(held.type, held.type), held.id): held for held in given}
        return Made([_held(one, way.target, origins, given[0]) for one in result.resources], result.losses, wrong)


@dataclass(frozen=True, slots=True)
class SourceQuestion:
    """One question, put to the source standard."""

    parts: ConvertedCollector
    whose: RecordOwner
    grant: Grant
    source: Standard
    request: FhirRequest
    ids: tuple[str, str]

    @property
    def way(self) -> ConversionWay:
        """From the release of the source standard to the other one."""
        return next(way for way in WAYS.values() if way.source is self.source.fhir)

    async def row(self, rule: RequestRule) -> Collected:
        """What a row of the source standard finds, converted."""
        whole = whole_search(self.source, rule)
        request = self._request(rule.interaction, rule.type or "", query=whole.query, operation=rule.operation)
        collected = await self._collected(request, whole)
        if whole.search is None:
            return collected
        found = await search(collected.record, whole.search)
        gaps = [*collected.gaps, *hidden_gaps(found.hidden)]
        collected = replace(collected, gaps=gaps, hidden=found.hidden)
        return await self._converted(collected, [*found.matches, *found.included])

    async def one(self, type_: str, id_: str) -> Collected:
        """A record with one resource: read by its id where the source standard has that, else one that a row brings."""
        collected = Collected(ConvertedRecord(self.whose, self.request.format))
        for kind in (type_, *(old for old, new in self.way.types.items() if new == type_)):
            request = self._request("read", kind, id_=id_)
            try:
                admitted = admit(self.source, request)
            except Refused:
                continue
            collected = await self._collected(request, admitted)
            held = await read(collected.record, kind, id_)
            if held is not None:
                return await self._converted(collected, [held])
            hidden = collected.record.why([(kind, id_)])
            if hidden:
                return replace(collected, record=ConvertedRecord(self.whose, self.request.format), hidden=hidden)
        for rule in _searches(self.source) if _is_part(id_) or type_ in BESIDE else ():
            collected = await self.row(rule)
            if collected.record.find(type_, id_) is not None:
                return collected
        return replace(collected, record=ConvertedRecord(self.whose, self.request.format))

    def _request(
        self,
        interaction: str,
        type_: str,
        *,
        id_: str | None = None,
        query: tuple[tuple[str, str], ...] = (),
        operation: str | None = None,
    ) -> FhirRequest:
        # As JSON, whatever the client asked: what is converted is looked into.
        return replace(
            self.request, version=self.source.fhir, interaction=interaction, type=type_, id=id_, operation=operation,
            query=query, format="json",
        )  # fmt: skip

    async def _collected(self, request: FhirRequest, admitted: Admitted) -> Collected:
        owner = replace(self.whose, version=self.source.fhir)
        return await self.parts.collector.collect(owner, self.grant, self.source, request, admitted, self.ids)

    async def _converted(self, collected: Collected, given: Sequence[Held]) -> Collected:
        record = ConvertedRecord(self.whose, self.request.format)
        if not given:
            return replace(collected, record=record)
        given = [*given, *await _beside(collected.record, given)]
        made = await self.parts.made_of(self.whose, given, self.way)
        record.take(collected.record, given, made)
        return replace(collected, record=record, losses=made.losses)


async def _beside(record: Record, given: Sequence[Held]) -> list[Held]:
    """What the resources point at and a conversion asks about, as far as the record has it."""
    known = {(held.type, held.id) for held in given}
    keys = dict.fromkeys(key for held in given for key in links(held.whole) if key[0] in BESIDE and key not in known)
    for key in keys:
        record.find(*key)
    await record.load()
    return [held for key in keys if (held := record.find(*key)) is not None]


def _searches(source: Standard) -> Sequence[RequestRule]:
    return [
        one for one in source.rules if one.method == "GET" and one.interaction != "read" and one.answer != "refused"
    ]


def _is_part(id_: str) -> bool:
    """Whether an id may be one of ours: what is split off has a suffix, or a uuid where that would be too long."""
    return "." in id_ or len(id_) == len("00000000-0000-0000-0000-000000000000")


def _key(whose: RecordOwner, day: date, given: Sequence[Held], way: ConversionWay) -> bytes:
    digest = hashlib.sha256(f"{way.target}\0{whose.provider}\0{whose.person}\0{whose.patient_id}\0{day}".encode())
    for held in given:
        content = held.digest or hashlib.sha256(jsonio.canonical(held.whole)).digest()
        digest.update(f"\0{held.source}\0{held.type}/{held.id}\0".encode() + content)
    return digest.digest()


def _key_of(resource: Resource) -> Key:
    return str(resource["resourceType"]), str(resource.get("id", ""))


def _held(resource: Resource, version: FhirVersion, origins: Mapping[Key, Held], otherwise: Held) -> Held:
    kind, id_ = _key_of(resource)
    source = origins.get((kind, id_), otherwise)
    return Held(
        kind, id_, version, source=source.source, patient_id=source.patient_id, data=resource,
        digest=source.digest,
    )  # fmt: skip
