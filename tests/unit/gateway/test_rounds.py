"""The life of a worker: no fault ends it, and what a fault carries stays out of the log."""

import asyncio
import logging

import pytest

from gateway.current import CURRENT
from gateway.rounds import rounds


def test_a_worker_goes_on_after_whatever_went_wrong(caplog: pytest.LogCaptureFixture) -> None:
    """The round after a fault comes; each fault is told with its name, its place and an id, and not with its words."""
    seen: list[str] = []
    enough = asyncio.Event()

    async def work() -> None:
        current = CURRENT.get()
        assert current is not None
        seen.append(current.ids()["correlation_id"])
        if len(seen) == 5:
            enough.set()
        if len(seen) == 1:
            raise ValueError("the weight of 999990019 is 72.5")
        if len(seen) == 2:
            raise KeyError("72.5")

    async def go() -> None:
        worker = asyncio.create_task(rounds("weighing", work, 0.001))
        async with asyncio.timeout(10):
            await enough.wait()
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker

    with caplog.at_level(logging.INFO):
        asyncio.run(go())
    assert len(set(seen)) == len(seen)
    told = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in told] == ["weighing", "weighing"]
    assert "ValueError in work:" in told[0]
    assert "number 2 in a row: KeyError" in told[1]
    assert "72.5" not in caplog.text


def test_a_worker_ends_when_it_is_told_to() -> None:
    async def go() -> bool:
        worker = asyncio.create_task(rounds("resting", lambda: asyncio.sleep(60), 60))
        await asyncio.sleep(0)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        return worker.cancelled()

    assert asyncio.run(go())
