"""The source of a push, with all that is needed to judge what it sends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from gateway.quality.gate import Gate
from gateway.store.unit import Owner
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

Expected = Callable[[Resource, FhirVersion], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Sender(Owner):
    """One source of a provider. ``patients_of`` names other sources whose patient ids it uses as well."""

    engine: Engine
    patients_of: frozenset[str]
    expected: Expected
    gate: Gate

    def owns(self, source: str) -> bool:
        """Whether this source may use the patient ids of another, or of itself."""
        return source == self.source or source in self.patients_of
