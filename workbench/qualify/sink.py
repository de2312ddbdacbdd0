"""Where qualification sets go: fixtures into the store, tokens into the authorization server (test mode only)."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from gateway.intake.load import Loaded, Loader
from gateway.intake.read import Item
from gateway.settings import Settings
from gateway.store.unit import Owner
from gateway.wiring import keys_of
from profiles.record.expect import Expectations
from profiles.standards.load import catalogue
from workbench.qualify.loadset import LoadItem
from workbench.statictokens import TOKENS, issue


class StoreSink:
    """Implements ``workbench.qualify.ports.Sink``. ``bsn`` maps patient ids to the numbers that are masked there."""

    def __init__(self, engine: Engine, settings: Settings, bsn: Mapping[str, str]) -> None:
        self._engine = engine
        self._settings = settings
        self._bsn = bsn

    def store(self, resources: Sequence[LoadItem], provider: str, source: str) -> Loaded:
        """Store the fixtures in one transaction; what cannot be placed is in the result."""
        items = [
            Item(one.origin, one.version, one.resource, one.original, _short(one.media), patient=one.patient)
            for one in resources
        ]
        owner = Owner(provider, source, *keys_of(self._settings))
        with self._engine.begin() as connection:
            return Loader(connection, owner, Expectations(catalogue()), self._bsn.get).load(items)

    def tokens(self, rows: Sequence[dict[str, Any]]) -> None:
        """Accept the tokens from now on."""
        issue(self._engine, self._settings, TOKENS.validate_python(list(rows)))


def _short(media: str) -> str:
    return "xml" if "xml" in media else "json"
