"""Who the patient is in the EHR: looked up by BSN, remembered for the length of a visit."""

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import date

from adapters.fhir_http.pages import entries, not_whole
from adapters.fhir_http.wire import Budget, Wire
from adapters.port import AdapterDown, AdapterGarbage, AdapterRefused, Bsn, PatientKey, WrongPatient
from profiles.fhir.tree import Resource
from profiles.record.bsn import BSN_SYSTEM, bsns
from profiles.record.label import label

REMEMBERED = 2_000
MOST_RECORDS = 20


@dataclass(frozen=True, slots=True)
class KnownPatient:
    """The ids under which the EHR knows a person (none: not known here), the birth date and the name that it has."""

    ids: frozenset[str]
    birth_date: date | None = None
    name: str | None = field(default=None, repr=False)


class Patients:
    """Lookups that run at the same time join; answers are kept for a short while under a keyed hash of the BSN."""

    def __init__(self, wire: Wire, source: str, system: str, method: str, seconds: float) -> None:
        self._wire, self._source, self._system, self._method = wire, source, system, method
        self._seconds = seconds
        self._key = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, tuple[float, KnownPatient]] = OrderedDict()
        self._running: dict[bytes, asyncio.Lock] = {}

    async def find(self, patient: PatientKey, budget: Budget) -> KnownPatient:
        """The person's ids here. Raises `AdapterError`; `WrongPatient` when the EHR answers with somebody else."""
        local = patient.local_id(self._source)
        if local is not None:
            return KnownPatient(frozenset({local}), patient.birth_date)
        if self._method == "login":
            raise AdapterRefused("the source knows people by its own ids only")
        assert patient.bsn is not None  # noqa: S101 - PatientKey has one or the other
        digest = hmac.digest(self._key, patient.bsn.reveal().encode(), "sha256")
        lock = self._running.setdefault(digest, asyncio.Lock())
        try:
            async with asyncio.timeout(max(0.0, budget.seconds())), lock:
                return self._recall(digest) or await self._ask(patient.bsn, digest, budget)
        except TimeoutError as error:
            raise AdapterDown("the source did not answer in time", cause=error) from error
        finally:
            if not lock.locked():
                self._running.pop(digest, None)

    def _recall(self, digest: bytes) -> KnownPatient | None:
        until, known = self._kept.get(digest, (0.0, None))
        return known if time.monotonic() < until else None

    async def _ask(self, bsn: Bsn, digest: bytes, budget: Budget) -> KnownPatient:
        question = (("identifier", f"{self._system}|{bsn.reveal()}"),)
        if self._method == "post":
            bundle = await self._wire.fetch("Patient/_search", budget, form=question)
        else:
            bundle = await self._wire.fetch("Patient", budget, question)
        known = read_patients(bundle, bsn, self._system)
        self._kept[digest] = (time.monotonic() + self._seconds, known)
        self._kept.move_to_end(digest)
        while len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
        return known


def read_patients(bundle: Resource, bsn: Bsn, system: str) -> KnownPatient:
    """The patients of a searchset: each must carry this BSN, or the EHR did not look at the question."""
    if bundle.get("resourceType") != "Bundle":
        raise AdapterGarbage("the source answered something else than a Bundle")
    ids: set[str] = set()
    born: set[date] = set()
    names: set[str] = set()
    for resource in entries(bundle):
        if not isinstance(resource, dict):
            raise AdapterGarbage("the source gave an entry without a patient")
        if not_whole(resource):
            raise AdapterDown("the source says that its answer is not complete")
        if resource.get("resourceType") != "Patient":
            continue
        if not _carries(resource, bsn, system):
            raise WrongPatient("the source answered with data of another patient", cause="patient lookup")
        if not isinstance(resource.get("id"), str):
            raise AdapterGarbage("the source gave a patient without an id")
        ids.add(resource["id"])
        names |= {name for name in [label(resource)] if name is not None}
        born |= {day for day in [_date(resource.get("birthDate"))] if day is not None}
    if len(ids) > MOST_RECORDS:
        raise AdapterGarbage("the source has too many records for one person")
    name = names.pop() if len(names) == 1 else None
    return KnownPatient(frozenset(ids), born.pop() if len(born) == 1 else None, name)


def _carries(patient: Resource, bsn: Bsn, system: str) -> bool:
    numbers = set(bsns(patient))
    if system != BSN_SYSTEM:
        identifiers = patient.get("identifier")
        numbers |= {
            str(item.get("value"))
            for item in (identifiers if isinstance(identifiers, list) else ())
            if isinstance(item, dict) and item.get("system") == system
        }
    return numbers == {bsn.reveal()}


def _date(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None
