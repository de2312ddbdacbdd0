"""Which release answers: for operators, and for who reports a fault."""

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from gateway.health import OPEN
from gateway.version import RELEASED, SOFTWARE
from profiles.fhir.version import FhirVersion


class SoftwareVersion(BaseModel):
    """The software that answers."""

    software: str = Field(description="version of the gateway")
    released: str = Field(description="day of that release")
    fhir: list[str] = Field(description="FHIR releases that it speaks")


def router() -> APIRouter:
    """The one path, ``/version``."""
    paths = APIRouter(tags=["Health"])

    @paths.get("/version", operation_id="version", summary="Which release answers", openapi_extra=OPEN)
    async def version(response: Response) -> SoftwareVersion:
        """The version of the gateway; nothing of what it runs on."""
        response.headers["cache-control"] = "no-store"
        return SoftwareVersion(software=SOFTWARE, released=RELEASED, fhir=[one.number for one in FhirVersion])

    return paths
