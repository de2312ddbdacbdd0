"""A document as FHIR: DocumentReference and the Patient it is about, per version from one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from adapters.documents.metadata import FolderPerson, Metadata
from adapters.documents.settings import DocumentsSettings
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.bsn import BSN_SYSTEM

DATE_ELEMENT: Mapping[FhirVersion, str] = MappingProxyType({FhirVersion.STU3: "indexed", FhirVersion.R4: "date"})
"""Where the date of a DocumentReference is."""

PROFILE: Mapping[FhirVersion, str | None] = MappingProxyType(
    {
        FhirVersion.STU3: "http://nictiz.nl/fhir/StructureDefinition/IHE.MHD.Minimal.DocumentReference",
        FhirVersion.R4: None,
    }
)


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it is in the store: its id, metadata, size and SHA-1 (base64)."""

    id: str
    patient: str
    metadata: Metadata
    date: str
    size: int
    sha1: str


def document_reference(document: StoredDocument, person: FolderPerson, settings: DocumentsSettings) -> Resource:
    """The DocumentReference of a document."""
    known = document.metadata
    profile = PROFILE[settings.version]
    system = settings.identifier_system
    kind = {
        "system": known.type_system or settings.type_system,
        "code": known.type_code or settings.type_code,
        "display": known.type_display or (None if known.type_code else settings.type_display),
    }
    attachment = {
        "contentType": "application/pdf",
        "language": known.language,
        "url": f"Binary/{document.id}",
        "size": document.size,
        "hash": document.sha1,
        "title": known.title,
    }
    return _filled(
        {
            "resourceType": "DocumentReference",
            "id": document.id,
            "meta": {"profile": [profile]} if profile else None,
            "masterIdentifier": {"system": system, "value": document.id} if system else None,
            "status": known.status,
            "type": {"coding": [_filled(kind)]},
            "subject": _filled({"reference": f"Patient/{document.patient}", "display": person.name}),
            DATE_ELEMENT[settings.version]: document.date,
            "author": [{"display": known.author}] if known.author else None,
            "description": known.title,
            "content": [{"attachment": _filled(attachment)}],
        }
    )


def patient_resource(given: str, person: FolderPerson) -> Resource:
    """The little that the store knows of a person."""
    return _filled(
        {
            "resourceType": "Patient",
            "id": given,
            "identifier": [{"system": BSN_SYSTEM, "value": person.bsn}],
            "name": [{"text": person.name}] if person.name else None,
            "birthDate": person.birth_date,
        }
    )


def _filled(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if value is not None}
