"""What the engine asks of its host."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion


@dataclass(frozen=True, slots=True)
class ProfileVerdict:
    """What a validator says: ok, wrong, or unchecked when it lacks what it needs; with one line per finding."""

    outcome: Literal["ok", "wrong", "unchecked"]
    texts: Sequence[str] = ()


class ProfileChecker(Protocol):
    """Checks a resource against FHIR itself, the profiles it claims, and the profiles named."""

    def check(self, resource: Resource, version: FhirVersion, profiles: Sequence[str]) -> ProfileVerdict:
        """The verdict on a resource; entries of a Bundle are checked too."""
