"""Everything that the authorization server keeps, behind plain calls (SQLAlchemy Core, SQLite and PostgreSQL).

A **family** is what came from one consent: codes, access tokens and refresh tokens point at it, and ending it is one
update of one row that every next look-up sees (LTC-09).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Delete, Engine, Update, func, select, true
from sqlalchemy.exc import IntegrityError

from auth.ports import Journal, StepEnd
from auth.store import statements as sql
from auth.store.engine import engine_for, prepare_sqlite
from auth.store.rows import (
    Clock,
    Code,
    ConsentEntry,
    Family,
    GrantRow,
    IssuedCode,
    Refresh,
    SessionRow,
    SpentCode,
    consent_values,
    entries_of,
    family_of,
    family_values,
    fields_of,
    milliseconds,
    moment,
    utc_now,
)
from auth.store.statements import GRANT_SELECT
from auth.store.tables import metadata

__all__ = [
    "GRANT_SELECT", "Clock", "Code", "ConsentEntry", "Family", "GrantRow", "Refresh", "SessionRow", "SpentCode",
    "Store", "engine_for", "metadata", "milliseconds", "moment", "prepare_sqlite", "utc_now",
]  # fmt: skip


class Store:
    """Synchronous: call it from worker threads. ``journal`` counts steps inside the transactions that end them."""

    def __init__(self, engine: Engine, journal: Journal | None = None) -> None:
        self.engine = engine
        self._journal = journal
        # A single statement needs no transaction around it: two round trips less.
        single = {"single": True} if engine.dialect.name == "sqlite" else {"isolation_level": "AUTOCOMMIT"}
        self._single = engine.execution_options(**single)

    def create(self) -> None:
        """Create the tables that do not exist yet (tests and the demo; elsewhere migrations do it)."""
        metadata.create_all(self.engine)

    # --- browser sessions ------------------------------------------------------------------------------------------

    def count(self, *steps: StepEnd) -> None:
        """Count steps that end in nothing else that is kept."""
        if self._journal is not None:
            with self.engine.begin() as connection:
                self._journal.write(connection, steps)

    def add_session(self, row: SessionRow, *steps: StepEnd) -> None:
        """Keep a new session."""
        with self._counting(steps).begin() as connection:
            connection.execute(sql.ADD_SESSION, row._asdict())
            self._counted(connection, steps)

    def find_session(self, session_id: str) -> SessionRow | None:
        """The session with this id, or None."""
        with self._single.begin() as connection:
            row = connection.execute(sql.FIND_SESSION, {"which": session_id}).first()
        return None if row is None else SessionRow(*row)

    def move_session(self, row: SessionRow, version: int, *steps: StepEnd) -> bool:
        """Replace a session that still has `version`; False when another request moved it first."""
        with self._counting(steps).begin() as connection:
            moved = _move(connection, row, version)
            if moved:
                self._counted(connection, steps)
            return moved

    def end_logins(self, subject: str | None, bridge_sessions: Sequence[str], at: int) -> int:
        """End the sessions of a login that is over at the bridge, by their marks; how many those were.

        ``at`` is when the bridge said so: a message that comes again ends no later login.
        """
        if subject is None and not bridge_sessions:
            return 0
        values: dict[str, Any] = {"at": at, "subject": subject, "sessions": list(bridge_sessions)}
        statement = sql.END_SOME_OF_SUBJECT
        if subject is None:
            statement = sql.END_LOGINS_IN_SESSIONS
            del values["subject"]
        elif not bridge_sessions:
            statement = sql.END_LOGINS_OF_SUBJECT
            del values["sessions"]
        with self._single.begin() as connection:
            return connection.execute(statement, values).rowcount

    def _counting(self, steps: Sequence[StepEnd]) -> Engine:
        return self.engine if steps and self._journal is not None else self._single

    def _counted(self, connection: Connection, steps: Sequence[StepEnd]) -> None:
        if steps and self._journal is not None:
            self._journal.write(connection, steps)

    def decide(
        self,
        row: SessionRow,
        version: int,
        entry: ConsentEntry,
        family: Family | None,
        replaces: bool,
        code: IssuedCode | None,
        *steps: StepEnd,
    ) -> bool:
        """Move the session, append the consent, open its family and keep its code, in one transaction (CONS-03).

        With `replaces`, earlier lasting families of the same person, provider, client and function end (LTC-10), those
        that the same giver gave: what a representative chooses never ends what the person chose, nor the reverse.
        False: another request was first, and nothing was kept. Raises IntegrityError, and keeps nothing, for a code
        that was issued before (AUTH-14): the random generator is broken.
        """
        with self.engine.begin() as connection:
            if not _move(connection, row, version):
                return False
            if family is not None and replaces:
                same = {"person": family.subject, "at": family.provider, "to": family.client, "kind": family.function}
                same["giver"] = family.actor or ""
                _ended(connection, sql.END_EARLIER, same, entry.moment, "replaced", "new-consent")
            connection.execute(sql.ADD_CONSENT, consent_values(entry))
            if family is not None:
                connection.execute(sql.ADD_FAMILY, family_values(family))
            if code is not None:
                connection.execute(sql.ADD_CODE, {"digest": code.digest, **fields_of(code.code)})
            self._counted(connection, steps)
        return True

    # --- codes -----------------------------------------------------------------------------------------------------

    def was_offered(self, digest: bytes) -> bool:
        """Whether a client offered this code already."""
        with self._single.begin() as connection:
            return connection.execute(sql.SPENT_BEFORE, {"which": digest}).first() is not None

    def add_code(self, digest: bytes, code: Code) -> bool:
        """Keep another code of a consent; False when this code was issued before (AUTH-14)."""
        try:
            with self._single.begin() as connection:
                connection.execute(sql.ADD_CODE, {"digest": digest, **fields_of(code)})
        except IntegrityError:
            return False
        return True

    def spend_code(self, digest: bytes, now: int) -> SpentCode:
        """Offer a code: exactly one call ever gets it, whatever happens next (TOKEN-07, TOKEN-18)."""
        with self._single.begin() as connection:
            row = connection.execute(sql.SPEND_CODE, {"which": digest, "now": now}).mappings().first()
            if row is not None:
                return SpentCode(Code(**{name: row[name] for name in Code.__dataclass_fields__}), None)
            return SpentCode(None, connection.execute(sql.FAMILY_OF_CODE, {"which": digest}).scalar())

    # --- families --------------------------------------------------------------------------------------------------

    def find_family(self, family_id: str) -> Family | None:
        """The family with this id, or None."""
        with self._single.begin() as connection:
            row = connection.execute(sql.FIND_FAMILY, {"which": family_id}).mappings().first()
        return None if row is None else family_of(row)

    def lasting_families(self, subject: str) -> list[Family]:
        """The lasting, not ended families of a person, newest first."""
        with self._single.begin() as connection:
            return [family_of(row) for row in connection.execute(sql.LASTING_FAMILIES, {"subject": subject}).mappings()]

    def families_of_actor(self, actor: str) -> list[Family]:
        """Every family of a consent that this person gave for somebody else, ended or not, newest first."""
        with self._single.begin() as connection:
            return [family_of(row) for row in connection.execute(sql.FAMILIES_OF_ACTOR, {"actor": actor}).mappings()]

    def lasting_given(self, subject: str) -> list[tuple[str, str, str | None]]:
        """Provider, client and representative of every lasting consent of a person that still stands."""
        with self._single.begin() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(sql.LASTING_GIVEN, {"subject": subject})]

    def end_family(self, family_id: str, now: int, why: str, channel: str) -> Family | None:
        """End a family and append the end to the consent register; None when it had ended already."""
        with self.engine.begin() as connection:
            ended = _ended(connection, sql.END_FAMILY, {"which": family_id}, now, why, channel)
        return ended[0] if ended else None

    def end_replayed(self, family_id: str, now: int) -> Family | None:
        """End the family of a code that was offered again, if tokens came from it (TOKEN-08, CT-61)."""
        with self.engine.begin() as connection:
            ended = _ended(connection, sql.END_REPLAYED, {"which": family_id}, now, "replayed", "token-endpoint")
        return ended[0] if ended else None

    def end_idle(self, now: int, before: int) -> list[Family]:
        """End the lasting families that were not used since `before` (LTC-03), with a line in the register each."""
        with self.engine.begin() as connection:
            return _ended(connection, sql.END_IDLE, {"before": before}, now, "expired", "housekeeping")

    # --- tokens ----------------------------------------------------------------------------------------------------

    def add_tokens(
        self,
        family: str,
        now: int,
        access: Mapping[str, Any],
        refresh: Mapping[str, Any] | None,
        step: StepEnd | None = None,
    ) -> bool:
        """Keep the tokens of a code grant. False when a digest exists already (AUTH-14): draw again."""
        try:
            with self.engine.begin() as connection:
                self._add_tokens(connection, family, now, access, refresh, step)
        except IntegrityError:
            return False
        return True

    def find_refresh(self, digest: bytes) -> Refresh | None:
        """The refresh token with this digest, or None."""
        with self._single.begin() as connection:
            row = connection.execute(sql.FIND_REFRESH, {"which": digest}).mappings().first()
        if row is None:
            return None
        return Refresh(**{**row, "digest": bytes(row["digest"]), "services": frozenset(row["services"].split())})

    def rotate_refresh(
        self,
        old: Refresh,
        now: int,
        request_id: str | None,
        access: Mapping[str, Any],
        refresh: Mapping[str, Any],
        step: StepEnd | None = None,
    ) -> bool:
        """Spend a refresh token and keep its successors, in one transaction (LTC-04).

        The condition is the row as it was read: unspent, or (for a repeated request) spent with the successor that
        was read and which nobody used. False: another request was first, and nothing changed.
        """
        take = {"which": old.digest, "now": old.spent or now, "by": request_id, "next": refresh["digest"]}
        with self.engine.connect() as connection, connection.begin() as transaction:
            if old.spent is None:
                taken = connection.execute(sql.SPEND_REFRESH, take).rowcount == 1
            else:
                again = connection.execute(sql.REPEAT_REFRESH, {**take, "previous": old.successor})
                superseded = {"which": old.successor, "now": now}
                taken = again.rowcount == 1 and connection.execute(sql.SUPERSEDE_REFRESH, superseded).rowcount == 1
            if not taken:
                transaction.rollback()
                return False
            self._add_tokens(connection, old.family, now, access, refresh, step)
        return True

    def _add_tokens(
        self,
        connection: Connection,
        family: str,
        now: int,
        access: Mapping[str, Any],
        refresh: Mapping[str, Any] | None,
        step: StepEnd | None,
    ) -> None:
        label = self._journal.label(connection, step) if self._journal is not None and step is not None else None
        _add_tokens(connection, family, now, {**access, "label": label}, refresh)
        self._counted(connection, () if step is None else (step,))

    def find_by_access(self, digest: bytes) -> str | None:
        """The family of an access token, or None."""
        with self._single.begin() as connection:
            return connection.execute(sql.FAMILY_OF_ACCESS, {"which": digest}).scalar()

    def find_grant(self, digest: bytes) -> GrantRow | None:
        """The bearer look-up on the engine; the gateway may run GRANT_SELECT as a prepared driver statement."""
        with self._single.begin() as connection:
            row = connection.execute(GRANT_SELECT, {"digest": digest}).first()
        return None if row is None else GrantRow(*row)

    def issue_static(self, digest: bytes, family: Family, expires: datetime) -> None:
        """Keep an access token that no flow issued (test mode: `gateway tokens load`); replaces an earlier one."""
        access = {
            "digest": digest,
            "services": " ".join(sorted(family.services)),
            "correlation_id": None,
            "expires": milliseconds(expires),
        }
        with self.engine.begin() as connection:
            connection.execute(sql.DROP_ACCESS, {"which": digest})
            connection.execute(sql.DROP_FAMILY, {"which": family.id})
            connection.execute(sql.ADD_FAMILY, family_values(family))
            _add_tokens(connection, family.id, family.created, access, None)

    # --- consent register ------------------------------------------------------------------------------------------

    def consents_of(self, subject: str) -> list[ConsentEntry]:
        """All lines of a person, newest first."""
        with self._single.begin() as connection:
            return entries_of(connection.execute(sql.CONSENTS_OF_PERSON, {"subject": subject}))

    def consent(self, consent_id: str) -> list[ConsentEntry]:
        """All lines of one consent, newest first."""
        with self._single.begin() as connection:
            return entries_of(connection.execute(sql.CONSENT_LINES, {"which": consent_id}))

    # --- housekeeping ----------------------------------------------------------------------------------------------

    def purge(self, now: datetime, retention: timedelta) -> dict[str, int]:
        """Delete what is past its use (CONS-05); returns the number of rows per table.

        Digests stay as long as consents do, which keeps the check on uniqueness (AUTH-14) alive for years.
        """
        moments = {"now": milliseconds(now), "old": milliseconds(now - retention)}
        with self.engine.begin() as connection:
            return {name: connection.execute(purge, moments).rowcount for name, purge in sql.PURGES.items()}

    def due(self, now: datetime, retention: timedelta, idle: int) -> dict[str, int]:
        """How many rows `purge` would delete by table, and how many idle consents would end; nothing is changed."""
        moments = {"now": milliseconds(now), "old": milliseconds(now - retention)}
        asked: dict[str, Update | Delete] = {"expired consents": sql.END_IDLE, **sql.PURGES}
        counts = {
            name: select(func.count()).select_from(one.table).where(true() if (c := one.whereclause) is None else c)
            for name, one in asked.items()
        }
        with self._single.begin() as connection:
            values = {**moments, "before": idle}
            return {name: connection.execute(one, values).scalar_one() for name, one in counts.items()}

    def sealed_families(self) -> Sequence[Mapping[str, Any]]:
        """Id and sealed values of every living family, for re-sealing after a key rotation."""
        with self._single.begin() as connection:
            return [dict(row) for row in connection.execute(sql.SEALED_FAMILIES).mappings()]

    def reseal_family(self, family_id: str, values: Mapping[str, bytes]) -> None:
        """Replace sealed values of a family."""
        with self._single.begin() as connection:
            connection.execute(sql.RESEAL_FAMILY, {"which": family_id, **values})


def _move(connection: Connection, row: SessionRow, version: int) -> bool:
    values = {"which": row.id, "expected": version, **row._asdict()}
    del values["id"]
    return connection.execute(sql.MOVE_SESSION, values).rowcount == 1


def _ended(
    connection: Connection, statement: Any, which: Mapping[str, Any], now: int, why: str, channel: str
) -> list[Family]:
    rows = connection.execute(statement, {**which, "now": now, "why": why}).mappings()
    ended = [family_of(row) for row in rows]
    for family in ended:
        given = connection.execute(sql.FIRST_CONSENT, {"which": family.consent_id}).mappings().first()
        if given is not None and why in {"withdrawn", "expired", "replaced"}:
            last = {"entry": f"{family.id[:48]}-{why}", "outcome": why, "moment": now, "channel": channel}
            connection.execute(sql.ADD_CONSENT, {**given, **last})
    return ended


def _add_tokens(
    connection: Connection, family: str, now: int, access: Mapping[str, Any], refresh: Mapping[str, Any] | None
) -> None:
    connection.execute(sql.ADD_ACCESS, {"family": family, "issued": now, **access})
    if refresh is not None:
        connection.execute(sql.ADD_REFRESH, {"family": family, "issued": now, "superseded": False, **refresh})
    connection.execute(sql.USE_FAMILY, {"which": family, "now": now})
