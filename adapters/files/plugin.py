"""The entry point ``files``."""

from adapters.files.adapter import FilesAdapter
from adapters.files.settings import FilesSettings
from adapters.registry import AdapterType

adapter = AdapterType(FilesSettings, FilesAdapter, "a folder of FHIR files")
