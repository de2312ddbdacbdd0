"""Health for operators and containers: alive, and ready to serve."""

import asyncio

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.store.engine import reading


def routes(engine: Engine) -> list[Route]:
    """/health/live answers 200 as long as the process runs; /health/ready 200 when the store answers, else 503."""

    async def live(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "live"}, headers={"cache-control": "no-store"})

    async def ready(_request: Request) -> JSONResponse:
        try:
            async with asyncio.timeout(3):
                await asyncio.to_thread(_probe, engine)
        except (SQLAlchemyError, TimeoutError):
            return JSONResponse({"status": "store unavailable"}, 503, headers={"cache-control": "no-store"})
        return JSONResponse({"status": "ready"}, headers={"cache-control": "no-store"})

    return [Route("/health/live", live), Route("/health/ready", ready)]


def _probe(engine: Engine) -> None:
    with reading(engine).connect() as connection:
        connection.execute(text("select count(*) from (select 1 from audit_record limit 1) as probe"))
