"""What a dossier is made of: the answer to one request of an information standard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion


@dataclass(frozen=True, slots=True)
class DossierAnswer:
    """One request, and what came back for it. ``problems`` says in words what is missing; empty: nothing is."""

    id: str
    service: str
    """Id of the data service."""
    service_name: str
    name: str
    """What people call what was asked for, in Dutch."""
    type: str
    """The FHIR type that was asked for."""
    version: FhirVersion
    matches: Sequence[Resource]
    included: Sequence[Resource] = ()
    problems: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    """The source of each resource, by ``Type/id``, as far as that is known."""

    @property
    def resources(self) -> list[Resource]:
        """The matches, and the includes of the same type: panel members are part of what was asked."""
        return [*self.matches, *(one for one in self.included if one["resourceType"] == self.type)]

    def source_of(self, resource: Resource) -> str:
        """The source that a resource came from; empty when that is not known."""
        return self.sources.get(f"{resource['resourceType']}/{resource.get('id')}", "")
