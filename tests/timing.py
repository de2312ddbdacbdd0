"""How tests deal with time: they wait for what they wait for, and bound only what would otherwise never end.

A machine that is busy with something else is no fault of the code. A test that something "does not wait" uses a source
that would keep it much longer than LONG; a test that something is cheap measures the work of this thread, no clock.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LONG = 20.0
"""Seconds: far less than what hangs in a test would take, far more than a busy machine needs."""
START = 120.0
"""Seconds in which a server or a process of a test must be there."""


def until(condition: Callable[[], bool], seconds: float = LONG) -> bool:
    """Wait until something holds; whether it did."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def work_below(seconds: float) -> Iterator[None]:
    """What is done in the block costs this thread less than this many seconds of a processor."""
    before = time.thread_time()
    yield
    assert time.thread_time() - before < seconds
