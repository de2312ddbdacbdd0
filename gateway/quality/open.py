"""The parts of data quality, made from the settings."""

from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from gateway.quality.gate import Counting, Gate
from gateway.quality.recorder import Recorder
from gateway.quality.serving import Serving
from gateway.quality.store import forget, oldest, save
from gateway.quality.verdicts import Verdicts
from gateway.settings import Settings
from profiles.standards.load import catalogue


def open_gate(settings: Settings) -> Gate:
    """The gate for what comes in and what is fetched."""
    named = frozenset(url for _, url in Serving(catalogue()).profiles)
    verdicts = Verdicts(settings.package_cache, settings.validation.terminology_url)
    return Gate(settings.validation, catalogue(), Counting(verdicts, named))


def open_recorder(engine: Engine, settings: Settings) -> Recorder:
    """The recorder of a running gateway, with its gate."""
    return Recorder(engine, open_gate(settings), settings.validation)


def save_counts(connection: Connection, settings: Settings, gate: Gate) -> None:
    """Write what the gate counted inside the caller's transaction: for commands, which have no recorder."""
    save(connection, gate.counting.take())
    forget(connection, oldest(datetime.now(UTC).date(), settings.validation.retention_days))
