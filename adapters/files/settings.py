"""Settings of a source of type ``files``."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from adapters.settings import AdapterSettings
from profiles.fhir.version import FhirVersion


class FilesSettings(AdapterSettings):
    """``type = "files"``: a folder with ``*.json``, ``*.xml`` and ``*.ndjson``, folders in it included."""

    type: Literal["files"] = "files"

    path: Path
    version: FhirVersion

    refresh_seconds: float = Field(default=5, ge=0, le=3600)
    """How often the folder is looked at for files that changed."""

    services: tuple[str, ...] | None = None
    """The data services that these data are made available for; all that are asked when left out."""
