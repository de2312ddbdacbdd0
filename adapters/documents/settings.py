"""Settings of a source of type ``documents``."""

from typing import Any, Literal

from pydantic import Field

from adapters.settings import AdapterSettings
from profiles.fhir.version import FhirVersion


class DocumentsSettings(AdapterSettings):
    """``type = "documents"``: a folder per patient with a ``patient.yaml`` and PDF files, with metadata or without.

    The metadata of ``letter.pdf`` are in ``letter.yaml`` or ``letter.json``; what is not there comes out of the PDF.
    """

    type: Literal["documents"] = "documents"

    path: str
    """A directory, or an fsspec address such as ``s3://bucket/letters`` (needs the extra ``object-store``)."""

    options: dict[str, Any] = Field(default_factory=dict, repr=False)
    """Options for fsspec: endpoint, keys."""

    version: FhirVersion
    refresh_seconds: float = Field(default=60, ge=0, le=3600)
    """How often the store is looked at for new documents."""

    type_system: str = "http://loinc.org"
    type_code: str = "34133-9"
    type_display: str = "Samenvatting van episode"
    """The document type where the metadata name none."""

    identifier_system: str | None = None
    """The identifier system for document ids, when the institution has one (a urn:oid)."""

    services: tuple[str, ...] | None = None
