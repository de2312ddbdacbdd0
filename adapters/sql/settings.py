"""Settings of a source of type ``sql``."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from adapters.settings import AdapterSettings
from adapters.sql.dialects import dialect_of

PACK = "pack:"
"""What the name of a mapping pack begins with, in place of the path of a mapping file."""


class SqlSettings(AdapterSettings):
    """``type = "sql"``: which database, which mapping. Only reading rights are needed, and only reading is done."""

    type: Literal["sql"] = "sql"

    url: SecretStr
    """``sqlite:///path``, ``postgresql://user:password@host/database``, or one of the others in docs/adapters.md."""

    mapping: Path
    """The mapping file (docs/mapping.md), or ``pack:NAME`` for a mapping pack that is installed."""

    connections: int = Field(default=8, ge=1, le=100)
    """Queries at the same time; more wait their turn."""

    services: tuple[str, ...] | None = None
    """The data services that this source's data are made available for; all that are asked when left out."""

    snapshot: bool = True
    """Whether all queries of a question see one moment; SQL Server only, where the database must allow it."""

    @field_validator("url")
    @classmethod
    def _a_known_database(cls, value: SecretStr) -> SecretStr:
        dialect_of(value.get_secret_value())
        return value
