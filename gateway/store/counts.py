"""The tables of what is counted of visits, in the same MetaData as `gateway.store.schema`."""

from sqlalchemy import Column, DateTime, Integer, LargeBinary, String, Table, Text

from gateway.store.schema import metadata

usage_event = Table(
    "usage_event",
    metadata,
    Column("chain", String(36), primary_key=True, comment="of the access trail, or of a process run"),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
    Column("provider", String(60), nullable=False),
    Column("event", LargeBinary, nullable=False, comment="what is counted, canonical JSON; names nobody"),
    Column("mac", LargeBinary(32), nullable=False),
    comment="the ends of steps of visits, each written in the transaction that ended the step; append only",
)

usage_chain = Table(
    "usage_chain",
    metadata,
    Column("chain", String(36), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("mac", LargeBinary(32), nullable=False),
    comment="how far the chain of each process run is",
)

usage_key = Table(
    "usage_key",
    metadata,
    Column("provider", String(60), primary_key=True),
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, comment="none: destroyed, after the figures of the year"),
    comment="the keys of pseudonyms of persons and visits, one per provider and year",
)

usage_report = Table(
    "usage_report",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("provider", String(60), primary_key=True),
    Column("month", String(7), primary_key=True, comment="YYYY-MM, in the Netherlands"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("made", DateTime(timezone=True), nullable=False),
    Column("figures", LargeBinary, nullable=False, comment="JSON: figures and what changed; names nobody"),
    Column("checked", DateTime(timezone=True)),
    Column("checked_by", String(120), nullable=False, server_default="", comment="who looked at it before its release"),
    Column("released", DateTime(timezone=True)),
    Column("released_by", String(120), nullable=False, comment="an account; empty: nobody yet"),
    Column("delivered", DateTime(timezone=True)),
    Column("proof", Text, nullable=False, comment="where it went, and the SHA-256 of what went"),
    comment="reports of a month; a correction is a new version",
)
