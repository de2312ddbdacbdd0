"""The visits that a browser has under way in the demo PGO: in memory, bounded, and forgotten after half an hour."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from gateway.dossier.record import Dossier
from workbench.pgo.answers import SearchAnswer
from workbench.pgo.client import PgoClient
from workbench.pgo.oauth import PendingAuthorization, PgoError, Tokens
from workbench.pgo.sharing import ShareAnswer

MOST, SECONDS = 200, 1800


@dataclass(frozen=True, slots=True)
class FilledIn:
    """What became of a questionnaire: its title, and what the provider answered."""

    title: str
    answer: ShareAnswer


@dataclass
class BrowserVisit:
    """One person's visit to one provider, from the start until it is forgotten."""

    id: str
    owner: str
    asked: PendingAuthorization
    whom: str = ""
    """Name of the person for whom somebody else collects, as this PGO's user knows them; empty: the user's own data."""
    begun: float = field(default_factory=time.monotonic)
    tokens: Tokens | None = None
    answers: tuple[SearchAnswer, ...] = ()
    seen: int = 0
    expected: int = 0
    milliseconds: int = 0
    finished: datetime | None = None
    problem: str = ""
    dossier: Dossier | None = None
    renewing: bool = False
    task: asyncio.Task[None] | None = None
    filled_in: dict[str, FilledIn] = field(default_factory=dict)
    """Questionnaires that were sent in this visit, by the id of their Task."""

    @property
    def lasting(self) -> bool:
        """Whether the provider may be asked again without the person."""
        return self.tokens is not None and bool(self.tokens.refresh_token)

    @property
    def waiting(self) -> bool:
        """Whether answers are still coming in."""
        return self.task is not None and not self.task.done()


class BrowserVisits:
    """Every visit in this process."""

    def __init__(self, pgo: Callable[[], PgoClient]) -> None:
        self._pgo = pgo
        self._visits: dict[str, BrowserVisit] = {}

    def begin(self, owner: str, asked: PendingAuthorization, whom: str = "") -> BrowserVisit:
        """A new visit of this browser, for ``whom`` when that is somebody else; the oldest make room."""
        now = time.monotonic()
        for visit in [one for one in self._visits.values() if now - one.begun > SECONDS]:
            self._forget(visit)
        while len(self._visits) >= MOST:
            self._forget(next(iter(self._visits.values())))
        visit = BrowserVisit(secrets.token_urlsafe(12), owner, asked, whom)
        self._visits[visit.id] = visit
        return visit

    def find(self, id_: str, owner: str) -> BrowserVisit | None:
        """A visit of this browser; another browser's is not found."""
        visit = self._visits.get(id_)
        if visit is None or not secrets.compare_digest(visit.owner, owner):
            return None
        return visit

    def of_state(self, state: str, owner: str) -> BrowserVisit | None:
        """The visit of this browser that waits for an answer with this state."""
        mine = (one for one in self._visits.values() if one.owner == owner and one.tokens is None and not one.problem)
        return next((one for one in mine if secrets.compare_digest(one.asked.state.encode(), state.encode())), None)

    async def answered(self, visit: BrowserVisit, answer: dict[str, str]) -> None:
        """The browser came back: exchange the code and start collecting. A refusal is kept in words."""
        try:
            visit.tokens = await self._pgo().redeem(visit.asked, answer)
        except PgoError as error:
            visit.problem = str(error)
            return
        visit.task = asyncio.create_task(self._collect(visit, visit.tokens))

    async def again(self, visit: BrowserVisit) -> bool:
        """Collect once more with a lasting consent; False when there is none, or it has ended. Nothing is lost then."""
        if visit.waiting or visit.renewing:
            # A refresh token is good for once: a second press waits for what the first one started.
            return True
        if visit.tokens is None or not visit.lasting:
            return False
        visit.renewing = True
        try:
            given = await self._pgo().refresh(visit.tokens.refresh_token)
        except httpx.HTTPError:
            return False
        finally:
            visit.renewing = False
        if not given.given:
            return False
        visit.tokens = given.tokens(visit.asked.provider)
        visit.answers, visit.seen, visit.finished, visit.dossier = (), 0, None, None
        visit.task = asyncio.create_task(self._collect(visit, visit.tokens))
        return True

    async def _collect(self, visit: BrowserVisit, tokens: Tokens) -> None:
        start = time.perf_counter()

        def progress(_answer: SearchAnswer, total: int) -> None:
            visit.seen += 1
            visit.expected = total

        visit.answers = await self._pgo().collect(tokens, progress)
        visit.milliseconds = round((time.perf_counter() - start) * 1000)
        visit.finished = datetime.now(UTC)

    def _forget(self, visit: BrowserVisit) -> None:
        if visit.task is not None:
            visit.task.cancel()
        self._visits.pop(visit.id, None)
