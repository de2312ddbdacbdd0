"""Access tokens for other institutions: opaque, short-lived, bound to connection, organisation and grant (TK-11).

A token opens what its level says: taking a notification, one Task, or the data of one grant. Whether a grant is alive
is asked again with every request, so that a withdrawal works at once, whatever tokens there are.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from auth.crypto import digest, new_token
from gateway.calendar import utc
from gateway.exchange.trust import Connected, TokenAsked, TokenDenied, User
from gateway.store.engine import reading
from gateway.store.exchanged import exchange_assertion, exchange_token, referral

NOTIFY_SCOPES = frozenset({"ta-np-notification", "eOverdracht-receiver"})
HANDOFF_SCOPE = "eOverdracht-sender"
TASK_DAYS = 365
"""The Task of a referral may be read so long, also after its data ended (NPS-02)."""


@dataclass(frozen=True, slots=True)
class TokenHeld:
    """A valid access token: who holds it, and for what."""

    provider: str
    partner: str
    ura: str
    scope: str
    level: str
    referral_id: str
    user: User


@dataclass(frozen=True, slots=True)
class ExchangeTokens:
    """Issues and finds tokens. Synchronous: call it from worker threads."""

    engine: Engine
    seconds: int
    clock: Callable[[], float] = time.time

    def issue(self, provider: str, asked: TokenAsked, connection: Connected) -> str:
        """A token for a request that trust accepted. Raises TokenDenied; of that only its use is kept."""
        now = int(self.clock())
        self._once(asked, now)
        with self.engine.begin() as store:
            store.execute(delete(exchange_token).where(exchange_token.c.expires < now))
            level, referral_id = self._level(store, provider, asked)
            token = new_token()
            store.execute(
                insert(exchange_token).values(
                    digest=digest(token),
                    provider=provider,
                    partner=asked.partner,
                    ura=asked.ura,
                    thumbprint=connection.thumbprint,
                    scope=asked.scope,
                    level=level,
                    referral_id=referral_id or None,
                    user_id=asked.user.id,
                    user_role=asked.user.role,
                    expires=now + self.seconds,
                )
            )
        return token

    def find(self, token: str, provider: str, connection: Connected) -> TokenHeld | None:
        """The token behind an Authorization header; None for one that is not good here, for whatever reason."""
        if not 0 < len(token) <= 200:
            return None
        with reading(self.engine).connect() as store:
            row = store.execute(select(exchange_token).where(exchange_token.c.digest == digest(token))).one_or_none()
        if row is None or row.expires <= self.clock() or row.provider != provider:
            return None
        if row.thumbprint != connection.thumbprint:
            return None
        user = User(row.user_id, row.user_role)
        return TokenHeld(row.provider, row.partner, row.ura, row.scope, row.level, row.referral_id or "", user)

    def _once(self, asked: TokenAsked, now: int) -> None:
        """Remember the assertions, also of a request that is denied after this: they were shown."""
        try:
            with self.engine.begin() as store:
                store.execute(delete(exchange_assertion).where(exchange_assertion.c.expires < now))
                for marked, expires in asked.replay:
                    store.execute(insert(exchange_assertion).values(digest=marked, expires=expires))
        except IntegrityError:
            raise TokenDenied("invalid_client", "this assertion was used before") from None

    def _level(self, store: Connection, provider: str, asked: TokenAsked) -> tuple[str, str]:
        if asked.scope in NOTIFY_SCOPES:
            return "notify", ""
        if asked.scope == HANDOFF_SCOPE and not asked.base:
            # The notification of a handoff carries nothing: every handoff to the organisation, and no other.
            return ("data" if asked.user.known else "task"), ""
        # One answer for unknown, another's, expired and withdrawn (TK-13).
        denied = TokenDenied("invalid_grant", "there is no such grant for this organisation")
        if not asked.base:
            raise denied
        base, now = digest(asked.base), datetime.fromtimestamp(self.clock(), UTC)
        mine = (referral.c.provider == provider, referral.c.partner == asked.partner, referral.c.ura == asked.ura)
        wanted = select(referral.c.id, referral.c.task_base, referral.c.not_after, referral.c.withdrawn)
        either = (referral.c.task_base == base) | (referral.c.data_base == base)
        row = store.execute(wanted.where(*mine, either)).one_or_none()
        if row is None:
            raise denied
        ends = utc(row.not_after)
        if bytes(row.task_base) == base:
            if now >= ends + timedelta(days=TASK_DAYS):
                raise denied
            return "task", row.id
        if row.withdrawn is not None or now >= ends:
            raise denied
        if not asked.user.known:
            raise TokenDenied("invalid_grant", "data of a person are given to a professional: user and role are needed")
        return "data", row.id
