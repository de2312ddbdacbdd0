"""Who is logged in: sessions in the store, so that every process knows them and a logout holds everywhere."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import Engine, delete, insert, select, update

from auth.crypto import digest, new_token
from gateway.calendar import utc
from gateway.staff.account import StaffAccount
from gateway.store.staff import staff_session

STEP = timedelta(seconds=30)
"""How old the note of the last use may be: not every page costs a write."""


def utc_now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class StaffSessions:
    """The sessions. Synchronous: call it from worker threads. All raise SQLAlchemyError when the store fails."""

    engine: Engine
    idle: timedelta
    longest: timedelta
    clock: Callable[[], datetime] = utc_now

    def open(self, account: StaffAccount) -> str:
        """Begin a session; the secret for the cookie. What is over goes at the same time."""
        secret, now = new_token(), self.clock()
        over = (staff_session.c.used < now - self.idle) | (staff_session.c.created < now - self.longest)
        content = msgspec.json.encode(account).decode()
        values = {"digest": digest(secret), "account": account.id, "content": content, "created": now, "used": now}
        with self.engine.begin() as connection:
            connection.execute(delete(staff_session).where(over))
            connection.execute(insert(staff_session).values(values))
        return secret

    def of(self, secret: str) -> StaffAccount | None:
        """Whose session this is, and that it was used; None when there is none, or it is over."""
        key, now = digest(secret), self.clock()
        with self.engine.connect() as connection:
            row = connection.execute(select(staff_session).where(staff_session.c.digest == key)).one_or_none()
        if row is None:
            return None
        used, created = utc(row.used), utc(row.created)
        if now - used > self.idle or now - created > self.longest:
            self.close(secret)
            return None
        if now - used > STEP:
            with self.engine.begin() as connection:
                connection.execute(update(staff_session).where(staff_session.c.digest == key).values(used=now))
        return msgspec.json.decode(row.content, type=StaffAccount)

    def close(self, secret: str) -> None:
        """End a session."""
        with self.engine.begin() as connection:
            connection.execute(delete(staff_session).where(staff_session.c.digest == digest(secret)))
