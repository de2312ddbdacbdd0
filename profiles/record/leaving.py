"""What is done to a resource last, after its verdict and before it is stored ready or sent."""

from dataclasses import dataclass

from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.claims import claim_parents
from profiles.record.narrative import clean
from profiles.record.readable import add_words
from profiles.record.repair import Repair
from profiles.record.written import write
from profiles.zibs.load import code_names


@dataclass(frozen=True, slots=True)
class Leaving:
    """The last repairs. ``narrative``: who has none gets one. ``copied``: the profile that a copy was made from is
    claimed too."""

    narrative: bool = False
    copied: bool = True

    def __post_init__(self) -> None:
        code_names()  # Read when a process starts, not while the first person waits.

    def __call__(self, resource: Resource, version: FhirVersion) -> list[Repair]:
        """Change a resource in place; returns what was done."""
        repairs = [*claim_parents(resource, version, copied=self.copied), *clean(resource), *add_words(resource)]
        return repairs + write(resource, version) if self.narrative else repairs
