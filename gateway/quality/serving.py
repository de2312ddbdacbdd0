"""Which standards a resource serves: those whose rows name the profile that it claims."""

from collections.abc import Mapping
from functools import cached_property

from profiles.fhir.tree import Resource, claimed_profiles
from profiles.fhir.version import FhirVersion
from profiles.standards.load import Catalogue


class Serving:
    """The standards of a catalogue by the profiles that they use."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @cached_property
    def profiles(self) -> Mapping[tuple[FhirVersion, str], tuple[str, ...]]:
        """Ids of standards by FHIR release and canonical."""
        found: dict[tuple[FhirVersion, str], dict[str, None]] = {}
        for standard in (one for version in FhirVersion for one in self._catalogue.of_version(version)):
            for canonicals in standard.reads.values():
                for url in canonicals:
                    found.setdefault((standard.fhir, url), {})[standard.id] = None
        return {key: tuple(ids) for key, ids in found.items()}

    def of(self, version: FhirVersion, resource: Resource) -> tuple[str, ...]:
        """Ids of the standards that a resource serves: by the profiles that it claims, without any by its type."""
        urls = [one.partition("|")[0] for one in claimed_profiles(resource)]
        if not urls:
            type_ = resource.get("resourceType")
            return tuple(one.id for one in self._catalogue.of_version(version) if type_ in one.types)
        return tuple(dict.fromkeys(id_ for url in urls for id_ in self.profiles.get((version, url), ())))
