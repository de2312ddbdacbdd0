"""What is done to a resource last, after its verdict and before it is stored ready or sent."""

from dataclasses import dataclass

from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.claims import claim_parents
from profiles.record.narrative import clean, holds_narrative
from profiles.record.readable import add_words, lacks_words
from profiles.record.repair import Repair
from profiles.record.walk import objects
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
        repairs = claim_parents(resource, version, copied=self.copied)
        # One quick walk for both: most resources have no narrative and lack no words.
        narrated = lacking = False
        for node in objects(resource):
            narrated = narrated or holds_narrative(node)
            lacking = lacking or lacks_words(node)
        if narrated:
            repairs += clean(resource)
        if lacking:
            repairs += add_words(resource)
        return repairs + write(resource, version) if self.narrative else repairs
