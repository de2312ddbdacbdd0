"""Which data services a provider can deliver for a person, asked before consent (AVL-01): the store and its sources."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from adapters.port import AdapterError, Availability, AvailabilityQuery, Bsn, PatientKey, ServiceKey
from auth.ports import AbsenceReason, Available, Person, Provider, ServiceContents
from gateway.calendar import today_here
from gateway.collect.held import Held
from gateway.collect.pipeline import Sources
from gateway.collect.record import Record, RecordOwner
from gateway.dossier.moments import when
from gateway.dossier.words import text_of
from gateway.release.shield import ReleasePolicy
from gateway.store.queries import OF_PERSON
from gateway.store.reader import Reader
from profiles.fhir.version import FhirVersion
from profiles.record.expect import fits, may_fit
from profiles.standards.load import catalogue
from profiles.standards.model import RequestRule

GENERAL = frozenset({"Patient"})
"""Types that every record has, and that say nothing about which data are there; but in a service of nothing else."""

SECONDS = 4.5
"""Time for sources; the authorization server itself waits 5 s (AVL-03)."""


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """What one place knows of a person: services with data, a treatment relation, a birth date, reasons of absence."""

    services: frozenset[str]
    relation: bool
    birth_date: date | None = None
    reasons: tuple[str, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    """Why a source delivers a service not, by service."""
    name: str | None = None
    contents: Mapping[str, ServiceContents] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Availabilities:
    """Asks the store and the live sources of a provider; without settings for it, the store."""

    reader: Reader
    sources: Mapping[str, Sources]
    release: ReleasePolicy = field(default_factory=ReleasePolicy)
    """What may be shown: what is withheld is not counted as there."""

    async def of(self, provider: Provider, person: Person, services: frozenset[str]) -> Available:
        """The services that some place has data for. Raises AdapterError when nothing was found and a source failed."""
        places = self.sources.get(provider.name)
        answers: list[KnownPerson] = []
        if places is None or places.store:
            answers.append(await self._stored(provider.name, person, services))
        faults: list[AdapterError] = []
        if places is not None and places.live.sources:
            known, faults = await _asked(places, provider.name, person, services)
            answers += known
        offered = frozenset(id_ for known_person in answers for id_ in known_person.services) & services
        if not offered and faults:
            raise faults[0]
        birth_date = next((known_person.birth_date for known_person in answers if known_person.birth_date), None)
        if offered:
            contents = {
                id_: held for known_person in answers for id_, held in known_person.contents.items() if id_ in offered
            }
            name = next((known_person.name for known_person in answers if known_person.name), None)
            # Nobody can say beforehand how much a live source adds: then a number would be too low.
            told = {id_: _possible(id_) for id_ in offered} | ({} if len(answers) > 1 else contents)
            return Available(offered, None, birth_date, name, told, _absent(services - offered, answers))
        return Available(offered, _why_nothing(answers), birth_date)

    async def relation(self, provider: Provider, person: Person) -> KnownPerson:
        """Whether the provider knows the person at all (for Delen: receivability, AVL-07)."""
        known = await self._stored(provider.name, person, frozenset())
        places = self.sources.get(provider.name)
        if known.relation or places is None:
            return known
        others, faults = await _asked(places, provider.name, person, frozenset())
        if faults and not any(one.relation for one in others):
            raise faults[0]
        return next((one for one in others if one.relation), known)

    async def _stored(self, provider: str, person: Person, services: frozenset[str]) -> KnownPerson:
        birth_date: date | None = None
        relation = False
        name: str | None = None
        contents: dict[str, ServiceContents] = {}
        for version in FhirVersion:
            who = {"provider": provider, "fhir": version.value, "person": person.pseudonym}
            patients = await self.reader.fetch(OF_PERSON.patients, who)
            if patients:
                relation = True
                birth_date = birth_date or _date(patients[0][2])
                shield = await self.release.shield(self.reader, provider, version, person.pseudonym)
                record = Record(self.reader, RecordOwner(provider, version, person.pseudonym), "", shield=shield)
                for id_ in services:
                    held = await _contents(id_, version, record)
                    if held is not None:
                        contents[id_] = held
                name = name or await _name(record)
        return KnownPerson(frozenset(contents), relation, birth_date, name=name, contents=contents)


def _why_nothing(answers: Sequence[KnownPerson]) -> AbsenceReason:
    """The reason that says most: one that a source gave about this person, else known without data, else not known."""
    given = [AbsenceReason(one) for known in answers for one in known.reasons if one in set(AbsenceReason)]
    telling = [
        one for one in given if one not in (AbsenceReason.NO_RELATION, AbsenceReason.NOT_OFFERED, AbsenceReason.EMPTY)
    ]
    if telling:
        return telling[0]
    return AbsenceReason.EMPTY if any(known.relation for known in answers) else AbsenceReason.NO_RELATION


async def _asked(
    places: Sources, provider: str, person: Person, services: frozenset[str]
) -> tuple[list[KnownPerson], list[AdapterError]]:
    offers = catalogue()
    keys = tuple(ServiceKey(id_, offers.delivering(*offers.service(id_, today_here())).id) for id_ in sorted(services))
    query = AvailabilityQuery(provider, PatientKey(Bsn(person.bsn)), keys, time.monotonic() + SECONDS)

    async def ask(source: int) -> Availability:
        async with asyncio.timeout(query.remaining()):
            return await places.live.sources[source].adapter.available(query)

    answers: Sequence[Availability | BaseException] = await asyncio.gather(
        *(ask(index) for index in range(len(places.live.sources))), return_exceptions=True
    )
    known, faults = [], []
    for answer in answers:
        if isinstance(answer, Availability):
            reasons = tuple(str(reason) for reason in answer.reasons.values())
            absent = {id_: str(reason) for id_, reason in answer.reasons.items()}
            known.append(KnownPerson(answer.services, answer.relation, answer.birth_date, reasons, absent, answer.name))
        elif isinstance(answer, AdapterError):
            faults.append(answer)
        else:
            faults.append(AdapterError("a source cannot be asked", cause=answer))
    return known, faults


def _possible(service_id: str) -> ServiceContents:
    """What a service can hold, without numbers."""
    standard, service = catalogue().service(service_id, today_here())
    asked = (rule for rule in standard.rules_of(service) if _gives(rule) and rule.interaction != "read")
    return ServiceContents(tuple((name, 0) for name in dict.fromkeys(rule.name_nl for rule in asked)))


def _gives(rule: RequestRule) -> bool:
    """Whether a row can give data at all: not one that is there to be refused."""
    return rule.method == "GET" and rule.type is not None and rule.answer != "refused"


def _absent(services: frozenset[str], found: Sequence[KnownPerson]) -> dict[str, AbsenceReason]:
    """Why services are not there: what a source said of each, else that nothing was recorded."""
    said = {id_: reason for one in found for id_, reason in one.absent.items() if reason in set(AbsenceReason)}
    return {id_: AbsenceReason(said.get(id_, AbsenceReason.EMPTY)) for id_ in sorted(services)}


async def _contents(service_id: str, version: FhirVersion, record: Record) -> ServiceContents | None:
    """What the rows of a service find in the record (their filters fit, or their profile is claimed); None: nothing."""
    offering, service = catalogue().service(service_id, today_here())
    standard = catalogue().delivering(offering, service)
    if standard.fhir is not version:
        return None
    parts: dict[str, int] = {}
    moments: list[str] = []
    offered, rules = False, standard.rules_of(service) if standard is offering else standard.rules
    general = all(rule.type in GENERAL for rule in rules)
    for rule in rules:
        if not _gives(rule) or rule.type is None:
            continue
        record.of_type(rule.type)
        await record.load()
        mine = [held for held in record.of_type(rule.type) if _answers(rule, version, held)]
        offered = offered or (bool(mine) and (rule.type not in GENERAL or general))
        if mine and rule.interaction != "read":
            # Of "the latest of each", and of what comes after a day that the client chooses, nobody can say beforehand
            # how many there are: that is told without a number.
            known = 0 if rule.answer == "last" or any(one.is_open for one in rule.required) else len(mine)
            parts[rule.name_nl] = max(parts.get(rule.name_nl, 0), known)
            moments += [moment for held in mine if (moment := when(held.data))]
    if not offered:
        return None
    return ServiceContents(tuple(parts.items()), min(moments)[:4] if moments else None)


def _answers(rule: RequestRule, version: FhirVersion, held: Held) -> bool:
    if fits(rule, version, held.data) and (rule.query or _claims(held, rule)):
        return True
    return may_fit(rule, version, held.data)


async def _name(record: Record) -> str | None:
    record.of_type("Patient")
    await record.load()
    names = [name for held in record.of_type("Patient") for name in held.data.get("name", [])]
    return text_of(names[0], {}) if names else None


def _claims(held: Held, rule: RequestRule) -> bool:
    claimed = held.data.get("meta", {}).get("profile", ())
    return not rule.profiles or any(profile in rule.profiles for profile in claimed)


def _date(value: object) -> date | None:
    if isinstance(value, date):
        return value
    return date.fromisoformat(value) if isinstance(value, str) else None
