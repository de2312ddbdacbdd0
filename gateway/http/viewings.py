"""Images that a client fetches one after another, recorded as what it is: a person looks at a study.

The opening of a study is durable before the first image leaves, like every record. What was seen of it, per series and
image by image, is written when the client has been silent for a while, and at least every quarter of an hour
(docs/adr/0017-images-are-recorded-by-study.md).
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.audit.record import SEEN, AuditRecord
from gateway.audit.trail import AuditUnavailable, Trail, UseOf

SILENCE = 60.0
"""Seconds without a request after which a viewing is over."""
LONGEST = 900.0
"""Seconds after which what was seen is written, however busy the client is."""
MOST = 2_000
"""Most images of one viewing; then what was seen is written first."""
EVERY = 5.0
"""Seconds between two looks for viewings that are over."""

log = logging.getLogger("gateway.http")


class ImageAt(NamedTuple):
    """An image by its DICOM UIDs."""

    study: str
    series: str
    instance: str


@dataclass
class Viewing:
    """A study that is open. ``durable`` is the writing of its opening."""

    opening: AuditRecord
    began: float
    last: float
    durable: "asyncio.Task[None]"
    seen: dict[str, dict[str, None]] = field(default_factory=dict)
    """Images by series, each once."""

    @property
    def count(self) -> int:
        """How many images."""
        return sum(map(len, self.seen.values()))

    def closing(self) -> AuditRecord:
        """The record of what was seen: the study, then per series its images."""
        study = self.opening.objects[0]
        objects = [study, *(f"{series}: {' '.join(images)}" for series, images in self.seen.items())]
        return replace(
            self.opening, at=datetime.now(UTC), action=f"pgo:resource:{SEEN}", interaction=SEEN,
            resources=(("DICOM", self.count),), objects=tuple(objects),
        )  # fmt: skip


class Viewings:
    """The studies that are open in this process."""

    def __init__(self, trail: Trail, clock: Callable[[], float] = time.monotonic) -> None:
        self._trail = trail
        self._clock = clock
        self._open: dict[tuple[str, ...], Viewing] = {}
        self._runs: asyncio.Task[None] | None = None

    async def see(self, record: AuditRecord, use: UseOf, image: ImageAt) -> None:
        """Note an image before it leaves. ``record`` is that of its request; AuditUnavailable: it must not leave."""
        key = (record.provider, record.service, record.client, record.person, record.actor, record.basis, image.study)
        while True:
            viewing = self._open.get(key)
            if viewing is not None and viewing.count >= MOST:
                await self._close(key, viewing)
                continue
            viewing = viewing or self._opened(key, replace(record, objects=(image.study,)), use)
            await self._durable(key, viewing)
            if self._open.get(key) is viewing:
                break  # Else what was seen was written while we waited: this image belongs to the next viewing.
        viewing.last = self._clock()
        viewing.seen.setdefault(image.series, {})[image.instance] = None

    def _opened(self, key: tuple[str, ...], record: AuditRecord, use: UseOf) -> Viewing:
        opening = replace(record, resources=(("ImagingStudy", 1),))
        writing = asyncio.create_task(self._trail.write(opening, use), name="study opened")
        made = self._open[key] = Viewing(opening, self._clock(), self._clock(), writing)
        if self._runs is None or self._runs.done():
            self._runs = asyncio.create_task(self._run(), name="viewings")
        return made

    async def _durable(self, key: tuple[str, ...], viewing: Viewing) -> None:
        try:
            # Whoever waits with us may give up; the record is everybody's.
            await asyncio.shield(viewing.durable)
        except AuditUnavailable:
            if self._open.get(key) is viewing:
                del self._open[key]
            raise

    async def sweep(self) -> None:
        """Write what was seen in the viewings that are over; what cannot be written now stays for the next time."""
        now = self._clock()
        for key, viewing in list(self._open.items()):
            if now - viewing.last >= SILENCE or now - viewing.began >= LONGEST:
                with suppress(AuditUnavailable):
                    await self._close(key, viewing)

    async def aclose(self) -> None:
        """Write what was seen in every viewing, and end. What the store does not take is told in the log, by number."""
        if self._runs is not None:
            self._runs.cancel()
        for key, viewing in list(self._open.items()):
            try:
                await self._close(key, viewing)
            except AuditUnavailable:
                log.error("audit: what was seen of a study (%d images) could not be written", viewing.count)

    async def _close(self, key: tuple[str, ...], viewing: Viewing) -> None:
        if self._open.get(key) is not viewing:
            return
        del self._open[key]
        if not viewing.count:
            return  # Its opening is being written, or could not be.
        try:
            await self._trail.write(viewing.closing())
        except AuditUnavailable:
            # A client that asked meanwhile has a viewing of its own by now: what was seen before belongs to it too.
            other = self._open.setdefault(key, viewing)
            for series, images in viewing.seen.items():
                other.seen.setdefault(series, {}).update(images)
            raise

    async def _run(self) -> None:
        while self._open:
            await asyncio.sleep(EVERY)
            await self.sweep()
