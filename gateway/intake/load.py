"""Loading what was read: placed, normalised, and stored in one unit of work."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from gateway.intake.documents import Documents
from gateway.intake.read import Item
from gateway.quality.gate import Decision, Judge
from gateway.quality.numbers import wrong_numbers
from gateway.store.identity import tokens
from gateway.store.known import Known, known
from gateway.store.unit import Owner, Pending, Unit, digest_of
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.search.keys import stored
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.bsn import find_bsn
from profiles.record.neighbours import Neighbours, Owned
from profiles.record.place import Placement, birth_date, place
from profiles.record.repair import Repair, claim_profile, fill_display, mask_bsn, resolve_urns
from profiles.record.walk import Key, key_of, links
from profiles.validation.run.findings import Finding


@dataclass
class Loaded:
    """What became of a load: counts, and one line per refused resource."""

    stored: int = 0
    unchanged: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    blocked: list[tuple[str, str]] = field(default_factory=list)
    """What a policy held back, with the reason: it could have been stored, but is not valid."""
    repairs: dict[str, int] = field(default_factory=dict)
    findings: list[tuple[str, Finding]] = field(default_factory=list)
    """What is wrong with documents that were stored nevertheless, each with its origin."""
    verdicts: dict[str, int] = field(default_factory=dict)
    """How many resources of each verdict (ok, wrong, unchecked)."""


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads items of one provider and source inside the caller's transaction.

    ``expected`` gives the canonicals that a resource without profile should claim; ``known_bsn`` the BSN of a patient
    id whose own resource masks it (test sets bring them in a table). ``judge`` gives each resource its verdict (see
    :mod:`gateway.quality.gate`); without one nothing is validated.
    """

    connection: Connection
    owner: Owner
    expected: Callable[[Resource, FhirVersion], Sequence[str]]
    known_bsn: Callable[[str], str | None] = lambda _patient_id: None
    judge: Judge | None = None

    def load(self, items: Iterable[Item]) -> Loaded:
        """Store every item that can be placed; what cannot is refused with a reason, the rest goes on."""
        result = Loaded()
        every = list(items)
        for version in FhirVersion:
            chosen = [item for item in every if item.version is version]
            if chosen:
                _Load(self, version, chosen, result).run()
        return result


class _Load:
    """The items of one FHIR version."""

    def __init__(self, loader: Loader, version: FhirVersion, items: Sequence[Item], result: Loaded) -> None:
        self._loader = loader
        self._version = version
        self._result = result
        self._made = {id(item): resolve_urns(item.resource, item.urls) for item in items}
        self._items = {key_of(item.resource): item for item in items}
        doubled = [item for item in items if self._items[key_of(item.resource)] is not item]
        result.refused += [(item.origin, "the same type and id occur again later") for item in doubled]
        self._unit = Unit(loader.connection, loader.owner, version)
        named = {key for item in self._items.values() for key in links(item.resource)}
        self._known: Known = known(loader.connection, loader.owner.provider, version, self._items.keys() | named)
        self._documents = Documents(self._items, self._known.documents.get)

    def run(self) -> None:
        """Place, settle and write."""
        for item in self._items.values():
            self._made[id(item)] += self._documents.own_urls(item.resource, item.urls)
        placement = place(
            [item.resource for item in self._items.values()],
            self._stored,
            {key: item.patient for key, item in self._items.items() if item.patient},
            self._number,
        )
        self._placement = placement
        numbers = self._patients(placement)
        ready: list[Pending] = []
        for key, item in self._items.items():
            if refusal := self._refusal(key, placement.refused):
                self._result.refused.append((item.origin, f"{'/'.join(key)}: {refusal}"))
            elif (pending := self._pending(item, placement.patients[key], numbers)) is not None:
                ready.append(pending)
        for key, written in self._unit.write(ready, {}).items():
            if not written.deed:
                self._result.unchanged += 1
                continue
            self._result.stored += 1
            for repair in self._made[id(self._items[key])]:
                self._result.repairs[repair.rule] = self._result.repairs.get(repair.rule, 0) + 1

    def _number(self, patient_id: str) -> str | None:
        """The BSN of a patient that is not in its own resource: as the caller knows it, else as it was sealed."""
        known = self._known.patients.get(patient_id)
        if known is None or known.sealed_bsn is None:
            return self._loader.known_bsn(patient_id)
        return self._loader.owner.ring.open("bsn", known.sealed_bsn).decode()

    def _owner(self, key: Key) -> str | None:
        return self._placement.patients.get(key) if key in self._items else self._stored(key)

    def _held(self, key: Key) -> Owned | None:
        owner = self._placement.patients.get(key)
        return None if owner is None else (owner, self._items[key].resource)

    def _stored(self, key: Key) -> str | None:
        """The patient (empty: shared) to whom a stored resource belongs; None when it is not in the store."""
        row = self._known.rows.get(key)
        return None if row is None or row.deleted else row.patient_id

    def _refusal(self, key: Key, refused: Mapping[Key, str]) -> str | None:
        row = self._known.rows.get(key)
        if row is not None and row.source != self._loader.owner.source:
            return f"this id is already in use by source {row.source}"
        unreadable = self._documents.unreadable if key[0] == "Binary" else {}
        return refused.get(key) or unreadable.get(key[1])

    def _patients(self, placement: Placement) -> dict[str, str]:
        numbers = {}
        for key, item in self._items.items():
            if key[0] == "Patient" and not self._refusal(key, placement.refused):
                bsn = find_bsn(item.resource) or self._loader.known_bsn(key[1])
                if bsn:
                    numbers[key[1]] = bsn
                self._unit.put_patient(key[1], bsn, birth_date(item.resource))
        return numbers

    def _pending(self, item: Item, patient_id: str, numbers: Mapping[str, str]) -> Pending | None:
        """The item as it will be stored; None when it is refused or held back, which the result says then."""
        key, row, result = key_of(item.resource), self._known.rows.get(key_of(item.resource)), self._result
        if row is not None and not row.deleted and row.patient_id != patient_id:
            result.refused.append((item.origin, f"{'/'.join(key)}: it belongs to another patient in the store"))
            return None
        about = list(self._documents.findings(item.resource, lambda id_: self._owner(("Binary", id_)) == patient_id))
        result.findings += [(item.origin, finding) for finding in about]
        about += wrong_numbers(item.resource)
        # Before the BSN is masked: it is one of the identifiers.
        hashes = tokens(self._loader.owner.pseudonyms, item.resource)
        repairs = self._made[id(item)]
        repairs += self._normalise(item, patient_id, numbers.get(patient_id))
        decision = self._loader.judge(self._version, item.resource, about) if self._loader.judge else Decision()
        if decision.report is not None:
            result.verdicts[decision.report.verdict] = result.verdicts.get(decision.report.verdict, 0) + 1
        if decision.blocked:
            result.blocked.append((item.origin, f"{'/'.join(key)}: {decision.reason}"))
            return None
        repairs += decision.repairs
        content = self._documents.content(key[1]) if key[0] == "Binary" else None
        body = jsonio.dump(item.resource)
        try:
            xml = xmlio.fragment(item.resource, item.version)
        except FormatError as fault:
            result.refused.append((item.origin, f"{'/'.join(key)}: {fault}"))
            return None
        original, format_ = (item.original, item.format) if content is None else (body, "json")
        return Pending(
            key,
            patient_id,
            row,
            json=body,
            xml=xml,
            search=stored(item.version, item.resource),
            digest=digest_of(body, content),
            original=original,
            format=format_,
            links=frozenset(links(item.resource)),
            tokens=hashes,
            repairs=repairs,
            content=content,
        )

    def _normalise(self, item: Item, patient_id: str, bsn: str | None) -> list[Repair]:
        resource = item.resource
        repairs = fill_display(resource, Neighbours(patient_id, self._held))
        repairs += mask_bsn(resource, [bsn] if bsn else [])
        return repairs + claim_profile(resource, self._loader.expected(resource, item.version))
