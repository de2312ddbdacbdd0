"""The entry point ``documents``."""

from adapters.documents.adapter import DocumentsAdapter
from adapters.documents.settings import DocumentsSettings
from adapters.registry import AdapterType

adapter = AdapterType(DocumentsSettings, DocumentsAdapter, "PDF documents in a directory or an object store")
