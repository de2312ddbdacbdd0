"""The patient guard: whose is this resource?

Every adapter runs it over what its source sent, and the gateway over what every adapter sent. It knows per resource
type which elements say who the patient is (the patient compartment of STU3 and R4, narrowed to the elements that name
the subject), and which types belong to nobody. It fails closed: a type that it does not know must name a patient.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from adapters.port import Bsn, Gap, Reason, WrongPatient
from profiles.fhir.tree import Resource, local_reference
from profiles.record.bsn import bsns
from profiles.record.walk import references
from profiles.record.whose import BY_REFERENCE, MAYBE, SHARED, subjects


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
        if kind == "Patient":
            return Whose.OURS if resource.get("id") in self.patients else Whose.FOREIGN
        if not isinstance(kind, str) or kind in SHARED:
            return Whose.SHARED if isinstance(kind, str) else Whose.NOBODY
        verdicts = [self._refers(resource, reference) for reference in subjects(resource)]
        known = [verdict for verdict in verdicts if verdict is not None]
        if not known:
            return Whose.SHARED if kind in MAYBE and not verdicts else Whose.NOBODY
        return Whose.OURS if all(known) else Whose.FOREIGN

    def check(self, resources: Iterable[Resource]) -> tuple[list[Resource], list[Gap]]:
        """Let the patient's and shared resources through; a gap for those that are nobody's.

        Raises `WrongPatient` when a single one is somebody else's: nothing of such an answer can be trusted.
        """
        judged = [(resource, self.whose(resource)) for resource in resources]
        foreign = next((resource for resource, verdict in judged if verdict is Whose.FOREIGN), None)
        if foreign is not None:
            kind = foreign.get("resourceType", "resource")
            raise WrongPatient("the source answered with data of another patient", cause=f"a {kind}")
        ours = [resource for resource, verdict in judged if verdict is Whose.OURS]
        kept: list[Resource] = []
        orphans: Counter[str] = Counter()
        for resource, verdict in judged:
            if verdict is Whose.NOBODY and not _pointed_at(resource, ours):
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
        split = local_reference(literal)
        if split is None:
            return False if literal.startswith("urn:") else None
        if split[0] != "Patient":
            return None
        return split[1] in self.patients and self._at_home(literal)

    def _at_home(self, literal: str) -> bool:
        if "://" not in literal:
            return True
        return self.base is not None and literal.startswith(f"{self.base}/Patient/")

    def _is_ours(self, patient: Resource | None) -> bool | None:
        """Compare by BSN: a contained patient, or a reference by identifier; None when there is nothing to compare."""
        numbers = set(bsns(patient)) if patient else set()
        if not numbers or self.bsn is None:
            return None
        return numbers == {self.bsn.reveal()}


def _pointed_at(resource: Resource, ours: Sequence[Resource]) -> bool:
    """Whether a resource without an owner may belong to what points at it, and something of ours does."""
    if resource.get("resourceType") not in BY_REFERENCE:
        return False
    key = (resource["resourceType"], resource.get("id"))
    return any(local_reference(node["reference"]) == key for node in references(list(ours)))


def _contained(resource: Resource, wanted: str) -> Resource | None:
    contained = resource.get("contained")
    for item in contained if isinstance(contained, list) else ():
        if isinstance(item, dict) and item.get("id") == wanted and item.get("resourceType") == "Patient":
            return item
    return None
