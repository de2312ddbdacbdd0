"""Which databases there are: one row each, read by the settings and by the connection. Rules are data.

SQLAlchemy brings the dialects; the drivers are extras of the distribution, except those of SQLite and PostgreSQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SqlDialect:
    """A kind of database: how it is addressed, and how a question to it stays short and only reads."""

    name: str
    """The scheme of its address."""

    driver: str
    """SQLAlchemy's name of dialect and driver."""

    example: str
    extra: str | None = None
    """The extra that installs the driver."""

    begin: tuple[str, ...] = ()
    """Statements that begin a conversation; ``{ms}`` and ``{seconds}`` are what is left of the deadline."""

    snapshot: str | None = None
    """The level of isolation at which all queries see one moment, where the database must be set up for it."""

    connect: Mapping[str, object] = field(default_factory=dict)
    milliseconds: str | None = None
    """The attribute of the driver's connection that holds the longest time of a call, in milliseconds."""

    stop: str | None = None
    """The method of the driver's connection that another thread may call to stop it."""

    absent: tuple[str, ...] = ()
    """What its errors say when a table or column is not there, where the kind of error does not tell."""


DIALECTS: Mapping[str, SqlDialect] = {
    one.name: one
    for one in (
        SqlDialect(
            "sqlite",
            "sqlite",
            "sqlite:////srv/ehr.db",
            stop="interrupt",
            absent=("no such table", "no such column", "no such function"),
        ),
        SqlDialect(
            "postgresql",
            "postgresql+psycopg",
            "postgresql://gateway@db.internal/epd",
            begin=(
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
                "SET LOCAL statement_timeout = {ms}",
            ),
            connect={"connect_timeout": 3, "application_name": "medmij-gateway"},
            stop="cancel",
        ),
        SqlDialect(
            "oracle",
            "oracle+oracledb",
            "oracle://gateway@db.internal:1521/?service_name=EPD",
            extra="oracle",
            begin=("SET TRANSACTION READ ONLY",),
            connect={"tcp_connect_timeout": 3.0},
            milliseconds="call_timeout",
            stop="cancel",
            absent=("ORA-00942", "ORA-00904"),
        ),
        SqlDialect(
            "mssql",
            "mssql+pymssql",
            "mssql://gateway@db.internal/epd",
            extra="sqlserver",
            begin=("SET LOCK_TIMEOUT {ms}",),
            snapshot="SNAPSHOT",
            # The driver has no longest time per call: a thread that hangs is given up, and ends with this.
            connect={"login_timeout": 3, "timeout": 60, "read_only": True, "appname": "medmij-gateway"},
            absent=("(207,", "(208,"),
        ),
        SqlDialect(
            "mysql",
            "mysql+pymysql",
            "mysql://gateway@db.internal/epd?charset=utf8mb4",
            extra="mysql",
            # MySQL and MariaDB each read their own comment.
            begin=(
                "SET @gateway = 1 /*!50708 , SESSION max_execution_time = {ms} */"
                " /*M!100100 , SESSION max_statement_time = {seconds} */",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ),
            connect={"connect_timeout": 3, "read_timeout": 60},
            absent=("1054", "1146"),
        ),
    )
}


def dialect_of(url: str) -> SqlDialect:
    """The row of an address, with or without the name of the driver in it. Raises ValueError."""
    scheme, mark, _ = url.partition("://")
    found = DIALECTS.get(scheme.partition("+")[0])
    if not mark or found is None or scheme not in (found.name, found.driver):
        raise ValueError(f"an address of {', '.join(DIALECTS)} is expected")
    return found
