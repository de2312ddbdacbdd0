"""The tables of the authorization server: one MetaData, for SQLite and PostgreSQL.

Codes, tokens and cookies are kept as SHA-256 digests only; sessions and citizen numbers are sealed by the caller before
they come here. Times are UTC in whole milliseconds since 1970, which every driver reads alike.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

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
    Column("login_subject", _Id, index=True, comment="keyed hash of who the login bridge says logged in"),
    Column("login_session", _Id, index=True, comment="keyed hash of the bridge's own session"),
    Column("login_at", BigInteger, comment="when the person logged in, by the bridge's clock"),
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
    Column("flow", _Id),
    Column("started", BigInteger),
    Index("auth_family_person", "subject", "provider", "client"),
    Index("auth_family_actor", "actor"),
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
    Column("label", String(160)),
    comment="Access tokens, as digests; label says under what their use is counted",
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
