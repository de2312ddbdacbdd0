"""The life of a background worker: a round, a pause, and the next round, whatever became of the one before."""

import asyncio
import logging
import traceback
import uuid
from collections.abc import Awaitable, Callable

from gateway.current import CURRENT, Current

log = logging.getLogger("gateway.rounds")

PATIENCE = 60.0
"""Seconds of the longest pause after faults that follow one another, unless the worker's own pause is longer."""


async def rounds(name: str, work: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Do ``work`` with pauses of so many seconds until cancelled. No fault ends it.

    A fault is logged under ``name`` with a correlation id of that round; after several in a row the pauses grow.
    """
    failed = 0
    while True:
        token = CURRENT.set(Current((), route=name, correlation_id=str(uuid.uuid4())))
        try:
            await work()
            failed = 0
        except Exception as fault:
            failed += 1
            log.error("%s: a round failed, number %s in a row: %s", name, failed, told(fault))
        finally:
            CURRENT.reset(token)
        await asyncio.sleep(seconds if failed < 2 else max(seconds, min(seconds * 2.0 ** min(failed, 16), PATIENCE)))


def told(fault: BaseException) -> str:
    """What a fault was and where, for a log: its own words may hold what somebody sent, and stay out."""
    frames = traceback.extract_tb(fault.__traceback__)
    places = " < ".join(f"{one.name}:{one.lineno}" for one in reversed(frames[-4:]))
    return f"{type(fault).__name__} in {places}" if places else type(fault).__name__
