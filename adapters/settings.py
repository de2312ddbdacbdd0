"""What every adapter's settings have in common, and the limits that keep memory bounded."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class SourceLimits(BaseModel):
    """Bounds on what one question to a source may cost. The defaults hold for a whole Dutch hospital record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    answer_bytes: int = Field(default=16_000_000, ge=1_000, le=256_000_000)
    """The largest single answer (page, file, row set) that is read."""

    total_bytes: int = Field(default=48_000_000, ge=1_000, le=512_000_000)
    """The largest sum of answers for one question."""

    resources: int = Field(default=20_000, ge=1, le=200_000)
    """The largest number of resources for one question."""

    pages: int = Field(default=100, ge=1, le=10_000)
    """The largest number of pages that is followed."""

    content_bytes: int = Field(default=64_000_000, ge=1_000, le=1_000_000_000)
    """The largest document."""


class AdapterSettings(BaseModel):
    """The part of ``[[providers.sources]]`` that every adapter understands; each adapter type adds its own fields.

    ``type`` chooses the adapter (the name of an entry point in the group ``medmij_gateway.adapters``), ``name`` is the
    source's name: part of stored keys, shown to people.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    name: Name
    limits: SourceLimits = SourceLimits()
