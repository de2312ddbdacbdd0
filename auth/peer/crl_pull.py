"""Brings new revocation lists from their distribution points into the folder that `auth.peer.crl` reads (TLS-09).

Revocation lists carry their own signature, so they are published over plain HTTP. A list comes into the folder only
when an authority that we trust signed it and it is newer than what is there; a fault leaves the old one, which then
goes out of force by itself: closed, not open.
"""

import asyncio
import hashlib
import logging
import os
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx
from cryptography import x509

from auth.peer.certificates import Trust
from auth.peer.crl import LARGEST_FILE, RevocationList, parse

RETRY_SECONDS = 300
_log = logging.getLogger(__name__)


class CrlPuller:
    """Fetches revocation lists.

    Takes the addresses (the distribution points in the certificates of the hierarchy), the folder, the authorities
    that may sign, the time between two fetches and the longest time for one list.
    """

    def __init__(
        self,
        urls: Sequence[str],
        folder: Path,
        trust: Trust,
        *,
        interval_seconds: float = 3600,
        timeout_seconds: float = 60,
    ) -> None:
        self._urls = tuple(urls)
        self._folder = folder
        self._authorities = (*trust.roots, *trust.intermediates)
        self._interval = interval_seconds
        self._timeout = timeout_seconds

    async def refresh(self) -> tuple[str, ...]:
        """Fetch every list once; the faults, one sentence each. Never raises for a fault of network or content."""
        found = await asyncio.gather(*(self._one(url) for url in self._urls))
        return tuple(fault for fault in found if fault)

    async def run(self) -> None:
        """Refresh for ever, until the task is cancelled."""
        while True:
            faults: tuple[str, ...] = ("unforeseen",)
            try:
                faults = await self.refresh()
            except Exception:
                _log.exception("fetching revocation lists failed in an unforeseen way")
            pause = min(self._interval, RETRY_SECONDS) if faults else self._interval
            await asyncio.sleep(pause * random.uniform(0.8, 1.0))  # noqa: S311 - spreads load, hides nothing

    async def _one(self, url: str) -> str | None:
        try:
            async with asyncio.timeout(self._timeout):
                data = await self._download(url)
            await asyncio.to_thread(self._keep, url, data)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            fault = f"{url}: {str(error) or type(error).__name__}"[:300]
            _log.warning("revocation list not renewed: %s", fault)
            return fault
        return None

    async def _download(self, url: str) -> bytes:
        data = bytearray()
        async with (
            httpx.AsyncClient(
                trust_env=False, timeout=self._timeout, headers={"Accept-Encoding": "identity"}
            ) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"status {response.status_code}")
            async for chunk in response.aiter_raw():
                data += chunk
                if len(data) > LARGEST_FILE:
                    raise ValueError("too large")
        return bytes(data)

    def _keep(self, url: str, data: bytes) -> None:
        new = parse(data)
        if not any(self._signed(new, authority) for authority in self._authorities):
            raise ValueError("no trusted authority signed it")
        path = self._folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.crl"
        if path.exists() and parse(path.read_bytes()).last_update_utc >= new.last_update_utc:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)

    @staticmethod
    def _signed(new: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
        return new.issuer == authority.subject and RevocationList(new, frozenset(), "").signed_by(authority)
