"""The holder of data: what another institution reads and searches under a grant, and the Task that it moves.

The person follows from the grant; the citizen number, which MedMij never gives, is given back to the Patient here,
because the receiver has to know who came (SV-06).
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine

from auth.grants import Grant
from gateway.collect.answer import read, search
from gateway.collect.gaps import hidden_gaps, outcome_entry
from gateway.collect.held import Held
from gateway.collect.pipeline import Collector
from gateway.collect.record import Record, RecordOwner
from gateway.exchange.asking import ETAG, VERSION, InstitutionRequest
from gateway.exchange.document import document_of
from gateway.exchange.grants import BSN_SYSTEM, AnotherPerson, OpenGrant, letters_rule, outside
from gateway.exchange.referrals import Referrals
from gateway.exchange.tokens import HANDOFF_SCOPE
from gateway.http.binary import as_document, as_resource, media_of
from gateway.http.reply import Reply
from gateway.http.statements import serialised
from gateway.problems import Problem
from gateway.share.keep import Keys
from gateway.store.engine import reading
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.bundle import BundleEntry, Mode, searchset
from profiles.fhir.codec.mediatypes import Format, content_type, negotiate_content, read_format
from profiles.fhir.interactions import FhirRequest, Route
from profiles.fhir.search.search import Pairs, write_query
from profiles.fhir.tree import Resource
from profiles.record.walk import links
from profiles.standards.admit import Admitted


@dataclass(frozen=True, slots=True)
class DataHolder:
    """Answers requests that have a token of `ExchangeTokens`."""

    engine: Engine
    referrals: Referrals
    collector: Collector
    keys: Keys

    async def reply(self, asking: InstitutionRequest, what: Route, pairs: Pairs, body: Callable[[], bytes]) -> Reply:
        """The answer. Raises Problem, FormatError, SearchError, StoreUnavailable and SQLAlchemyError."""
        if what.type == "Task":
            return await self._task(asking, what, body)
        if what.interaction in ("update", "create", "transaction"):
            raise Problem(405, "not-supported", "This interaction is not supported here.", headers={"allow": "GET"})
        asking.action = f"resource:{what.interaction}"
        grant = await self._grant(asking, what)
        request = FhirRequest(
            VERSION,
            what.interaction,
            what.type,
            what.id,
            what.operation,
            tuple(pairs),
            # The patient is changed on the way out, for which the data are needed, not ready bytes of another form.
            "json",
            asking.base,
        )
        if what.interaction == "read":
            return await self._read(asking, request, grant)
        if (what.type, what.operation) == ("Composition", "document"):
            return await self._document(asking, request, grant)
        try:
            admitted = grant.admitted(request, asking.now)
        except AnotherPerson:
            asking.alarm = "a request names another person than its grant"
            raise outside() from None
        asking.rule = admitted.rule.id
        record = await self._record(asking, request, admitted, grant)
        if admitted.search is None:
            raise outside()
        answer = await search(record, admitted.search)
        asking.counts = answer.counts()
        gaps = hidden_gaps(answer.hidden)
        asking.gaps = tuple(f"{gap.what}:{gap.reason}" for gap in gaps)
        parts: tuple[tuple[Mode, Sequence[Held]], ...] = (("match", answer.matches), ("include", answer.included))
        entries = [
            BundleEntry(f"{request.base}/{held.type}/{held.id}", mode, self._body(held, asking.format, grant))
            for mode, part in parts
            for held in part
        ]
        if gaps:
            # Who treats on these data knows that they are not the whole.
            entry = outcome_entry(gaps, asking.format, VERSION)
            entries.append(BundleEntry(f"urn:uuid:{uuid.uuid4()}", "outcome", entry))
        path = f"{request.base}/{request.type}" + (f"/${request.operation}" if request.operation else "")
        query = write_query(admitted.query)
        made = searchset(asking.format, VERSION, f"{path}?{query}" if query else path, entries)
        return Reply(200, made, content_type(asking.format, VERSION))

    async def _task(self, asking: InstitutionRequest, what: Route, body: Callable[[], bytes]) -> Reply:
        held = asking.held
        asking.action = f"task:{what.interaction}"
        if held is None or what.id is None or what.interaction not in ("read", "update"):
            raise outside()
        if held.scope != HANDOFF_SCOPE and held.referral_id != what.id:
            raise Problem(404, "not-found", "There is no such Task.")
        asking.referral_id = what.id
        if what.interaction == "read":
            known = await asyncio.to_thread(self._known, what.id, held.partner)
            if known is None:
                raise Problem(404, "not-found", "There is no such Task.")
            task, version = known
        else:
            task, version = await self._update(asking, what.id, body)
        headers = {"etag": f'W/"{version}"'}
        return Reply(200, serialised(task, asking.format, VERSION), content_type(asking.format, VERSION), headers)

    async def _update(self, asking: InstitutionRequest, id_: str, body: Callable[[], bytes]) -> tuple[Resource, int]:
        form = read_format(asking.exchange.header(b"content-type"), VERSION)
        data = body()
        sent = jsonio.parse(data) if form is Format.JSON else xmlio.parse(data, VERSION)
        if sent.get("resourceType") != "Task":
            raise Problem(400, "invalid", "This is no Task.")
        wished = asking.exchange.header(b"if-match")
        named = ETAG.fullmatch(wished) if wished is not None else None
        if wished is not None and named is None:
            raise Problem(412, "conflict", "If-Match names no version of this Task.")
        version = int(named["version"]) if named else None
        held = asking.held
        if held is None:
            raise outside()
        by = f"{held.partner} {held.user.id}".strip()

        def change() -> tuple[Resource, int]:
            with self.engine.begin() as store:
                return self.referrals.change(store, id_, held.partner, sent, by, asking.now, version)

        return await asyncio.to_thread(change)

    def _known(self, id_: str, partner: str) -> tuple[Resource, int] | None:
        with reading(self.engine).connect() as store:
            return self.referrals.task(store, id_, partner)

    async def _grant(self, asking: InstitutionRequest, what: Route) -> OpenGrant:
        """The grant behind the token, as it stands now. Raises Problem 403 for none, and for one that has ended."""
        held = asking.held
        if held is None or held.level != "data":
            raise outside()

        def open_() -> list[OpenGrant]:
            with reading(self.engine).connect() as store:
                ids = [held.referral_id] if held.referral_id else []
                if not ids and what.id and what.type in ("Composition", "Binary"):
                    # The token of a handoff names none: what is asked decides, among those to this partner.
                    named = what.id if what.type == "Composition" else ""
                    ids = self.referrals.handoffs(store, held.provider, held.partner, named)
                return [grant for id_ in ids if (grant := self.referrals.grant(store, id_)) is not None]

        grants = await asyncio.to_thread(open_)
        if not held.referral_id and what.type == "Binary":
            grants = [one for one in grants if await self._leads_to(asking, one, what.id or "")]
        if not grants:
            raise outside()
        grant = grants[0]
        asking.referral_id, asking.person = grant.referral_id, self.keys.pseudonyms.of(grant.bsn)
        if not grant.alive(asking.now):
            raise outside()
        return grant

    async def _record(
        self, asking: InstitutionRequest, request: FhirRequest, admitted: Admitted, grant: OpenGrant
    ) -> Record:
        """The record of the person of the grant, as for a citizen's own request. Raises Problem 503."""
        whose = RecordOwner(asking.provider, VERSION, asking.person)
        ids = (asking.exchange.request_id, asking.exchange.correlation_id)
        acting = self._acting(asking, grant)
        collected = await self.collector.collect(whose, acting, grant.standard, request, admitted, ids)
        asking.gaps = tuple(f"{gap.what}:{gap.reason}" for gap in collected.gaps)
        if collected.nothing or collected.gaps:
            # Another institution treats on what it gets: a part that is missing is not passed off as the whole.
            text = "A source of these data does not answer at the moment. Try again later."
            raise Problem(503, "transient", text, headers={"retry-after": "30"})
        return collected.record

    def _acting(self, asking: InstitutionRequest, grant: OpenGrant) -> Grant:
        held = asking.held
        return Grant(
            digest=f"{grant.referral_id}".encode(),
            client=held.partner if held else "",
            provider=asking.provider,
            services=frozenset(),
            subject=asking.person,
            sealed_bsn=self.keys.ring.seal("bsn", grant.bsn.encode()),
            patient=None,
            actor=None,
            issued=asking.now,
            expires=grant.ends,
            correlation_id=asking.group or None,
            consent_id=grant.referral_id,
            function="collect",
        )

    async def _read(self, asking: InstitutionRequest, request: FhirRequest, grant: OpenGrant) -> Reply:
        type_, id_ = request.type or "", request.id or ""
        absent = Problem(404, "not-found", "There is no such resource.")
        admitted = Admitted(letters_rule(), None, ())
        asking.rule = f"{type_}-read"
        record = await self._record(asking, request, admitted, grant)
        if type_ == "Binary":
            if not await self._reached(record, grant, id_, asking.now):
                raise absent
        elif not grant.may_read(type_, id_, asking.now):
            if type_ == "Composition":
                raise outside()
            raise absent
        held = await read(record, type_, id_)
        if held is None:
            raise absent
        asking.counts = ((type_, 1),)
        if type_ != "Binary":
            body = self._body(held, asking.format, grant)
            ready = body if asking.format is Format.JSON else xmlio.document(body)
            return Reply(200, ready, content_type(asking.format, VERSION))
        content = await record.content(held)
        if content is None:
            raise absent
        form = negotiate_content(asking.exchange.header(b"accept"), None, VERSION, media_of(held))
        if form is not None:
            return as_resource(held, content, form, VERSION)
        return as_document(held, content, asking.exchange)

    async def _leads_to(self, asking: InstitutionRequest, grant: OpenGrant, binary: str) -> bool:
        asking.person = self.keys.pseudonyms.of(grant.bsn)
        request = FhirRequest(VERSION, "read", "Binary", binary, base=asking.base)
        record = await self._record(asking, request, Admitted(letters_rule(), None, ()), grant)
        return await self._reached(record, grant, binary, asking.now)

    async def _reached(self, record: Record, grant: OpenGrant, binary: str, now: datetime) -> bool:
        """Whether a letter of the grant, or a document of its handoff, has this content."""
        letters = [("DocumentReference", one) for one in grant.letters]
        for one in grant.compositions:
            composition = await read(record, "Composition", one)
            letters += [key for key in links(composition.whole) if key[0] == "DocumentReference"] if composition else []
        for type_, id_ in letters if grant.alive(now) else ():
            held = await read(record, type_, id_)
            if held is not None and ("Binary", binary) in set(links(held.whole)):
                return True
        return False

    async def _document(self, asking: InstitutionRequest, request: FhirRequest, grant: OpenGrant) -> Reply:
        asking.rule = "document"
        if request.id is None or not grant.may_read("Composition", request.id, asking.now):
            raise outside()
        asked = replace(request, interaction="read", operation=None)
        record = await self._record(asking, asked, Admitted(letters_rule(), None, ()), grant)
        bundle, counts = await document_of(record, request.id, asking.base, lambda held: self._whole(held, grant))
        asking.counts = counts
        return Reply(200, serialised(bundle, asking.format, VERSION), content_type(asking.format, VERSION))

    def _body(self, held: Held, format_: Format, grant: OpenGrant) -> bytes:
        if held.type != "Patient" or not held.patient_id:
            return held.body(format_)
        whole = self._whole(held, grant)
        return jsonio.dump(whole) if format_ is Format.JSON else xmlio.fragment(whole, VERSION)

    def _whole(self, held: Held, grant: OpenGrant) -> Resource:
        """The resource as data; the person of the grant with their citizen number, which the store keeps masked."""
        if held.type != "Patient" or not held.patient_id:
            return held.whole
        others = [one for one in held.whole.get("identifier", ()) if one.get("system") != BSN_SYSTEM]
        own = {"use": "official", "system": BSN_SYSTEM, "value": grant.bsn}
        return {**held.whole, "identifier": [own, *others]}
