"""How far the event loop is behind: the one measure of whether a process has more to do than it can."""

import asyncio
import time

EVERY = 0.02
"""Seconds between two beats."""


class Pulse:
    """A timer that notes how late it comes. ``start`` it in the loop to measure; ``delay`` may be asked anywhere."""

    def __init__(self) -> None:
        self._last = 0.0
        self._due: float | None = None
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure the running loop."""
        self._arm(asyncio.get_running_loop())

    def stop(self) -> None:
        """Measure no more."""
        if self._next is not None:
            self._next.cancel()
        self._next, self._due, self._last = None, None, 0.0

    @property
    def delay(self) -> float:
        """Seconds that the loop is behind: of the last beat, or of the one that should have come; 0.0 when stopped."""
        due = self._due
        return self._last if due is None else max(self._last, time.monotonic() - due)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = time.monotonic() + EVERY
        self._next = loop.call_later(EVERY, self._beat, loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._last = max(0.0, time.monotonic() - (self._due or 0.0))
        self._arm(loop)
