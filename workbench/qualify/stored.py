"""Where qualification sets go: fixtures into the store, tokens into the authorization server (test mode only)."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from gateway.cli.access import operator
from gateway.intake.bulk import bring
from gateway.intake.outcome import ImportOutcome
from gateway.intake.read import InputItem
from gateway.intake.sender import Door
from gateway.settings import Settings
from gateway.wiring import open_gate, recording, save_counts
from gateway.wiring.intake import open_intake
from workbench.qualify.loadset import LoadItem
from workbench.statictokens import TOKENS, issue


class StoredSet:
    """Takes what a set needs in a gateway before its scripts can run. ``bsn`` maps
    patient ids to the numbers that are masked there."""

    def __init__(self, engine: Engine, settings: Settings, bsn: Mapping[str, str]) -> None:
        self._engine = engine
        self._settings = settings
        self._bsn = bsn

    def store(self, resources: Sequence[LoadItem], provider: str, source: str, outcome: ImportOutcome) -> None:
        """Store the fixtures, as an import of files would; what cannot be placed is told to ``outcome``.

        Raises AuditUnavailable.
        """
        items = [
            InputItem(one.origin, frozenset({one.version}), one.resource, one.original, _short(one.media),
                 patient=one.patient or "")
            for one in resources
        ]  # fmt: skip
        gate = open_gate(self._settings)
        intake = open_intake(self._engine, self._settings, gate)
        sender = intake.importer(provider, source, Door("operator", operator(), f"{source}: qualification set"))
        records = bring(intake, sender, items, outcome, self._bsn)
        with recording(self._engine, self._settings) as trail:
            trail.write_now(records)
        with self._engine.begin() as connection:
            save_counts(connection, self._settings, gate)

    def tokens(self, rows: Sequence[dict[str, Any]]) -> None:
        """Accept the tokens from now on."""
        issue(self._engine, self._settings, TOKENS.validate_python(list(rows)))


def _short(media: str) -> str:
    return "xml" if "xml" in media else "json"
