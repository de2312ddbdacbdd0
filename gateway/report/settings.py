"""Section ``reports``: who reports to MedMij, in which form, and until when."""

from pydantic import Field, model_validator

from gateway.sections import SettingsSection


class ReportSettings(SettingsSection):
    """Without a schema the report is made in our own JSON and CSV."""

    participant: str = Field("", description="name in the register of MedMij; empty: the name of the provider")
    medmij_schema: str = Field("", description="file of the XML schema of the report; empty: own form only")
    medmij_mapping: str = Field("", description="TOML file: which figure goes to which element of the schema")
    second_look: bool = Field(
        False, description="`month release` asks that another account looked first; the staff pages always ask it"
    )
    deadline_day: int = Field(10, ge=4, le=28, description="day of the month by which the report must be released")

    @model_validator(mode="after")
    def _both(self) -> "ReportSettings":
        if bool(self.medmij_schema) != bool(self.medmij_mapping):
            raise ValueError("medmij_schema and medmij_mapping need each other")
        return self
