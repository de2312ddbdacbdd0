"""The listener of operators: /metrics and /health on a port of their own, in a thread and a loop of their own.

Whatever is asked of the others, this one answers. /health/live says no when the loop of the public application has not
turned for a long time: a process that only looks alive is to be started again.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from auth.peer.limits import ConnectionSettings
from auth.peer.listeners import server
from auth.peer.tls import TlsSettings
from gateway.metrics import CONTENT_TYPE, METRICS
from gateway.sections import MetricsSettings

STUCK_SECONDS = 30.0
"""A loop that stands still for so long will not come back by itself."""
LIMITS = ConnectionSettings(header_seconds=3, body_seconds=3, answer_seconds=3, per_address=50, most=200)
NOT_KEPT = {"cache-control": "no-store"}


def application(probe: Callable[[], None], delay: Callable[[], float], figures: Callable[[], str]) -> Starlette:
    """The application. ``probe`` asks the store, and raises when that fails; ``delay``: how far the others lag."""

    async def metrics(_request: Request) -> Response:
        return Response(figures(), headers={"content-type": CONTENT_TYPE, **NOT_KEPT})

    async def live(_request: Request) -> Response:
        stuck = delay() > STUCK_SECONDS
        return JSONResponse({"status": "stuck" if stuck else "live"}, 503 if stuck else 200, NOT_KEPT)

    async def ready(_request: Request) -> Response:
        try:
            async with asyncio.timeout(3):
                await asyncio.to_thread(probe)
        except Exception:
            return JSONResponse({"status": "store unavailable"}, 503, NOT_KEPT)
        return JSONResponse({"status": "ready"}, 200, NOT_KEPT)

    routes = (("/metrics", metrics), ("/health/live", live), ("/health/ready", ready))
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in routes])


def own_figures() -> str:
    """All figures of this process. Other threads count on meanwhile: a table that grew is read again."""
    while True:
        try:
            return METRICS.text()
        except RuntimeError:
            continue


@contextmanager
def watching(
    settings: MetricsSettings,
    probe: Callable[[], None],
    delay: Callable[[], float] = lambda: 0.0,
    figures: Callable[[], str] = own_figures,
) -> Iterator[None]:
    """The listener, as long as the block runs; nothing without a port. Raises OSError when it cannot listen."""
    if not settings.port:
        yield
        return
    options: dict[str, Any] = {"host": settings.host, "port": settings.port, "log_config": None, "access_log": False}
    made = server(application(probe, delay, figures), TlsSettings(), LIMITS, beside=True, lifespan="off", **options)
    bound = made.bind()
    thread = threading.Thread(target=_run, args=(made, bound), name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        made.should_exit = True
        thread.join(5)


def _run(made: uvicorn.Server, bound: list[Any]) -> None:
    # asyncio's own loop: a second uvloop in a process is no gain for a page per quarter of a minute.
    asyncio.run(made.serve(sockets=bound))
