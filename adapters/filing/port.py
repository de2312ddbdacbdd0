"""The port of write-back: one accepted item goes out, and what the EHR said of it comes back.

An adapter is idempotent by the id of the item: the same item may be given again after a crash, and must not be filed
twice. It answers within its time limit, and never raises for what the EHR says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

SECONDS = 30.0
"""Time for one item."""


@dataclass(frozen=True, slots=True)
class FiledFile:
    """A file that belongs to an item."""

    id: str
    media: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AcceptedItem:
    """What is to be filed. ``bsn`` may be empty where a test token named a patient by id."""

    id: str
    version: FhirVersion
    resource: Resource = field(repr=False)
    parts: Sequence[Resource] = field(repr=False)
    """What belongs to it: a list, a manifest; files apart."""
    files: Sequence[FiledFile] = field(repr=False)
    readable: bytes = field(repr=False)
    """The item on paper (PDF/A), for an EHR that takes documents only; empty when it is a document itself."""
    patient_id: str
    bsn: str = field(repr=False)
    sent: datetime
    accepted: datetime
    accepted_by: str
    standard: str
    title: str
    """What it is, for people."""

    @property
    def type(self) -> str:
        """The resource type."""
        return str(self.resource.get("resourceType", ""))


@dataclass(frozen=True, slots=True)
class Filed:
    """It is in the EHR, under this name."""

    ehr_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The EHR will not have it; trying again does not help. ``text`` is for staff, and holds no content."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Later:
    """It could not be tried, or the EHR was not able to: again after a while."""

    text: str
    seconds: float | None = None
    """When the EHR said how long."""


Filing = Filed | Rejected | Later


class WriteBack(Protocol):
    """One way into an EHR."""

    @property
    def name(self) -> str:
        """Its name in the settings."""
        ...

    def takes(self, standard: str, type_: str) -> bool:
        """Whether items of this kind go this way."""
        ...

    async def file(self, item: AcceptedItem) -> Filing:
        """File one item."""
        ...

    async def aclose(self) -> None:
        """Give back connections."""
        ...
