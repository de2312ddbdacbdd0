"""MLLP listeners: one per source. A message is acknowledged (AA) when it is durable, audit record included.

In enhanced mode it is acknowledged (CA) as soon as it is kept, and carried out after that.

AE: something is wrong with what the message says. AR: it is not of a kind that is taken, or the store does not answer;
after 207 the same message can be sent again. Nothing of a message that gets AE or AR is stored, except in quarantine.
"""

import asyncio
import contextlib
import ipaddress
import logging
import ssl
from collections.abc import AsyncIterator

from sqlalchemy.exc import SQLAlchemyError

from auth.crypto import SealError
from gateway.audit.trail import AuditUnavailable, Trail
from gateway.intake.hl7v2.acknowledge import Answered, ErrorSegment, Header, acknowledgement, batched, commit, replies
from gateway.intake.hl7v2.frames import Frames, MessageBatch, framed, messages_of
from gateway.intake.hl7v2.message import MessageFault
from gateway.intake.hl7v2.take import MessageOutcome, MessageTaker
from gateway.intake.settings import MllpSettings
from gateway.intake.work import Intake
from gateway.intake.worker import Worker, note
from gateway.store.reader import StoreUnavailable

log = logging.getLogger("gateway.intake.hl7v2")

FRAME_SECONDS = 10.0
"""Time in which a frame must have come whole, and in which a sender must take its answer."""
AGAIN_SECONDS = 2.0
"""Pause before a message that was kept is tried again when the store does not answer."""


class MllpListener:
    """Takes the messages of one source."""

    def __init__(
        self,
        name: str,
        settings: MllpSettings,
        intake: Intake,
        trail: Trail,
        worker: Worker,
        *,
        production: bool = False,
    ) -> None:
        """Raises AdapterMisconfigured for a mapping that cannot be used."""
        self._name = name
        self._settings = settings
        self._limit = intake.settings.body_bytes
        self._seconds = min(FRAME_SECONDS, intake.settings.body_seconds)
        self._trail = trail
        self._worker = worker
        self._taker = MessageTaker(name, settings, intake, production=production)
        self._peers = tuple(ipaddress.ip_network(peer, strict=False) for peer in settings.peers)
        self._ending = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._catching_up: asyncio.Task[None] | None = None
        self._open: dict[asyncio.Task[None], bool] = {}
        """The connections, the one that was used longest ago first; True: nothing is being answered on it."""

    async def start(self) -> asyncio.Server:
        """Listen. Raises OSError or ssl.SSLError."""
        one = self._settings
        self._catching_up = asyncio.create_task(self._catch_up(), name=f"hl7v2 {self._name}")
        return await asyncio.start_server(
            self._connected, one.host, one.port, limit=self._limit, ssl=_context(one), backlog=100
        )

    async def caught_up(self) -> None:
        """Wait until all that an earlier process kept is carried out."""
        await self._caught_up.wait()

    async def stop(self, server: asyncio.Server) -> None:
        """Stop listening and end the connections; a message that is being worked on is finished first."""
        server.close()
        self._ending.set()
        if self._catching_up is not None:
            await self._catching_up
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or not self._is_peer(writer):
            writer.close()
            return
        if len(self._open) >= self._settings.connections and not self._make_room():
            log.warning("%s: a connection is refused, %d are open", self._name, len(self._open))
            writer.close()
            return
        self._open[task] = True
        frames = Frames(reader, self._seconds)
        try:
            while (frame := await frames.next()) is not None:
                if frames.passed:
                    log.warning("%s: %d bytes outside a frame were passed over", self._name, frames.passed)
                    frames.passed = 0
                self._open[task] = False
                await asyncio.shield(self._worked_off(frame, writer))
                # Behind all others: who sends messages is the last to make room.
                self._open.pop(task, None)
                self._open[task] = True
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as fault:
            log.warning("%s: connection ended: %s", self._name, type(fault).__name__)
        except asyncio.CancelledError:
            pass
        finally:
            self._open.pop(task, None)
            writer.close()

    def _make_room(self) -> bool:
        """End the connection that was used longest ago, if there is one on which nothing is being answered."""
        idle = next((task for task, idle in self._open.items() if idle), None)
        if idle is None:
            return False
        log.warning("%s: %d connections are open; the one used longest ago is ended", self._name, len(self._open))
        del self._open[idle]
        idle.cancel()
        return True

    def _is_peer(self, writer: asyncio.StreamWriter) -> bool:
        address = ipaddress.ip_address(str((writer.get_extra_info("peername") or ("0.0.0.0",))[0]))  # noqa: S104
        plain = getattr(address, "ipv4_mapped", None) or address
        found = any(plain in network for network in self._peers)
        if not found:
            log.warning("%s: a connection from an address that is not in peers", self._name)
        return found

    async def _worked_off(self, frame: bytes, writer: asyncio.StreamWriter) -> None:
        """Carry out a frame and answer it; when the sender is gone it is carried out all the same."""
        gone: OSError | TimeoutError | None = None
        async for reply in self.answers(frame):
            if gone is None:
                try:
                    await _sent(writer, reply)
                except (OSError, TimeoutError) as fault:
                    gone = fault
        if gone is not None:
            raise gone

    async def answers(self, frame: bytes) -> AsyncIterator[bytes]:
        """What goes back for a frame: nothing for an acknowledgement, one batch for a batch. Never raises."""
        await self.caught_up()
        batch = messages_of(frame)
        if batch.opening:
            yield batched(batch.opening, await self._batch(batch))
            return
        for raw in batch.messages:
            async for reply in self._replies(raw):
                yield reply

    async def _batch(self, batch: MessageBatch) -> list[bytes]:
        if batch.complete:
            return [acknowledgement(Header(raw), said.code, said.lines) for raw in batch.messages
                    for said in (await self._said(raw),)]  # fmt: skip
        log.warning("%s: a batch without all its messages is refused", self._name)
        line = ErrorSegment(
            "E", "102", "BTS-1 or FTS-1: the batch does not hold as much as it says; nothing was stored"
        )
        return [acknowledgement(Header(raw), "AE", (line,)) for raw in batch.messages]

    async def _replies(self, raw: bytes) -> AsyncIterator[bytes]:
        header = Header(raw)
        if header.is_answer:
            log.info("%s: an acknowledgement came in; it is not answered", self._name)
            return
        number = await self._committed(raw) if header.told_later else None
        for reply in commit(raw) if number is not None else ():
            yield reply
        said = await self._said(raw) if number is None else await self._carried_out(number, raw)
        for reply in replies(raw, said, committed=number is not None):
            yield reply

    async def _committed(self, raw: bytes) -> int | None:
        """Keep a message that can be read before anything is said; None when it cannot be read or kept."""
        try:
            kind = (await self._worker.run(lambda: self._taker.read(raw))).kind
            return await self._worker.run(lambda: self._taker.waiting.keep(raw, kind))
        except MessageFault:
            return None
        except Exception as fault:
            log.error("%s: a message could not be kept: %s", self._name, type(fault.__cause__ or fault).__name__)
            return None

    async def _carried_out(self, number: int, raw: bytes) -> Answered:
        """Carry out a message that is kept, however long the store does not answer. It is kept until that is done."""
        while (said := await self._said(raw)).again and not self._ending.is_set():
            await self._pause()
        if not said.again:
            with contextlib.suppress(StoreUnavailable, SQLAlchemyError):
                await self._worker.run(lambda: self._closed(number, raw, said))
        return said

    def _closed(self, number: int, raw: bytes, said: Answered) -> None:
        """It waits no more; what nobody foresaw (AR, after it was read and kept) is for people to look at."""
        if said.code == "AR":
            header = Header(raw)
            self._taker.hold(raw, f"{header.component(9, 1)}^{header.component(9, 2)}", said.lines)
        self._taker.waiting.done(number)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_SECONDS):
                await self._ending.wait()

    async def _catch_up(self) -> None:
        """Carry out what an earlier process kept and did not finish, before anything new."""
        try:
            while not self._ending.is_set():
                try:
                    for number, raw in await self._worker.run(lambda: list(self._taker.waiting.left())):
                        log.warning("%s: a message that was kept by an earlier process is carried out", self._name)
                        await self._carried_out(number, raw)
                    return
                except (StoreUnavailable, SQLAlchemyError, SealError) as fault:
                    log.error("%s: messages that wait cannot be read: %s", self._name, type(fault).__name__)
                    await self._pause()
        finally:
            self._caught_up.set()

    async def _said(self, raw: bytes) -> Answered:
        try:
            outcome: MessageOutcome = await self._worker.run(lambda: self._take(raw))
            await note(self._trail, outcome.records)
            return outcome.said
        except (StoreUnavailable, AuditUnavailable, SQLAlchemyError) as fault:
            log.error("%s: store or audit unavailable: %s", self._name, type(fault.__cause__ or fault).__name__)
            line = ErrorSegment("E", "207", "temporarily unavailable, not stored; send it again")
            return Answered("AR", (line,), again=True)
        except Exception:
            log.exception("%s: unexpected fault", self._name)
            return Answered("AR", (ErrorSegment("E", "207", "an internal error, which was logged"),))

    def _take(self, raw: bytes) -> MessageOutcome:
        """Take it; in enhanced mode a message with faulty content is kept, as the commit answer says that it is."""
        outcome = self._taker.take(raw)
        header = Header(raw)
        if (
            outcome.said.code == "AE"
            and not outcome.said.kept
            and header.enhanced
            and header[16].upper() in ("AL", "ER")
        ):
            self._taker.hold(raw, f"{header.component(9, 1)}^{header.component(9, 2)}", outcome.said.lines)
            return MessageOutcome(Answered("AE", outcome.said.lines, kept=True), outcome.records)
        return outcome


async def _sent(writer: asyncio.StreamWriter, reply: bytes) -> None:
    writer.write(framed(reply))
    async with asyncio.timeout(FRAME_SECONDS):
        await writer.drain()


def _context(settings: MllpSettings) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.certificate, settings.key)
    if settings.trust is not None:
        context.load_verify_locations(cafile=settings.trust)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
