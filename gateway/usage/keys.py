"""The keys of the pseudonyms that are counted: one per provider and calendar year, sealed, destroyed afterwards."""

import hmac
import secrets
from datetime import datetime

from sqlalchemy import Connection, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite

from auth.ages import ZONE
from auth.crypto import KeyRing
from gateway.store.counts import usage_key

PURPOSE = "usage-key"


class KeyDestroyed(Exception):
    """The key of that year is gone: nothing can be counted by person any more."""


class YearKeys:
    """Pseudonyms under the key of a provider and a year. A key is remembered once it is durable."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._known: dict[tuple[str, int], bytes] = {}

    def of(self, connection: Connection, provider: str, year: int) -> bytes:
        """The key, made when there is none yet, in the caller's transaction. Raises KeyDestroyed."""
        known = self._known.get((provider, year))
        if known is not None:
            return known
        which = (usage_key.c.provider == provider) & (usage_key.c.year == year)
        row = connection.execute(select(usage_key.c.sealed).where(which)).first()
        if row is None:
            sealed = self._ring.seal(PURPOSE, secrets.token_bytes(32))
            add_unless_there(connection, usage_key, {"provider": provider, "year": year, "sealed": sealed})
            row = connection.execute(select(usage_key.c.sealed).where(which)).one()
            # Not remembered: the transaction that made it may still be rolled back.
            return self._opened(row.sealed)
        key = self._opened(row.sealed)
        self._known[provider, year] = key
        return key

    def _opened(self, sealed: bytes | None) -> bytes:
        if sealed is None:
            raise KeyDestroyed
        return self._ring.open(PURPOSE, bytes(sealed))


def add_unless_there(connection: Connection, table: Table, row: dict[str, object]) -> None:
    """Add a row, unless another transaction did: that one is waited for."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).values(row).on_conflict_do_nothing())


def year_of(at: datetime) -> int:
    """The calendar year of a moment in the Netherlands."""
    return at.astimezone(ZONE).year


def pseudonym(key: bytes, kind: str, what: str) -> str:
    """32 hexadecimal characters that say nothing without the key; empty for nothing."""
    return hmac.digest(key, f"{kind}:{what}".encode(), "sha256")[:16].hex() if what else ""


def destroy(connection: Connection, year: int) -> int:
    """Destroy the keys of a year, for good; how many there were. A late event of it is counted without a person."""
    gone = connection.execute(
        update(usage_key).where(usage_key.c.year == year, usage_key.c.sealed.is_not(None)).values(sealed=None)
    )
    return gone.rowcount
