"""Section ``release``: what of a record may be shown, and from when."""

from pydantic import Field

from gateway.sections import SettingsSection


class ReleaseSettings(SettingsSection):
    """Without a file of its own the institution shows results at once, and withholds what is very restricted."""

    rules: str = Field("", description="TOML file with delays per kind of result and labels of sensitive care")
