"""Both ways of conversion, each with the releases it goes between and the ids of what its profiles refuse."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from profiles.conversion.back import convert_back
from profiles.conversion.back.inverse import types
from profiles.conversion.convert import Converted, convert
from profiles.conversion.tables import tables
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion


class Conversion(Protocol):
    """Resources of one release in, resources of the other and losses out."""

    def __call__(
        self, resources: Iterable[Resource], day: dt.date, *, language: str = "nl", told: bool = True
    ) -> Converted:
        """Convert, as `profiles.conversion.convert` does."""


@dataclass(frozen=True, slots=True)
class ConversionWay:
    """One way. ``outside``: the ids of losses for a code outside a required list, and for all else."""

    source: FhirVersion
    target: FhirVersion
    convert: Conversion
    outside: tuple[str, str]

    @property
    def types(self) -> Mapping[str, str]:
        """Types of resource that have another name in the target."""
        return tables().types if self.target is FhirVersion.R4 else types()


WAYS: Final[Mapping[FhirVersion, ConversionWay]] = {
    FhirVersion.R4: ConversionWay(FhirVersion.STU3, FhirVersion.R4, convert, ("LL-19", "")),
    FhirVersion.STU3: ConversionWay(FhirVersion.R4, FhirVersion.STU3, convert_back, ("LB-07", "LB-08")),
}
"""The ways, by the release they lead to."""
