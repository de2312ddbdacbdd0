"""Collects a whole record for the person whose it is: by the rows, sources and checks of a PGO, and audited."""

import asyncio
import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from adapters.port import Gap, Reason
from auth.crypto import KeyRing
from auth.grants import Grant
from auth.pages.catalogue import Texts
from auth.pages.own import OwnRecordReader
from gateway.audit.record import AuditRecord
from gateway.audit.trail import Trail
from gateway.collect.answer import Answer, read, search
from gateway.collect.content import DocumentContent
from gateway.collect.gaps import hidden_counts, hidden_gaps, told
from gateway.collect.pipeline import Collector
from gateway.collect.record import RecordOwner
from gateway.dossier.answer import DossierAnswer
from gateway.ownrecord.questions import OwnQuestion, question, reading, searchable, waits
from gateway.store.reader import StoreUnavailable
from profiles.record.walk import values
from profiles.standards.load import catalogue

CLIENT = "Mijn gegevens"
"""What the audit trail and the page "Mijn toestemmingen" call a person who reads their own record."""

MISSING, WITHHELD, DELAYED, DELAYED_UNTIL = "missing", "withheld", "delayed", "delayed_until"
"""What an answer says that lacks something, until `named` says it in words; the last with the day behind it."""
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class OwnDocument:
    """A document of the record: its media type as its source states it, and its bytes."""

    media: str
    content: DocumentContent


@dataclass(frozen=True, slots=True)
class OwnRecords:
    """Collects own records. ``base`` is the public address."""

    collector: Collector
    ring: KeyRing
    trail: Trail
    base: str

    async def of(self, reader: OwnRecordReader) -> list[DossierAnswer]:
        """Every answer, in the order of the standards. Raises AuditUnavailable: what is not recorded is not shown."""
        grant, person, provider = self._grant(reader), reader.person, reader.provider.name
        rows = [row for id_ in sorted(grant.services) for row in searchable(id_)]
        base = f"{self.base}/{provider}"
        first = [question(*row, base, person.bsn) for row in rows if not waits(row[2])]
        answers = await self._all(first, grant)
        episodes = tuple(
            str(one["id"]) for answer in answers for one in answer.matches if one["resourceType"] == "EpisodeOfCare"
        )
        if episodes:
            later = [question(*row, base, person.bsn, episodes) for row in rows if waits(row[2])]
            answers += await self._all(later, grant)
        order = {f"{service.id}-{rule.id}": place for place, (_, service, rule) in enumerate(rows)}
        return sorted(answers, key=lambda answer: order[answer.id])

    async def document(self, reader: OwnRecordReader, answer: DossierAnswer, id_: str) -> OwnDocument | None:
        """A document that an answer of this visit points at; None when there is none.

        Raises StoreUnavailable when it cannot be read now, and AuditUnavailable: what is not recorded is not shown.
        """
        if f"Binary/{id_}" not in {url for one in answer.matches for url in values(one, "content.attachment.url")}:
            return None
        grant = self._grant(replace(reader, services=frozenset((answer.service,))))
        asked = reading(answer.service, id_, f"{self.base}/{grant.provider}")
        whose = RecordOwner(grant.provider, answer.version, grant.subject)
        ids = (str(uuid.uuid4()), grant.correlation_id or "")
        got = await self.collector.collect(whose, grant, asked.standard, asked.request, asked.admitted, ids)
        held = await read(got.record, "Binary", id_)
        content = await got.record.content(held) if held is not None else None
        incidents = tuple(got.incidents)
        gone = content is None
        if gone and got.gaps:
            raise StoreUnavailable from LookupError("a source did not give the document")
        await self._note(asked, grant, ids, 404 if gone else 200, () if gone else (("Binary", 1),), incidents=incidents)
        if held is None or content is None:
            return None
        return OwnDocument(str(held.whole.get("contentType", "")), content)

    async def _all(self, questions: Iterable[OwnQuestion | None], grant: Grant) -> list[DossierAnswer]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(asked: OwnQuestion) -> DossierAnswer:
            async with gate:
                return await self._answer(asked, grant)

        return list(await asyncio.gather(*(one(asked) for asked in questions if asked is not None)))

    async def _answer(self, asked: OwnQuestion, grant: Grant) -> DossierAnswer:
        whose = RecordOwner(grant.provider, asked.request.version, grant.subject)
        ids = (str(uuid.uuid4()), grant.correlation_id or "")
        gaps: tuple[str, ...] = ()
        incidents: tuple[str, ...] = ()
        problems: tuple[str, ...] = ()
        try:
            got = await self.collector.collect(whose, grant, asked.standard, asked.request, asked.admitted, ids)
            answer = await search(got.record, asked.admitted.search) if asked.admitted.search else Answer(())
            gaps, incidents = tuple(f"{gap.what}:{gap.reason}" for gap in got.gaps), tuple(got.incidents)
            problems = (MISSING,) if told(got.gaps) else ()
            silent = bool(problems)
            gaps += tuple(f"{gap.what}:{gap.reason}" for gap in hidden_gaps(answer.hidden))
            problems += tuple(_lack(gap) for gap in hidden_gaps(answer.hidden))
        except StoreUnavailable:
            answer, problems, silent = Answer(()), (MISSING,), True
        outcome = 503 if silent and not answer.matches else 200
        hidden = hidden_counts(answer.hidden)
        await self._note(asked, grant, ids, outcome, answer.counts(), gaps, incidents, hidden)
        return DossierAnswer(
            id=f"{asked.service.id}-{asked.rule.id}",
            service=asked.service.id,
            service_name=asked.service.name,
            name=asked.rule.name_nl,
            type=asked.rule.type or "",
            version=asked.request.version,
            # The whole resource: what search looks at (``data``) is only a part of it.
            matches=tuple(held.whole for held in answer.matches),
            included=tuple(held.whole for held in answer.included),
            problems=problems,
            sources={f"{held.type}/{held.id}": held.source for held in (*answer.matches, *answer.included)},
        )

    async def _note(
        self,
        asked: OwnQuestion,
        grant: Grant,
        ids: tuple[str, str],
        outcome: int,
        resources: tuple[tuple[str, int], ...],
        gaps: tuple[str, ...] = (),
        incidents: tuple[str, ...] = (),
        hidden: tuple[tuple[str, int], ...] = (),
    ) -> None:
        await self.trail.write(
            AuditRecord(
                action=f"person:resource:{asked.request.interaction}",
                at=datetime.now(UTC),
                outcome=outcome,
                provider=grant.provider,
                service=asked.service.id,
                interaction=asked.request.interaction,
                rule=asked.rule.id,
                client=CLIENT,
                person=grant.subject,
                actor=grant.actor or "",
                basis="own-record",
                resources=resources,
                gaps=gaps,
                incidents=incidents,
                hidden=hidden,
                request_id=ids[0],
                correlation_id=ids[1],
            )
        )

    def _grant(self, reader: OwnRecordReader) -> Grant:
        now = datetime.now(UTC)
        provider, person = reader.provider.name, reader.person
        return Grant(
            digest=hashlib.sha256(f"own-record {reader.visit} {provider}".encode()).digest(),
            client=CLIENT,
            provider=provider,
            services=reader.services,
            subject=person.pseudonym,
            sealed_bsn=self.ring.seal("bsn", person.bsn.encode("ascii")),
            patient=None,
            actor=reader.actor.pseudonym if reader.actor else None,
            issued=now,
            expires=now + timedelta(minutes=15),
            correlation_id=str(uuid.uuid4()),
            consent_id=None,
            function="collect",
        )


def named(answers: Iterable[DossierAnswer], texts: Texts) -> list[DossierAnswer]:
    """The answers with the names of their rows and services, and what they lack, in the language of the texts."""
    told = []
    for answer in answers:
        standard, service = catalogue().service(answer.service)
        rule = next(one for one in standard.rules_of(service) if answer.id == f"{service.id}-{one.id}")
        dutch = texts.language == "nl"
        told.append(
            replace(
                answer,
                name=rule.name_nl if dutch else rule.name_en,
                service_name=service.name if dutch else service.name_en,
                problems=tuple(_words(problem, texts) for problem in answer.problems),
            )
        )
    return told


def _words(problem: str, texts: Texts) -> str:
    key, _, day = problem.partition(" ")
    return texts(f"own.{key}", day=f"{date.fromisoformat(day):%d-%m-%Y}" if day else "")


def _lack(gap: Gap) -> str:
    """What is not shown, as `named` knows it."""
    if gap.reason is Reason.WITHHELD:
        return WITHHELD
    return f"{DELAYED_UNTIL} {gap.available_from}" if gap.available_from else DELAYED
