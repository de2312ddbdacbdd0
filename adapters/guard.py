"""The patient guard: the verdict on what a source sent.

Every adapter runs it over what its source sent, and the gateway over what every adapter sent. Which elements say whose
a resource is, and which types are about nobody, stands in :mod:`profiles.record.whose`. The guard fails closed: a type
that the table does not know must name a patient.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from adapters.port import Bsn, Gap, Reason, WrongPatient
from profiles.fhir.tree import Resource
from profiles.record.bsn import bsns
from profiles.record.walk import links
from profiles.record.whose import OWNERS, Naming, may_follow, mentions, naming, patient_of, subjects


class Whose(Enum):
    """The verdict of the guard on one resource."""

    OURS = "ours"
    SHARED = "shared"
    NOBODY = "nobody"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Guard:
    """Who the patient is in this source: ids of Patient resources, the BSN when known, the source's base URL.

    ``base`` (no closing slash) makes absolute references to the source itself count as local; an absolute
    reference to anywhere else is never ours.
    """

    patients: frozenset[str]
    bsn: Bsn | None = None
    base: str | None = None

    def whose(self, resource: Resource) -> Whose:
        """Say whose a resource is: the patient's, nobody's by its type, nobody's by omission, or somebody else's."""
        kind = resource.get("resourceType")
        if not isinstance(kind, str):
            return Whose.NOBODY
        if kind == "Patient":
            return Whose.OURS if resource.get("id") in self.patients else Whose.FOREIGN
        said = [(reference, self._refers(resource, reference)) for reference in subjects(resource)]
        known = [verdict for _, verdict in said if verdict is not None]
        if known:
            return Whose.OURS if all(known) else Whose.FOREIGN
        if any(naming(reference) is not Naming.OTHER for reference, _ in said):
            return Whose.NOBODY
        mentioned = [self._refers(resource, reference) for reference in mentions(resource)]
        if mentioned:
            # No element says whose it is, and it names a patient all the same: theirs, or not to be trusted.
            return Whose.OURS if all(mentioned) else Whose.NOBODY
        return Whose.SHARED if OWNERS.may_be_shared(kind) else Whose.NOBODY

    def check(self, resources: Iterable[Resource], *, vouched: bool = False) -> tuple[list[Resource], list[Gap]]:
        """Let the patient's and shared resources through; a gap for those that are nobody's.

        What says nothing of a patient itself is the patient's when it points at something of theirs, or something of
        theirs at it; with ``vouched`` also when it stands alone: the adapter found it by the patient. Raises
        `WrongPatient` when a single one is somebody else's: nothing of such an answer can be trusted.
        """
        judged = [(resource, self.whose(resource)) for resource in resources]
        foreign = next((resource for resource, verdict in judged if verdict is Whose.FOREIGN), None)
        if foreign is not None:
            kind = foreign.get("resourceType", "resource")
            raise WrongPatient("the source answered with data of another patient", cause=f"type {kind}")
        beside = _beside(judged, vouched)
        kept: list[Resource] = []
        orphans: Counter[str] = Counter()
        for resource, verdict in judged:
            if verdict is Whose.NOBODY and id(resource) not in beside:
                orphans[str(resource.get("resourceType"))] += 1
            else:
                kept.append(resource)
        return kept, [
            Gap(kind, Reason.INVALID_BLOCKED, f"{count} {kind} left out: it does not say which patient it is about")
            for kind, count in orphans.items()
        ]

    def _refers(self, resource: Resource, reference: dict[str, Any]) -> bool | None:
        """True: our patient; False: another patient; None: not a patient, or it cannot be told."""
        literal = reference.get("reference")
        logical = self._is_ours({"identifier": [reference.get("identifier")]})
        if logical is False or not isinstance(literal, str):
            return logical
        if literal.startswith("#"):
            return self._is_ours(_contained(resource, literal[1:]))
        match naming(reference):
            case Naming.PATIENT:
                return patient_of(reference) in self.patients
            case Naming.ELSEWHERE:
                base = f"{self.base}/"
                home = self.base is not None and literal.startswith(f"{base}Patient/")
                return home and patient_of({"reference": literal.removeprefix(base)}) in self.patients
            case _:
                return None

    def _is_ours(self, patient: Resource | None) -> bool | None:
        """Compare by BSN: a contained patient, or a reference by identifier; None when there is nothing to compare."""
        numbers = set(bsns(patient)) if patient else set()
        if not numbers or self.bsn is None:
            return None
        return numbers == {self.bsn.reveal()}


def _beside(judged: Sequence[tuple[Resource, Whose]], vouched: bool) -> set[int]:
    """The resources (by identity) that say nothing themselves and stand beside something of the patient's."""
    loose = [
        resource
        for resource, verdict in judged
        if verdict is Whose.NOBODY and may_follow(resource) and not any(mentions(resource))
    ]
    if vouched or not loose:
        return {id(resource) for resource in loose if resource.get("resourceType") in OWNERS.follows}
    ours = {(resource.get("resourceType"), resource.get("id")) for resource, verdict in judged if verdict is Whose.OURS}
    aimed = {key for resource, verdict in judged if verdict is Whose.OURS for key in links(resource)}
    beside: set[int] = set()
    while True:
        near = [
            resource
            for resource in loose
            if id(resource) not in beside
            and ((resource.get("resourceType"), resource.get("id")) in aimed or not ours.isdisjoint(links(resource)))
        ]
        if not near:
            return beside
        for resource in near:
            beside.add(id(resource))
            ours.add((resource.get("resourceType"), resource.get("id")))
            aimed.update(links(resource))


def _contained(resource: Resource, wanted: str) -> Resource | None:
    contained = resource.get("contained")
    for item in contained if isinstance(contained, list) else ():
        if isinstance(item, dict) and item.get("id") == wanted and item.get("resourceType") == "Patient":
            return item
    return None
