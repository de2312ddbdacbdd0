"""Stating on a schedule how far the chain of this process came, at every place, signed."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit.findings import ChainBreak
from gateway.audit.heads import Head, Signer, private_key, public_key, read_heads
from gateway.audit.places import FilePlace, Place, PlaceSilent, open_place
from gateway.audit.settings import AuditSettings

log = logging.getLogger("gateway.audit")

FIRST = 0.5
"""Seconds between two looks until the first head is stated."""


class Heads:
    """States heads at the places of the settings. A place that does not answer gets the newest one the next time."""

    def __init__(self, signer: Signer, places: Sequence[Place], seconds: float) -> None:
        self._signer = signer
        self._places = places
        self._seconds = seconds
        self._stated: dict[tuple[str, str], int] = {}
        self._unsigned_since: float | None = None
        self.failures = 0

    @property
    def unsigned_seconds(self) -> float:
        """How long there has been something that a place has not taken yet; 0 when all is stated."""
        since = self._unsigned_since
        return 0.0 if since is None else time.monotonic() - since

    def state(self, head: Head | None) -> None:
        """State a head now, where it is not stated yet. Never raises: what failed is logged and counted."""
        failed = False
        for place in self._places:
            if head is None or self._stated.get((place.url, head.chain), 0) >= head.sequence:
                continue
            told = Head(head.chain, head.sequence, head.mac, datetime.now(UTC))
            try:
                place.put(self._signer.line(told), f"{head.chain}-{head.sequence:010}.json")
            except PlaceSilent as fault:
                failed = True
                self.failures += 1
                log.warning("a head of the audit trail was not stated at %s: %s", place.url, fault)
            else:
                self._stated[place.url, head.chain] = head.sequence
        if not failed:
            self._unsigned_since = None
        elif self._unsigned_since is None:
            self._unsigned_since = time.monotonic()

    async def run(self, head: Callable[[], Head | None]) -> None:
        """State the first head soon, and then the newest every so often, until cancelled."""
        while True:
            await asyncio.sleep(self._seconds if self._stated else FIRST)
            try:
                await asyncio.to_thread(self.state, head())
            except Exception:
                log.exception("a head of the audit trail was not stated")


def open_heads(settings: AuditSettings) -> Heads | None:
    """What states heads as the settings say; None when they name no place."""
    if not settings.places or settings.signing_key is None:
        return None
    secret = settings.authorization.get_secret_value() if settings.authorization else None
    signer = Signer(private_key(settings.signing_key.get_secret_value()))
    return Heads(signer, [open_place(one, secret) for one in settings.places], settings.seconds)


def known_keys(settings: AuditSettings) -> list[Ed25519PublicKey]:
    """The keys under which statements are believed."""
    found = [public_key(one) for one in settings.public_keys]
    if settings.signing_key is not None:
        found.append(private_key(settings.signing_key.get_secret_value()).public_key())
    return found


def stated_heads(settings: AuditSettings, paths: Sequence[Path] = ()) -> tuple[list[Head], list[ChainBreak]]:
    """The heads in these files and folders, else in the files of the settings that are there. Raises OSError.

    A place that should have a file and has none is a fault: somebody took it away, or it never came to be.
    """
    missing: list[ChainBreak] = []
    if not paths:
        places = [one for one in (open_place(url) for url in settings.places) if isinstance(one, FilePlace)]
        paths = [one.path for one in places if one.path.exists()]
        missing = [
            ChainBreak("", 0, f"there are no statements at {one.path}", "statement")
            for one in places
            if one.path not in paths
        ]
    heads, faults = read_heads(paths, known_keys(settings))
    return heads, [*missing, *faults]
