"""The section own_record of the settings."""

from pydantic import Field

from gateway.sections import SettingsSection


class OwnRecordSettings(SettingsSection):
    """The pages at /mijn-gegevens, where a person reads their own record."""

    enabled: bool = Field(False, description="offer Mijn gegevens; off: the pages are not there")
    font: str = Field(
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        description="TrueType font that is embedded in the PDF/A; when it is not there, no PDF is offered",
    )
