"""The tables of the authorization server and every statement on them (SQLAlchemy Core, SQLite and PostgreSQL).

Codes, tokens and cookies are stored as SHA-256 digests only; sessions, states and citizen numbers are sealed by the
caller before they come here. Times are UTC in whole milliseconds since 1970, which every driver reads alike.

Whatever must happen once is one statement: `spend_code`, `rotate_refresh` and `move_session` update a row that is
still as expected and return it, so that of any number of workers exactly one wins (TOKEN-18).

A **family** is what came from one consent: codes, access tokens and refresh tokens point at it, and ending it is one
update of one row that every next look-up sees (LTC-09).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Text,
    and_,
    bindparam,
    create_engine,
    delete,
    event,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

metadata = MetaData()

_Id = String(64)
_Host = String(253)

sessions = Table(
    "auth_session",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("cookie", LargeBinary(32), nullable=False),
    Column("step", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
    Column("content", LargeBinary, nullable=False),
    comment="Browser sessions; content is sealed and emptied at the end",
)

families = Table(
    "auth_family",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("consent_id", _Id, index=True),
    Column("client", _Host, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("function", String(12), nullable=False),
    Column("dialect", String(1), nullable=False),
    Column("services", Text, nullable=False),
    Column("days", Integer),
    Column("subject", _Id, nullable=False),
    Column("sealed_bsn", LargeBinary),
    Column("patient", Text),
    Column("actor", _Id),
    Column("sealed_actor", LargeBinary),
    Column("sealed_birth_date", LargeBinary),
    Column("representation", String(20)),
    Column("lasting", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("ended_why", String(20)),
    Index("auth_family_person", "subject", "provider", "client"),
    comment="What came from one consent; ending it ends all its tokens",
)

codes = Table(
    "auth_code",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("family", _Id, nullable=False),
    Column("client", _Host, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("correlation_id", String(36)),
    Column("session_id", _Id),
    Column("challenge", String(128)),
    Column("challenge_method", String(8)),
    Column("expires", BigInteger, nullable=False),
    Column("spent", BigInteger),
    comment="Authorization codes, as digests",
)

access_tokens = Table(
    "auth_access_token",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("family", _Id, nullable=False, index=True),
    Column("services", Text, nullable=False),
    Column("correlation_id", String(36)),
    Column("issued", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
    Column("revoked", BigInteger),
    comment="Access tokens, as digests",
)

refresh_tokens = Table(
    "auth_refresh_token",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("family", _Id, nullable=False, index=True),
    Column("services", Text, nullable=False),
    Column("issued", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("spent", BigInteger),
    Column("spent_by", String(36)),
    Column("successor", LargeBinary(32)),
    Column("superseded", Boolean, nullable=False, default=False),
    comment="Refresh tokens, as digests; spent_by is the MedMij-Request-ID of the call that used it",
)

consents = Table(
    "auth_consent",
    metadata,
    Column("entry", _Id, primary_key=True),
    Column("consent_id", _Id, nullable=False, index=True),
    Column("outcome", String(12), nullable=False),
    Column("moment", BigInteger, nullable=False),
    Column("channel", String(20), nullable=False),
    Column("function", String(12), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("client", _Host, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("offered", Text, nullable=False),
    Column("granted", Text, nullable=False),
    Column("lasting", Boolean),
    Column("days", Integer),
    Column("text_version", String(40)),
    Column("interface_version", String(12)),
    Column("subject", _Id, index=True),
    Column("actor", _Id),
    Column("representation", String(20)),
    Column("assertion_id", _Id),
    Column("level", Integer),
    Column("correlation_id", String(36)),
    Column("session_id", _Id),
    comment="Consent register (CONS-01). Append only: an end is a new line with the same consent_id",
)


class GrantRow(NamedTuple):
    """What `GRANT_SELECT` returns, in this order, as plain driver values."""

    client: str
    provider: str
    function: str
    services: str
    subject: str
    sealed_bsn: bytes | None
    patient: str | None
    actor: str | None
    issued: int
    expires: int
    revoked: int | None
    ended: int | None
    correlation_id: str | None
    consent_id: str | None


GRANT_SELECT: Select[Any] = (
    select(
        families.c.client,
        families.c.provider,
        families.c.function,
        access_tokens.c.services,
        families.c.subject,
        families.c.sealed_bsn,
        families.c.patient,
        families.c.actor,
        access_tokens.c.issued,
        access_tokens.c.expires,
        access_tokens.c.revoked,
        families.c.ended,
        access_tokens.c.correlation_id,
        families.c.consent_id,
    )
    .join_from(access_tokens, families, access_tokens.c.family == families.c.id)
    .where(access_tokens.c.digest == bindparam("digest", type_=LargeBinary(32)))
)
"""The bearer look-up: one row by primary key, joined to its family by primary key."""


@dataclass(frozen=True, slots=True)
class Family:
    """One row of `auth_family`."""

    id: str
    consent_id: str | None
    client: str
    provider: str
    function: str
    dialect: str
    services: frozenset[str]
    days: int | None
    subject: str
    sealed_bsn: bytes | None
    patient: str | None
    actor: str | None
    sealed_actor: bytes | None
    sealed_birth_date: bytes | None
    representation: str | None
    lasting: bool
    created: int
    used: int
    ended: int | None = None
    ended_why: str | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """One row of `auth_code`, as it was when it was spent."""

    family: str
    client: str
    redirect_uri: str
    correlation_id: str | None
    session_id: str | None
    challenge: str | None
    challenge_method: str | None
    expires: int


@dataclass(frozen=True, slots=True)
class Refresh:
    """One row of `auth_refresh_token`."""

    digest: bytes
    family: str
    services: frozenset[str]
    issued: int
    expires: int | None
    spent: int | None
    spent_by: str | None
    successor: bytes | None
    superseded: bool


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """One line of the consent register (CONS-01)."""

    entry: str
    consent_id: str
    outcome: str
    """given, refused, cancelled, withdrawn, expired or replaced."""
    moment: int
    channel: str
    function: str
    provider: str
    client: str
    organisation: str
    offered: tuple[str, ...]
    granted: tuple[str, ...]
    lasting: bool | None = None
    days: int | None = None
    text_version: str | None = None
    interface_version: str | None = None
    subject: str | None = None
    actor: str | None = None
    representation: str | None = None
    assertion_id: str | None = None
    level: int | None = None
    correlation_id: str | None = None
    session_id: str | None = None


class SessionRow(NamedTuple):
    """One row of `auth_session`."""

    id: str
    cookie: bytes
    step: str
    version: int
    expires: int
    content: bytes


class SpentCode(NamedTuple):
    """The outcome of offering a code: the code when this call won it, and whether it existed already spent."""

    code: Code | None
    replayed_family: str | None


def milliseconds(moment: datetime) -> int:
    """UTC milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def moment(value: int) -> datetime:
    """The instant of a stored value."""
    return datetime.fromtimestamp(value / 1000, UTC)


def engine_for(url: str) -> Engine:
    """An engine with the settings that this store relies on, for `sqlite:///path` or `postgresql+psycopg://...`."""
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=10, max_overflow=10, pool_pre_ping=True, hide_parameters=True)
    engine = create_engine(url, connect_args={"timeout": 10}, hide_parameters=True)
    prepare_sqlite(engine)
    return engine


def prepare_sqlite(engine: Engine) -> None:
    """Make an SQLite engine durable (full sync) and its write transactions start as such (no lost upgrades)."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql("BEGIN" if options.get("reading") else "BEGIN IMMEDIATE")


class Store:
    """Everything that is kept, behind plain calls. Synchronous: call it from worker threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reading = engine.execution_options(reading=True)

    def create(self) -> None:
        """Create the tables that do not exist yet (tests and the demo; elsewhere migrations do it)."""
        metadata.create_all(self.engine)

    # --- browser sessions ------------------------------------------------------------------------------------------

    def add_session(self, row: SessionRow) -> None:
        """Keep a new session."""
        with self.engine.begin() as connection:
            connection.execute(insert(sessions).values(row._asdict()))

    def find_session(self, session_id: str) -> SessionRow | None:
        """The session with this id, or None."""
        with self._reading.begin() as connection:
            row = connection.execute(select(sessions).where(sessions.c.id == session_id)).first()
        return None if row is None else SessionRow(*row)

    def move_session(self, row: SessionRow, version: int) -> bool:
        """Replace a session that still has `version`; False when another request moved it first."""
        with self.engine.begin() as connection:
            return _move(connection, row, version)

    def decide(self, row: SessionRow, version: int, entry: ConsentEntry, family: Family | None, replaces: bool) -> bool:
        """Move the session, append the consent and open its family, in one transaction (CONS-03).

        With `replaces`, earlier lasting families of the same person, provider, client and function end (LTC-10).
        False: another request was first, and nothing was kept.
        """
        with self.engine.begin() as connection:
            if not _move(connection, row, version):
                return False
            if replaces and family is not None:
                _end_matching(connection, _same_person(family), entry.moment, "replaced", "new-consent")
            connection.execute(insert(consents).values(_consent_values(entry)))
            if family is not None:
                connection.execute(insert(families).values(_family_values(family)))
        return True

    # --- codes -----------------------------------------------------------------------------------------------------

    def add_code(self, digest: bytes, code: Code) -> bool:
        """Keep a code; False when this code was issued before (AUTH-14)."""
        return self._add_once(codes, {"digest": digest, **_fields(code)})

    def spend_code(self, digest: bytes, now: int) -> SpentCode:
        """Offer a code: exactly one call ever gets it, whatever happens next (TOKEN-07, TOKEN-18)."""
        take = update(codes).where(codes.c.digest == digest, codes.c.spent.is_(None)).values(spent=now).returning(codes)
        with self.engine.begin() as connection:
            row = connection.execute(take).mappings().first()
            if row is not None:
                return SpentCode(Code(**{name: row[name] for name in Code.__dataclass_fields__}), None)
            family = connection.execute(select(codes.c.family).where(codes.c.digest == digest)).scalar()
        return SpentCode(None, family)

    # --- families --------------------------------------------------------------------------------------------------

    def find_family(self, family_id: str) -> Family | None:
        """The family with this id, or None."""
        found = self._families(families.c.id == family_id)
        return found[0] if found else None

    def lasting_families(self, subject: str) -> list[Family]:
        """The lasting, not ended families of a person, newest first."""
        return self._families(and_(families.c.subject == subject, families.c.lasting, families.c.ended.is_(None)))

    def has_lasting(self, subject: str, provider: str, client: str) -> bool:
        """True when the person gave a lasting consent before that still stands."""
        return any((f.provider, f.client) == (provider, client) for f in self.lasting_families(subject))

    def end_family(self, family_id: str, now: int, why: str, channel: str) -> Family | None:
        """End a family and append the end to the consent register; None when it had ended already."""
        with self.engine.begin() as connection:
            ended = _end_matching(connection, families.c.id == family_id, now, why, channel)
        return ended[0] if ended else None

    def _families(self, condition: Any) -> list[Family]:
        with self._reading.begin() as connection:
            rows = connection.execute(select(families).where(condition).order_by(families.c.created.desc())).mappings()
            return [_family(dict(row)) for row in rows]

    # --- tokens ----------------------------------------------------------------------------------------------------

    def add_tokens(self, family: str, now: int, access: Mapping[str, Any], refresh: Mapping[str, Any] | None) -> bool:
        """Keep the tokens of a code grant. False when a digest exists already (AUTH-14): draw again."""
        with self.engine.begin() as connection:
            try:
                _insert_tokens(connection, family, now, access, refresh)
            except IntegrityError:
                connection.rollback()
                return False
        return True

    def find_refresh(self, digest: bytes) -> Refresh | None:
        """The refresh token with this digest, or None."""
        with self._reading.begin() as connection:
            statement = select(refresh_tokens).where(refresh_tokens.c.digest == digest)
            row = connection.execute(statement).mappings().first()
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
    ) -> bool:
        """Spend a refresh token and keep its successors, in one transaction (LTC-04).

        The condition is the row as it was read: unspent, or (for a repeated request) spent with the successor that
        was read and which nobody used. False: another request was first.
        """
        unchanged = (
            refresh_tokens.c.spent.is_(None) if old.spent is None else refresh_tokens.c.successor == old.successor
        )
        take = (
            update(refresh_tokens)
            .where(refresh_tokens.c.digest == old.digest, unchanged)
            .values(spent=old.spent or now, spent_by=request_id, successor=refresh["digest"])
        )
        with self.engine.begin() as connection:
            if connection.execute(take).rowcount != 1:
                return False
            if old.successor is not None and not _supersede(connection, old.successor, now):
                connection.rollback()
                return False
            _insert_tokens(connection, old.family, now, access, refresh)
        return True

    def find_by_access(self, digest: bytes) -> str | None:
        """The family of an access token, or None."""
        with self._reading.begin() as connection:
            statement = select(access_tokens.c.family).where(access_tokens.c.digest == digest)
            return connection.execute(statement).scalar()

    def find_grant(self, digest: bytes) -> GrantRow | None:
        """The bearer look-up on the engine; the gateway may run GRANT_SELECT as a prepared driver statement."""
        with self._reading.begin() as connection:
            row = connection.execute(GRANT_SELECT, {"digest": digest}).first()
        return None if row is None else GrantRow(*row)

    def issue_static(
        self,
        *,
        digest: bytes,
        provider: str,
        services: Sequence[str],
        subject: str,
        sealed_bsn: bytes | None,
        patient: str | None,
        client: str,
        now: datetime,
        expires: datetime,
    ) -> None:
        """Keep an access token that no flow issued (test mode: `gateway tokens load`); replaces an earlier one."""
        family_id = "static-" + digest.hex()[:32]
        issued = milliseconds(now)
        family = Family(
            id=family_id, consent_id=None, client=client, provider=provider, function="collect", dialect="C",
            services=frozenset(services), days=None, subject=subject, sealed_bsn=sealed_bsn, patient=patient,
            actor=None, sealed_actor=None, sealed_birth_date=None, representation=None, lasting=False,
            created=issued, used=issued,
        )  # fmt: skip
        access = {
            "digest": digest, "services": " ".join(sorted(services)), "correlation_id": None,
            "expires": milliseconds(expires),
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(delete(access_tokens).where(access_tokens.c.digest == digest))
            connection.execute(delete(families).where(families.c.id == family_id))
            connection.execute(insert(families).values(_family_values(family)))
            _insert_tokens(connection, family_id, issued, access, None)

    # --- consent register ------------------------------------------------------------------------------------------

    def append_consent(self, entry: ConsentEntry) -> None:
        """Append one line to the consent register."""
        with self.engine.begin() as connection:
            connection.execute(insert(consents).values(_consent_values(entry)))

    def consents_of(self, subject: str) -> list[ConsentEntry]:
        """All lines of a person, newest first."""
        return self._consents(consents.c.subject == subject)

    def consent(self, consent_id: str) -> list[ConsentEntry]:
        """All lines of one consent, newest first."""
        return self._consents(consents.c.consent_id == consent_id)

    def _consents(self, condition: Any) -> list[ConsentEntry]:
        with self._reading.begin() as connection:
            rows = connection.execute(select(consents).where(condition).order_by(consents.c.moment.desc())).mappings()
            return [
                ConsentEntry(
                    **{**row, "offered": tuple(row["offered"].split()), "granted": tuple(row["granted"].split())}
                )
                for row in rows
            ]

    # --- housekeeping ----------------------------------------------------------------------------------------------

    def purge(self, now: datetime, retention: timedelta) -> dict[str, int]:
        """Delete what is past its use: sessions at once, tokens and consents after the retention (CONS-05).

        Returns the number of rows deleted per table. Digests stay as long as consents do, which keeps the check on
        uniqueness (AUTH-14) alive for years.
        """
        current, old = milliseconds(now), milliseconds(now - retention)
        ended = select(families.c.id).where(
            or_(families.c.ended < old, and_(families.c.used < old, families.c.lasting.is_(False)))
        )
        rules: list[tuple[Table, Any]] = [
            (sessions, sessions.c.expires < current),
            (access_tokens, access_tokens.c.expires < old),
            (codes, codes.c.expires < old),
            (refresh_tokens, refresh_tokens.c.family.in_(ended)),
            (families, families.c.id.in_(ended)),
            (consents, and_(consents.c.moment < old, consents.c.consent_id.not_in(select(_live_consents())))),
        ]
        with self.engine.begin() as connection:
            return {table.name: connection.execute(delete(table).where(rule)).rowcount for table, rule in rules}

    def _add_once(self, table: Table, values: Mapping[str, Any]) -> bool:
        with self.engine.begin() as connection:
            try:
                connection.execute(insert(table).values(values))
            except IntegrityError:
                connection.rollback()
                return False
        return True


def _live_consents() -> Any:
    live = and_(families.c.consent_id.is_not(None), families.c.ended.is_(None))
    return select(families.c.consent_id).where(live).subquery().c.consent_id


def _move(connection: Connection, row: SessionRow, version: int) -> bool:
    statement = update(sessions).where(sessions.c.id == row.id, sessions.c.version == version).values(row._asdict())
    return connection.execute(statement).rowcount == 1


def _same_person(family: Family) -> Any:
    return and_(
        families.c.subject == family.subject,
        families.c.provider == family.provider,
        families.c.client == family.client,
        families.c.function == family.function,
        families.c.lasting,
    )


def _end_matching(connection: Connection, condition: Any, now: int, why: str, channel: str) -> list[Family]:
    end = (
        update(families)
        .where(condition, families.c.ended.is_(None))
        .values(ended=now, ended_why=why)
        .returning(families)
    )
    ended = [_family(dict(row)) for row in connection.execute(end).mappings()]
    for family in ended:
        first = _first_entry(connection, family)
        if first is not None and why in {"withdrawn", "expired", "replaced"}:
            last = {**first, "entry": _entry_id(family.id, why), "outcome": why, "moment": now, "channel": channel}
            connection.execute(insert(consents).values(last))
    return ended


def _first_entry(connection: Connection, family: Family) -> dict[str, Any] | None:
    statement = select(consents).where(consents.c.consent_id == family.consent_id, consents.c.outcome == "given")
    row = connection.execute(statement).mappings().first()
    return None if row is None else dict(row)


def _entry_id(family_id: str, why: str) -> str:
    return f"{family_id[:48]}-{why}"


def _supersede(connection: Connection, successor: bytes, now: int) -> bool:
    statement = (
        update(refresh_tokens)
        .where(refresh_tokens.c.digest == successor, refresh_tokens.c.spent.is_(None))
        .values(spent=now, superseded=True)
    )
    return connection.execute(statement).rowcount == 1


def _insert_tokens(
    connection: Connection, family: str, now: int, access: Mapping[str, Any], refresh: Mapping[str, Any] | None
) -> None:
    connection.execute(insert(access_tokens).values({"family": family, "issued": now, **access}))
    if refresh is not None:
        connection.execute(insert(refresh_tokens).values({"family": family, "issued": now, **refresh}))
    connection.execute(update(families).where(families.c.id == family).values(used=now))


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _family_values(family: Family) -> dict[str, Any]:
    return {**_fields(family), "services": " ".join(sorted(family.services))}


def _family(row: Mapping[str, Any]) -> Family:
    return Family(**{**row, "services": frozenset(row["services"].split())})


def _consent_values(entry: ConsentEntry) -> dict[str, Any]:
    return {**_fields(entry), "offered": " ".join(entry.offered), "granted": " ".join(entry.granted)}


Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock of production; tests inject their own."""
    return datetime.now(UTC)
