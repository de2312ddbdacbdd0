"""What is done to a resource last, after its verdict and before it is stored ready or sent."""

from dataclasses import dataclass

from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.claims import claim_parents
from profiles.record.narrative import clean
from profiles.record.repair import Repair
from profiles.record.written import write


@dataclass(frozen=True, slots=True)
class Leaving:
    """The last repairs. ``narrative``: who has none gets one."""

    narrative: bool = False

    def __call__(self, resource: Resource, version: FhirVersion) -> list[Repair]:
        """Change a resource in place; returns what was done."""
        repairs = [*claim_parents(resource, version), *clean(resource)]
        return repairs + write(resource, version) if self.narrative else repairs
