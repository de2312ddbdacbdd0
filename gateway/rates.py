"""How often somebody may ask: so many at once, and so many per second after that.

The generic cell rate algorithm (ITU-T I.371): per name one moment, at which all that was asked would have been due.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

KEPT = 20_000
"""Most names that are remembered; who asked longest ago is forgotten first, and may ask afresh."""


class Rate:
    """An allowance per name: ``burst`` at once, ``per_second`` after that (0: no limit). For one thread."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._step = 1 / per_second if per_second else 0.0
        self._slack = self._step * (burst - 1)
        self._clock = clock
        self._due: OrderedDict[str, float] = OrderedDict()

    def take(self, name: str) -> float:
        """Seconds until this name may ask again; 0.0: it may now, and that is counted."""
        if not self._step:
            return 0.0
        now = self._clock()
        due = max(self._due.get(name, now), now)
        if due - now > self._slack + 1e-9:
            return due - now - self._slack
        self._due[name] = due + self._step
        self._due.move_to_end(name)
        if len(self._due) > KEPT:
            self._due.popitem(last=False)
        return 0.0
