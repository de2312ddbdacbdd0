"""Brings new copies of the lists, on a schedule (LIST-02..LIST-06, SLA-05)."""

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from auth.clients.copies import Copies
from auth.clients.lists import CurrentLists
from auth.clients.model import AnyList, ListError, ListKind
from auth.clients.notices import Notice, NoticeType, Notify
from auth.clients.parse import parse
from auth.clients.sources import FetchError, ListSource

RETRY_SECONDS = 60
LONGEST_INTERVAL = 900
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RefreshOutcome:
    """What one refresh did, by list."""

    confirmed: frozenset[ListKind]
    failed: frozenset[ListKind]

    @property
    def complete(self) -> bool:
        """Every list was delivered, valid and in sequence."""
        return not self.failed


class Puller:
    """Fetches all lists from one source and offers them to `lists`.

    Takes the lists in use, the source, the folder of copies (None: keep none, for a source that is a folder itself),
    the interval in seconds (at most 900, LIST-03), the taker of notices, and `after`, called after each refresh with
    the lists as they then are (for the self-check, IFV-04).
    """

    def __init__(
        self,
        lists: CurrentLists,
        source: ListSource,
        copies: Copies | None = None,
        *,
        interval_seconds: float = 300,
        notify: Notify = lambda notice: None,
        after: Callable[[CurrentLists], None] = lambda lists: None,
    ) -> None:
        self._lists = lists
        self._source = source
        self._copies = copies
        self._interval = min(interval_seconds, LONGEST_INTERVAL)
        self._notify = notify
        self._after = after
        self._last: dict[ListKind, tuple[bytes, AnyList]] = {}
        self._complete: bool | None = None

    def restore(self) -> None:
        """Begin with the copies on disk, when there are any. Blocking; call it before serving."""
        if self._copies is not None:
            self._lists.restore(self._copies.load())

    async def refresh(self) -> RefreshOutcome:
        """Fetch, check and offer every list once. Never raises for a fault of the source or its documents."""
        results = await asyncio.gather(*(self._one(kind) for kind in ListKind))
        fetched = {content.kind: (content, data) for content, data in filter(None, results)}
        confirmed = self._lists.offer(content for content, _ in fetched.values())
        if self._copies is not None:
            now = datetime.now(UTC)
            for content in confirmed:
                await asyncio.to_thread(self._copies.keep, content, fetched[content.kind][1], now)
        self._lists.watch()
        self._after(self._lists)
        kinds = frozenset(content.kind for content in confirmed)
        outcome = RefreshOutcome(kinds, frozenset(ListKind) - kinds)
        self._complete = outcome.complete
        return outcome

    async def run(self) -> None:
        """Refresh for ever, until the task is cancelled; sooner again after a fault. An unforeseen fault is logged.

        The first time is at once, unless somebody has called `refresh` before.
        """
        while True:
            await asyncio.sleep(self._pause())
            try:
                await self.refresh()
            except Exception:
                self._complete = False
                _log.exception("the refresh of the lists failed in an unforeseen way")

    def _pause(self) -> float:
        if self._complete is None:
            return 0
        pause = self._interval if self._complete else min(self._interval, RETRY_SECONDS)
        return pause * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load, hides nothing

    async def _one(self, kind: ListKind) -> tuple[AnyList, bytes] | None:
        try:
            data = await self._source.fetch(kind)
            return await asyncio.to_thread(self._read, kind, data), data
        except FetchError as error:
            self._notify(Notice(NoticeType.FETCH_FAILED, kind, str(error)))
        except ListError as error:
            self._notify(Notice(NoticeType.INVALID, kind, error.text))
        return None

    def _read(self, kind: ListKind, data: bytes) -> AnyList:
        """Parse, unless it is the document of last time: mostly it is, and a provider list may be large."""
        digest = hashlib.sha256(data).digest()
        known = self._last.get(kind)
        if known is not None and known[0] == digest:
            return known[1]
        content = parse(kind, data)
        self._last[kind] = (digest, content)
        return content
