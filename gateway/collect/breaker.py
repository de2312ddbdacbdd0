"""A circuit breaker per source: after failures in a row it is not asked for a while, then one trial call decides."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Breaker:
    """State of one source. Closed: calls go through. Open: none until ``pause`` seconds have passed. Then one trial."""

    failures: int = 3
    pause: float = 8.0
    clock: Callable[[], float] = time.monotonic
    _row: int = field(default=0, init=False)
    _opened: float | None = field(default=None, init=False)
    _trial: bool = field(default=False, init=False)

    def allows(self) -> bool:
        """Whether a call may be made now; half open, only the first one that asks may."""
        if self._opened is None:
            return True
        if self._trial or self.clock() - self._opened < self.pause:
            return False
        self._trial = True
        return True

    @property
    def closed(self) -> bool:
        """Whether calls go through as usual."""
        return self._opened is None

    def succeeded(self) -> None:
        """A call came back well: closed again."""
        self._row, self._opened, self._trial = 0, None, False

    def failed(self) -> None:
        """A call failed: open at once when it was the trial, else after enough failures in a row."""
        self._row += 1
        if self._trial or self._row >= self.failures:
            self._opened = self.clock()
        self._trial = False

    def given_up(self) -> None:
        """A call ended without a verdict (it was cancelled): a trial that it was may be made again."""
        self._trial = False

    @property
    def retry_after(self) -> int:
        """Seconds until a trial may be made; at least one."""
        if self._opened is None:
            return 1
        return max(1, round(self.pause - (self.clock() - self._opened)))
