"""The parts that every flow works with, wired once by auth.router."""

import asyncio
import functools
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from auth.crypto import KeyRing, Pseudonyms
from auth.events import Event, EventType
from auth.login.leaving import SingleLogout
from auth.login.port import Login
from auth.ports import Host, Lists, PeerOf, Person, Providers, Reads, StoreSilent
from auth.settings import AuthSettings
from auth.store.rows import SessionRow, milliseconds
from auth.store.statements import FIND_SESSION, LASTING_GIVEN
from auth.store.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

STORE_SECONDS = 4.0
"""Longest time that a client waits for our own store, with the wait for a thread."""


def _is_wrong_statement(fault: Exception) -> bool:
    """Whether SQLite calls a fault of ours (no such table) by the name of a store that does not answer."""
    return getattr(getattr(fault, "orig", None), "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


@dataclass(frozen=True, slots=True)
class Parts:
    """Settings, ports and stores. Nothing here holds the state of a request."""

    settings: AuthSettings
    store: Store
    lists: Lists
    providers: Providers
    host: Host
    login: Login
    peer_of: PeerOf
    ring: KeyRing
    pseudonyms: Pseudonyms
    clock: Callable[[], datetime]
    threads: Executor
    patient_threads: anyio.CapacityLimiter
    """For work that waits for a provider's system (refreshes), so that a slow one holds up nobody else."""
    text_version: str
    """Which texts the pages show, for the consent register (CONS-01)."""
    logout: SingleLogout | None = None
    """None: a logout stays between the person and us."""
    reads: Reads | None = None
    """The host's way to run a select; without one it is done on the engine, in a worker thread."""

    async def run(self, work: Callable[..., T], *args: Any, patient: bool = False) -> T:
        """Run blocking work in a worker thread; `patient` work waits for others and has threads of its own.

        Raises StoreSilent when the store does not answer: the rest of the work is then left to its thread.
        """
        try:
            if patient:
                return await anyio.to_thread.run_sync(functools.partial(work, *args), limiter=self.patient_threads)
            # Six of these make an authorization: without anyio's limiter and scopes each costs half.
            bound = functools.partial(copy_context().run, work, *args)
            async with asyncio.timeout(STORE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self.threads, bound)
        except (OperationalError, InterfaceError, PoolTimeout, TimeoutError) as fault:
            if _is_wrong_statement(fault):
                raise
            raise StoreSilent from fault

    async def session(self, session_id: str) -> SessionRow | None:
        """The session with this id, or None. Raises StoreSilent."""
        if self.reads is None:
            return await self.run(self.store.find_session, session_id)
        rows = await self.reads(FIND_SESSION, {"which": session_id})
        return SessionRow(*rows[0]) if rows else None

    async def has_lasting(self, subject: str, provider: str, client: str, actor: str | None = None) -> bool:
        """True when the same giver, the person or `actor` for them, gave a lasting consent that still stands.

        Raises StoreSilent.
        """
        if self.reads is None:
            given = await self.run(self.store.lasting_given, subject)
        else:
            given = [(row[0], row[1], row[2]) for row in await self.reads(LASTING_GIVEN, {"subject": subject})]
        return (provider, client, actor) in given

    def now(self) -> int:
        """The moment in milliseconds, as it is stored."""
        return milliseconds(self.clock())

    def person(self, bsn: str, **known: Any) -> Person:
        """A person by number, with the pseudonym."""
        return Person(pseudonym=self.pseudonyms.of(bsn), bsn=bsn, **known)

    def note(self, event: EventType, *, trace_id: str | None, session_id: str | None, **fields: Any) -> None:
        """Tell the host that something happened. A failing host never blocks the exchange (LOG-08)."""
        told = Event(
            type=event,
            time=self.clock(),
            trace_id=trace_id,
            session_id=session_id,
            server_id=self.settings.node_name,
            **fields,
        )
        try:
            self.host.note(told)
        except Exception:
            log.exception("an event was not noted: %s", event)
