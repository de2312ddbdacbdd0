"""The table of what is asked about one person as a whole: erasing what is held, or holding it against erasure."""

from sqlalchemy import Column, DateTime, Index, LargeBinary, String, Table, Text

from gateway.store.schema import BigKey, metadata

person_case = Table(
    "person_case",
    metadata,
    Column("number", BigKey, primary_key=True, autoincrement=True),
    Column("kind", String(10), nullable=False, comment="erase or hold"),
    Column("provider", String(60), nullable=False),
    Column("person", String(64), nullable=False, comment="keyed pseudonym; empty once everything is erased"),
    Column("basis", String(40), nullable=False, comment="a row of the table of legal bases"),
    Column("reason", Text, nullable=False, comment="in the words of who asked; empty once everything is erased"),
    Column("asked", DateTime(timezone=True), nullable=False),
    Column("asked_by", String(120), nullable=False),
    Column("state", String(10), nullable=False, comment="asked, done or refused; held or ended"),
    Column("decided", DateTime(timezone=True)),
    Column("decided_by", String(120), nullable=False, comment="never who asked; empty: nobody yet"),
    Column("sealed_bsn", LargeBinary, nullable=False, comment="to look into what is sealed; empty once erased"),
    Column("counts", Text, nullable=False, comment="JSON: rows erased, by table"),
    Index(None, "person", "provider"),
    comment="requests to erase, decided by a second person, and what holds against them",
)
