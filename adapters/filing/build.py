"""The write-backs of a provider from its settings."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from adapters.filing.fhir import FhirWriteBack
from adapters.filing.folder import FolderWriteBack
from adapters.filing.hl7v2 import Hl7WriteBack
from adapters.filing.port import WriteBack
from adapters.filing.settings import AnyFiling, FhirFiling, FilingSettings, FolderFiling, Hl7Filing, SqlFiling
from adapters.filing.sql import SqlWriteBack
from adapters.port import AdapterMisconfigured

_SETTINGS: TypeAdapter[Any] = TypeAdapter(AnyFiling)


def filing_settings(raw: Mapping[str, Any]) -> FilingSettings:
    """The settings of one write-back. Raises AdapterMisconfigured with one line that never repeats a value."""
    try:
        settings: FilingSettings = _SETTINGS.validate_python(dict(raw))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "settings"
        raise AdapterMisconfigured(f"write-back {raw.get('name', '?')!r}: {place}: {first['msg']}") from None
    return settings


def write_back(raw: Mapping[str, Any]) -> WriteBack:
    """One write-back from its table. Raises as `filing_settings`."""
    settings = filing_settings(raw)
    match settings:
        case FhirFiling():
            return FhirWriteBack(settings)
        case Hl7Filing():
            return Hl7WriteBack(settings)
        case SqlFiling():
            return SqlWriteBack(settings)
        case FolderFiling():
            return FolderWriteBack(settings)
        case _:
            raise AdapterMisconfigured("write-back: unknown type")
