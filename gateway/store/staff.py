"""The table of the sessions of the staff pages."""

from sqlalchemy import Column, DateTime, LargeBinary, String, Table, Text

from gateway.store.schema import metadata

staff_session = Table(
    "staff_session",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True, comment="SHA-256 of the cookie"),
    Column("account", String(120), nullable=False, index=True),
    Column("content", Text, nullable=False, comment="JSON: name, roles, departments, providers"),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("used", DateTime(timezone=True), nullable=False, index=True),
    comment="who of the staff is logged in; nothing of a patient",
)
