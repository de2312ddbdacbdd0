"""The entry point ``sql``."""

from adapters.registry import AdapterType
from adapters.sql.adapter import SqlAdapter
from adapters.sql.settings import SqlSettings

adapter = AdapterType(SqlSettings, SqlAdapter, "a relational EHR behind a declarative mapping")
