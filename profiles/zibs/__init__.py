"""Our own tables of the Dutch zib and nl-core profiles: what validation uses when no official package is installed."""

from profiles.zibs.load import Tables, definitions, sources, tables, validator
from profiles.zibs.notation import TableError

__all__ = ["TableError", "Tables", "definitions", "sources", "tables", "validator"]
