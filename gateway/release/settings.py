"""Section ``release``: what of a record may be shown, and from when."""

from pydantic import Field, field_validator

from gateway.release.rules import rules
from gateway.sections import SettingsSection


class ReleaseSettings(SettingsSection):
    """Without a file of its own the institution shows results at once, and withholds what is very restricted."""

    rules: str = Field("", description="TOML file with delays per kind of result and labels of sensitive care")

    @field_validator("rules")
    @classmethod
    def _read(cls, path: str) -> str:
        rules(path)
        return path
