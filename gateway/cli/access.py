"""When a command opens or changes data of patients: the record of it in the access trail, and where the data go."""

import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from gateway.audit.record import AuditRecord
from gateway.audit.trail import AuditUnavailable
from gateway.cli.context import errors, fail
from gateway.release.rules import ReleaseRules
from gateway.settings import Settings, SettingsError
from gateway.wiring import recording, release_rules


def audited(engine: Engine, settings: Settings, records: Iterable[AuditRecord]) -> None:
    """Make audit records durable. Raises AuditUnavailable."""
    with recording(engine, settings) as trail:
        trail.write_now(list(records))


def opened(engine: Engine, settings: Settings, what: str, **about: Any) -> None:
    """Record that an operator opens data of a patient (NEN 7513); ends the command when that cannot be recorded."""
    at = datetime.now(UTC)
    record = AuditRecord("operator:resource:read", at, 200, client=operator(), interaction=what, **about)
    try:
        audited(engine, settings, [record])
    except AuditUnavailable:
        fail("the access cannot be recorded, so nothing is shown")


def release_table(settings: Settings) -> ReleaseRules:
    """What may be shown, and from when; a file that cannot be used ends the command."""
    try:
        return release_rules(settings)
    except SettingsError as fault:
        fail(str(fault))


def operator() -> str:
    """The account that runs the command: by name, else (in a container, mostly) by number."""
    try:
        return getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def deliver(content: bytes, output: Path | None) -> None:
    """Write data of a patient to a file that only its owner may read, or to standard output."""
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    output.touch(0o600)
    if output.is_file():
        output.chmod(0o600)  # of a file that was there already, whoever could read it before
    output.write_bytes(content)
    errors.print(f"written to {output}", highlight=False, markup=False, soft_wrap=True)
