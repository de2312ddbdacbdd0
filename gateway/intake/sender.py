"""Who sends: the source of a push, by which door it comes, and all that is needed to judge what is sent."""

from dataclasses import dataclass, field

from sqlalchemy import Engine

from gateway.quality.gate import Gate
from gateway.store.unit import Owner
from profiles.record.expect import Expectations
from profiles.record.leaving import Leaving


@dataclass(frozen=True, slots=True)
class Door:
    """How the access trail tells who brought something: a system that pushes, or an operator who imports files."""

    subject: str = "ehr"
    client: str = ""
    """Who it was; empty: the source."""
    reason: str = ""
    """What the record says more, of an import: which source and which files."""


@dataclass(frozen=True, slots=True)
class Sender(Owner):
    """One source of a provider. ``patients_of`` names other sources whose patient ids it uses as well."""

    engine: Engine
    patients_of: frozenset[str]
    expected: Expectations
    gate: Gate
    door: Door = field(default_factory=Door)
    base: str = ""
    leaving: Leaving = field(default_factory=Leaving)
    """What is done to a resource last, before it is stored ready."""
    """The FHIR base that locations in answers begin with."""

    def owns(self, source: str) -> bool:
        """Whether this source may use the patient ids of another, or of itself."""
        return source == self.source or source in self.patients_of
