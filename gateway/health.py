"""Health for operators and containers: alive, and ready to serve."""

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, FastAPI, Response
from pydantic import BaseModel, Field
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from gateway.collect.ready import ServiceReadiness

SECONDS = 3
"""How long the store may take to answer."""
FRESH_SECONDS = 1.0


class Health(BaseModel):
    """How the process is."""

    status: Literal["live", "ready", "store unavailable", "no lists"] = Field(description="in one word or two")
    services: list[ServiceReadiness] | None = Field(None, description="the data services, when it is ready")


class StoreGone(Exception):
    """The file of the store was removed or replaced; what is open still answers, and keeps nothing."""


Services = Callable[[], Iterable[ServiceReadiness]]


def router(
    probe: Callable[[], None],
    prefix: str = "/health",
    listed: Callable[[], bool] = lambda: True,
    services: Services | None = None,
) -> APIRouter:
    """The two paths. ``probe`` asks the store something small, and raises SQLAlchemyError or StoreGone when that fails.

    ``listed`` tells whether there is any of the national lists: without one nobody is let in.
    ``services`` tells how each data service is. That one of them is down makes nobody unready: the others go on.
    """
    paths = APIRouter(prefix=prefix, tags=["Health"])

    async def live(response: Response) -> Health:
        """200 as long as the process runs."""
        response.headers["cache-control"] = "no-store"
        return Health(status="live")

    async def ready(response: Response) -> Health:
        """200 when the store answers and can be written, and there are national lists; else 503."""
        response.headers["cache-control"] = "no-store"
        try:
            async with asyncio.timeout(SECONDS):
                await asyncio.to_thread(probe)
        except (SQLAlchemyError, TimeoutError, StoreGone):
            response.status_code = 503
            return Health(status="store unavailable")
        if not listed():
            response.status_code = 503
            return Health(status="no lists")
        return Health(status="ready", services=None if services is None else list(services()))

    unready: dict[int | str, dict[str, Any]] = {
        503: {"model": Health, "description": "the store does not answer, or there are no national lists"}
    }
    paths.get(
        "/live",
        operation_id="live",
        summary="Is the process alive",
        openapi_extra=OPEN,
        response_model_exclude_none=True,
    )(live)
    paths.get(
        "/ready", operation_id="ready", summary="Can it serve", openapi_extra=OPEN, responses=unready,
        response_model_exclude_none=True,
    )(ready)  # fmt: skip
    # Load balancers ask with HEAD.
    paths.head("/live", include_in_schema=False, response_model_exclude_none=True)(live)
    paths.head("/ready", include_in_schema=False, response_model_exclude_none=True)(ready)
    return paths


def application(probe: Callable[[], None]) -> FastAPI:
    """The same paths as an application to mount at ``/health``."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router(probe, prefix=""))
    return app


OPEN: dict[str, Any] = {"security": []}
"""In the OpenAPI document: nobody is asked who they are."""


def store_probe(engine: Engine) -> Callable[[], None]:
    """Asks the store for at most one row, and writes one as it is: every answer of ours needs a record to be written.

    Only a commit finds a lock that is held, a disk that is full or a server that only reads. What was found stands for
    a second, so that asking often costs the store nothing. Raises SQLAlchemyError or StoreGone.
    """
    answered = [float("-inf")]
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    seen: set[tuple[int, int]] = set()

    def probe() -> None:
        if file and file != ":memory:":
            seen.add(_identity(file))
            if len(seen) > 1:
                raise StoreGone
        if time.monotonic() - answered[0] < FRESH_SECONDS:
            return
        with engine.begin() as connection:
            connection.execute(text("select count(*) from (select 1 from audit_record limit 1) as probe"))
            connection.execute(text("update alembic_version set version_num = version_num"))
        answered[0] = time.monotonic()

    return probe


def _identity(file: str) -> tuple[int, int]:
    """Which file it is. Raises StoreGone."""
    try:
        found = Path(file).stat()
    except OSError:
        raise StoreGone from None
    return found.st_dev, found.st_ino
