"""Stating outside the database how far the chain of steps of this process came, beside the heads of the trail."""

import asyncio
import logging
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from gateway.audit.signing import Heads
from gateway.store.engine import reading
from gateway.usage.proof import step_heads

log = logging.getLogger("gateway.usage")


@dataclass(frozen=True, slots=True)
class StepHeads:
    """States the chain of one ledger. A place that does not answer gets the newest head the next time."""

    engine: Engine
    chain: str
    stating: Heads

    def state(self) -> None:
        """State now what is not stated yet. Never raises: what failed is logged, and tried the next time."""
        try:
            with reading(self.engine).connect() as connection:
                heads = step_heads(connection, self.chain)
        except SQLAlchemyError as fault:
            log.warning("the head of what is counted was not read: %s", type(fault).__name__)
            return
        for head in heads:
            self.stating.state(head)

    async def run(self, seconds: float) -> None:
        """State it every so often, until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.state)
