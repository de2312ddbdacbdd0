"""What an operator can set about the lists (section `lists` of the configuration)."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ListSettings(BaseModel):
    """Where the lists come from and how often they are fetched.

    Without `source` the gateway does not start; in test mode a workbench names a folder of its own then.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["files", "node"] | None = Field(None, description="a folder, or the node of the registration")
    folder: Path | None = Field(None, description="folder with whitelist.xml and so on (source files)")
    url: str = Field("https://stelselnode.medmij.nl/", description="publication address (source node; LIST-01)")
    api: str = Field("2", pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){0,2}$", description="value of ?api= (VER-03)")
    copies: Path = Field(Path("var/lists"), description="folder where the last valid copies are kept (LIST-02)")
    interval_seconds: int = Field(300, ge=30, le=900, description="time between two fetches (LIST-03)")
    timeout_seconds: float = Field(30.0, gt=0, le=120, description="longest time one list may take")

    @model_validator(mode="after")
    def _complete(self) -> "ListSettings":
        if self.source == "files" and self.folder is None:
            raise ValueError("source files needs a folder")
        if self.source == "node" and not self.url.startswith("https://"):
            raise ValueError("the address of the node must be https (TLS-01)")
        return self
