"""What single clients need: one table by host name, with presets for clients that are known (docs/clients.md)."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from auth.settings import ClientQuirks
from gateway.sections import Partial, SettingsSection
from profiles.rows import read

PRESETS = Path(__file__).parent / "clients.toml"


class ClientSettings(SettingsSection):
    """One client of the OAuth client list, by its host name."""

    preset: str = Field("", description="name of a known client, whose needs are taken over: mgo")
    always_refresh_token: bool = Field(False, description="a one-off consent gets a refresh token too (TOKEN-15)")
    accept_refresh_code: bool = Field(False, description="grant type refresh_code is read as refresh_token (TOKEN-16)")
    numeric_error: bool = Field(False, description="error in a redirect is a number")
    partial: Partial | None = Field(
        None, description="an answer from which a part is missing: outcome, safety or refuse; empty: as the standard"
    )

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or not given.get("preset"):
            return given
        name = given["preset"]
        if name not in presets():
            raise ValueError(f"unknown preset; known are {', '.join(sorted(presets()))}")
        return {**presets()[name], **given}

    @property
    def quirks(self) -> ClientQuirks:
        """What of this is for the authorization server."""
        return ClientQuirks(
            always_refresh_token=self.always_refresh_token,
            accept_refresh_code=self.accept_refresh_code,
            numeric_error=self.numeric_error,
        )


@cache
def presets() -> Mapping[str, Mapping[str, Any]]:
    """The presets by name."""
    return read(PRESETS, dict[str, dict[str, Any]])
