"""Logging out, ours and the bridge's: a visit that ends takes the session at the bridge along, and the other way round.

Only visits end. A consent that was given, and the tokens from it, live on until the person ends them (LTC-09).
"""

import hmac
import logging
from dataclasses import dataclass

from auth.crypto import SealError, new_token
from auth.flows.session import Live, Session, closed, marked, read
from auth.flows.steps import Steps
from auth.login.leaving import Departure, LogoutAsk, Over, Returned
from auth.login.port import LoginUnavailable
from auth.store.rows import milliseconds

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Left:
    """How a person logged out: by which way on, or how it ended at the bridge."""

    content: Session
    departure: Departure | None = None
    complete: bool | None = None
    """Whether the bridge is logged out too; None: it was not asked."""


class Departures(Steps):
    """Ends visits for both sides."""

    async def leave(self, live: Live) -> Left:
        """Close a visit, and see that the bridge closes its session. Raises SessionLost when another request was first.

        The visit is closed here first, whatever the bridge does: only where the browser goes on to the bridge there
        stays a row that knows the way back, and no more of the person.
        """
        parts, content = self.parts, live.content
        if parts.logout is None or not content.at_bridge:
            await self._closed(live)
            return Left(content)
        state = f"{content.id}.{new_token()}"
        bare = Session(id=content.id, csrf="", manage=True, language=content.language, provider=content.provider)
        # Without its marks: what the bridge tells of this very logout must not meet the one that goes on.
        live = await self.move(marked(live, None, None, None), bare, "leaving")
        try:
            departure = await parts.logout.leave(content.bridge_kept, LogoutAsk(state, content.language))
        except LoginUnavailable as error:
            log.warning("a logout did not reach the login bridge: %s", error)
            await self._closed(live)
            return Left(content, complete=False)
        if departure is None:
            await self._closed(live)
            return Left(content, complete=True)
        await self.move(live, bare.but(login_state=state, login_kept=departure.kept), "leaving")
        return Left(content, departure)

    async def returned(self, told: Returned) -> Left | None:
        """A browser that comes back from the bridge; None when it is none that we sent."""
        parts = self.parts
        row = await parts.run(parts.store.find_session, told.state.partition(".")[0])
        if row is None or row.step != "leaving":
            return None
        try:
            live = read(row, parts.ring)
        except SealError:
            return None
        ours = (live.content.login_state or "", live.content.login_kept.get("request", ""))
        both = zip(ours, (told.state, told.request), strict=True)
        if not all(hmac.compare_digest(mine.encode(), theirs.encode("utf-8", "replace")) for mine, theirs in both):
            return None
        await self._closed(live)
        return Left(live.content, complete=told.complete)

    async def ended_elsewhere(self, over: Over) -> int:
        """End the visits of a session that is over at the bridge; how many those were."""
        mark, parts = self.parts.pseudonyms.mark, self.parts
        subject = mark("login-subject", over.subject) if over.subject else None
        sessions = tuple(mark("login-session", session) for session in over.sessions if session)
        ended = await parts.run(parts.store.end_logins, subject, sessions, milliseconds(over.at))
        log.info("the login bridge told of a logout: %d visits ended", ended)
        return ended

    async def _closed(self, live: Live) -> None:
        await self.parts.run(self.parts.store.move_session, closed(live), live.row.version)
