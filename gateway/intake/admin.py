"""What operators ask of the internal listener, as typed JSON: ``/admin/version``, ``/admin/quarantine[/{number}]``.

For hosts that ``intake.operators`` names by their client certificate; without any, nobody in production and everybody
in test mode. Nothing here opens what is sealed: findings name places and rules, never values.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field
from sqlalchemy import Engine
from starlette.requests import Request

from auth.ports import PeerOf
from gateway.intake.quarantine import Kept, items
from gateway.intake.worker import Worker
from gateway.store.reader import StoreUnavailable
from gateway.typed import refused_input, unavailable
from gateway.version import RELEASED, SOFTWARE


class Release(BaseModel):
    """Which software this is."""

    software: str
    released: str
    mode: Literal["test", "production"]


class HeldFinding(BaseModel):
    """Why an item is held: one finding."""

    resource: str = Field(description="Type/id")
    severity: str
    rule: str
    expression: str = Field(description="where in the resource")
    zib: str | None = Field(None, description="the zib element, when the rule belongs to one")


class HeldItem(BaseModel):
    """An item of the quarantine, without its content."""

    number: int
    provider: str
    source: str
    fhir: str
    received: datetime
    what: str = Field(description="the tasks: method, type and id")
    state: str
    tried: datetime | None = None
    errors: int
    findings: list[HeldFinding] = []

    @classmethod
    def of(cls, kept: Kept, *, whole: bool) -> "HeldItem":
        """What may be shown of an item; ``whole`` with its findings."""
        return cls(
            number=kept.number,
            provider=kept.provider,
            source=kept.source,
            fhir=kept.version.value,
            received=kept.received,
            what=kept.what,
            state=kept.state,
            tried=kept.tried,
            errors=sum(row["severity"] == "error" for row in kept.findings),
            findings=[HeldFinding.model_validate(row) for row in kept.findings] if whole else [],
        )


@dataclass(frozen=True, slots=True)
class Desk:
    """What the operators' API works with."""

    engine: Engine
    worker: Worker
    peer_of: PeerOf
    operators: frozenset[str]
    mode: Literal["test", "production"]

    async def let_in(self, request: Request) -> None:
        """Refuse who is no operator. Raises HTTPException 403."""
        hosts = self.peer_of(request.scope).hostnames or ()
        open_to_all = self.mode == "test" and not self.operators
        if not open_to_all and self.operators.isdisjoint(hosts):
            raise HTTPException(403, "only hosts that intake.operators names may ask this")


Answers = dict[int | str, dict[str, Any]]


def application(desk: Desk) -> FastAPI:
    """The application to mount at ``/admin``."""
    refusals: Answers = {403: {"description": "the peer is no operator"}}
    missing: Answers = {404: {"description": "there is no such item"}}
    paths = APIRouter(dependencies=[Depends(desk.let_in)], responses=refusals)

    @paths.get("/version", operation_id="version", summary="Which software this is")
    async def version() -> Release:
        return Release(software=SOFTWARE, released=RELEASED, mode=desk.mode)

    @paths.get("/quarantine", operation_id="quarantine", summary="What is held, oldest first")
    async def held(
        state: Annotated[Literal["held", "all"], Query(description="all: also what was taken in since")] = "held",
    ) -> list[HeldItem]:
        listed = await desk.worker.run(lambda: items(desk.engine, state=None if state == "all" else "held"))
        return [HeldItem.of(one, whole=False) for one in listed]

    @paths.get("/quarantine/{number}", operation_id="quarantined", summary="Why an item is held", responses=missing)
    async def one(number: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> HeldItem:
        listed = await desk.worker.run(lambda: items(desk.engine, number=number))
        if not listed:
            raise HTTPException(404, "there is no such item")
        return HeldItem.of(listed[0], whole=True)

    app = FastAPI(
        title="MedMij gateway: for operators", version=SOFTWARE, openapi_url=None, docs_url=None, redoc_url=None
    )
    app.add_exception_handler(RequestValidationError, refused_input)
    app.add_exception_handler(StoreUnavailable, unavailable)
    app.include_router(paths)
    return app


def described() -> dict[str, Any]:
    """The OpenAPI document of these paths, as they are mounted, without a listener that runs (`gateway openapi`)."""
    nothing: Any = None
    routes = application(Desk(nothing, nothing, nothing, frozenset(), "test")).routes
    mounted = get_openapi(title="MedMij gateway: for operators", version=SOFTWARE, routes=routes)
    mounted["paths"] = {f"/admin{path}": methods for path, methods in mounted["paths"].items()}
    return mounted
