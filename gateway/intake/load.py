"""Loading what was read: placed, normalised, and stored in one unit of work."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from gateway.collect.normalise import Repair, claim_profile, fill_display, find_bsn, mask_bsn, resolve_urns
from gateway.intake.documents import Documents
from gateway.intake.place import Key, Placement, key_of, links, place
from gateway.intake.read import Item
from gateway.quality.gate import Decision, Judge
from gateway.quality.numbers import wrong_numbers
from gateway.store.writer import Conflict, PatientEntry, Received, Writer
from profiles.fhir import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.validation.findings import Finding


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
    """Loads items of one provider and source.

    ``expected`` gives the canonicals that a resource without profile should claim; ``known_bsn`` the BSN of a patient
    id whose own resource masks it (test sets bring them in a table). ``judge`` gives each resource its verdict (see
    :mod:`gateway.quality.gate`); without one nothing is validated.
    """

    writer: Writer
    expected: Callable[[Resource, FhirVersion], Sequence[str]]
    known_bsn: Callable[[str], str | None] = lambda _patient_id: None
    judge: Judge | None = None

    def load(self, items: Iterable[Item]) -> Loaded:
        """Store every item that can be placed; what cannot is refused with a reason, the rest goes on."""
        result = Loaded()
        for version in FhirVersion:
            chosen = [item for item in items if item.version is version]
            if chosen:
                self._load(version, chosen, result)
        return result

    def _load(self, version: FhirVersion, items: Sequence[Item], result: Loaded) -> None:
        changes = {id(item): resolve_urns(item.resource, item.urls) for item in items}
        by_key = {key_of(item.resource): item for item in items}
        documents = Documents(by_key, lambda id_: self.writer.document_of(version, id_))
        for item in by_key.values():
            changes[id(item)] += documents.own_urls(item.resource, item.urls)
        doubled = [item for item in items if by_key[key_of(item.resource)] is not item]
        result.refused += [(item.origin, "the same type and id occur again later") for item in doubled]
        placement = place(
            [item.resource for item in by_key.values()],
            lambda key: self.writer.patient_of(version, *key),
            {key: item.patient for key, item in by_key.items() if item.patient},
        )
        numbers = self._patients(version, by_key, placement)
        for key, item in by_key.items():
            if key in placement.refused:
                result.refused.append((item.origin, f"{'/'.join(key)}: {placement.refused[key]}"))
                continue
            if key[0] == "Binary" and key[1] in documents.unreadable:
                result.refused.append((item.origin, f"{'/'.join(key)}: {documents.unreadable[key[1]]}"))
                continue
            about = list(documents.findings(item.resource))
            result.findings += [(item.origin, finding) for finding in about]
            about += wrong_numbers(item.resource)
            patient_id, tokens = placement.patients[key], self.writer.tokens(item.resource)
            repairs = changes[id(item)] + self._normalise(item, by_key, numbers.get(patient_id))
            decision = self.judge(version, item.resource, about) if self.judge else Decision()
            if decision.report is not None:
                result.verdicts[decision.report.verdict] = result.verdicts.get(decision.report.verdict, 0) + 1
            if decision.blocked:
                result.blocked.append((item.origin, f"{'/'.join(key)}: {decision.reason}"))
                continue
            content = documents.content(key[1]) if key[0] == "Binary" else None
            self._store(item, patient_id, [*repairs, *decision.repairs], result, content, tokens)

    def _patients(self, version: FhirVersion, by_key: dict[Key, Item], placement: Placement) -> dict[str, str]:
        numbers = {}
        for key, item in by_key.items():
            if key[0] == "Patient" and key in placement.patients:
                bsn = find_bsn(item.resource) or self.known_bsn(key[1])
                if bsn:
                    numbers[key[1]] = bsn
                self.writer.put_patient(PatientEntry(version, key[1], bsn, _birth_date(item.resource)))
        return numbers

    def _normalise(self, item: Item, by_key: dict[Key, Item], bsn: str | None) -> list[Repair]:
        resource = item.resource
        repairs = mask_bsn(resource, [bsn] if bsn else [])
        repairs += fill_display(resource, lambda *key: by_key[key].resource if key in by_key else None)
        return repairs + claim_profile(resource, self.expected(resource, item.version))

    def _store(
        self,
        item: Item,
        patient_id: str,
        repairs: Sequence[Repair],
        result: Loaded,
        content: bytes | None,
        tokens: frozenset[str],
    ) -> None:
        type_, id_ = key_of(item.resource)
        try:
            received = Received(
                version=item.version,
                type=type_,
                id=id_,
                patient_id=patient_id,
                json=jsonio.dump(item.resource),
                xml=xmlio.fragment(item.resource, item.version),
                original=item.original if content is None else jsonio.dump(item.resource),
                format=item.format if content is None else "json",
                links=frozenset(links(item.resource)),
                repairs=repairs,
                tokens=tokens,
                content=content,
            )
            if self.writer.put(received):
                result.stored += 1
                for repair in repairs:
                    result.repairs[repair.rule] = result.repairs.get(repair.rule, 0) + 1
            else:
                result.unchanged += 1
        except (FormatError, Conflict) as fault:
            result.refused.append((item.origin, f"{type_}/{id_}: {fault}"))


def _birth_date(patient: Resource) -> date | None:
    try:
        return date.fromisoformat(str(patient.get("birthDate")))
    except ValueError:
        return None
