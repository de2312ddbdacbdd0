"""Settings of the write-backs of a provider: one table each, ``type`` decides which fields there are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class FilingSettings(BaseModel):
    """What every write-back has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=60, description="name of this way in")
    items: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="resource types by information standard that go this way; empty: all"
    )

    def takes(self, standard: str, type_: str) -> bool:
        """Whether items of this kind go this way."""
        return not self.items or type_ in self.items.get(standard, ())


class FhirFiling(FilingSettings):
    """``type = "fhir"``: a FHIR server."""

    type: Literal["fhir"]
    url: str = Field(pattern=r"^https?://[^\s?#]+$", description="base URL; nothing outside it is called")
    token: SecretStr | None = Field(None, description="bearer token")
    patient: Literal["search", "same"] = Field(
        "search", description="search: find the Patient there by BSN (POST _search); same: the ids there are those here"
    )
    patient_system: str = Field(
        "http://fhir.nl/fhir/NamingSystem/bsn", description="identifier system of the BSN there"
    )
    ca_file: Path | None = None


class Hl7Filing(FilingSettings):
    """``type = "hl7v2"``: ORU^R01 for measurements, MDM^T02 with a PDF for all else, over MLLP."""

    type: Literal["hl7v2"]
    host: str
    port: int = Field(ge=1, le=65535)
    application: str = Field("GATEWAY", description="MSH-3")
    facility: str = Field("", description="MSH-4")
    receiver: str = Field("", description="MSH-5")
    receiver_facility: str = Field("", description="MSH-6")


class SqlFiling(FilingSettings):
    """``type = "sql"``: a statement that calls a procedure of the EHR."""

    type: Literal["sql"]
    url: SecretStr = Field(description="database URL")
    statement: str = Field(
        description="called with :item, :patient, :bsn, :type, :code, :value, :unit, :moment, :title, :json and :pdf; "
        "the first column of what it gives back is the name of the item there"
    )


class FolderFiling(FilingSettings):
    """``type = "folder"``: files that another program takes away."""

    type: Literal["folder"]
    folder: Path


AnyFiling = Annotated[FhirFiling | Hl7Filing | SqlFiling | FolderFiling, Field(discriminator="type")]
