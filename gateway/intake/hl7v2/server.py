"""MLLP listeners: one per source. A message is acknowledged (AA) when it is durable, audit record included.

AE: something is wrong with what the message says. AR: it is not of a kind that is taken, or the store does not answer;
after 207 the same message can be sent again. Nothing of a message that gets AE or AR is stored, except in quarantine.
"""

import asyncio
import ipaddress
import logging
import ssl

from sqlalchemy.exc import SQLAlchemyError

from gateway.audit.trail import AuditUnavailable, Trail
from gateway.intake.hl7v2.acknowledge import Answered, ErrorSegment, Header, acknowledgement, batched, replies
from gateway.intake.hl7v2.frames import Frames, MessageBatch, framed, messages_of
from gateway.intake.hl7v2.take import MessageOutcome, MessageTaker
from gateway.intake.settings import MllpSettings
from gateway.intake.work import Intake
from gateway.intake.worker import Worker, note
from gateway.store.reader import StoreUnavailable

log = logging.getLogger("gateway.intake.hl7v2")

FRAME_SECONDS = 10.0
"""Time in which a frame must have come whole, and in which a sender must take its answer."""


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
        self._open: dict[asyncio.Task[None], bool] = {}
        """The connections, the one that was used longest ago first; True: nothing is being answered on it."""

    async def start(self) -> asyncio.Server:
        """Listen. Raises OSError or ssl.SSLError."""
        one = self._settings
        return await asyncio.start_server(
            self._connected, one.host, one.port, limit=self._limit, ssl=_context(one), backlog=100
        )

    async def stop(self, server: asyncio.Server) -> None:
        """Stop listening and end the connections; a message that is being worked on is finished first."""
        server.close()
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
                for reply in await asyncio.shield(self.answer(frame)):
                    writer.write(framed(reply))
                async with asyncio.timeout(FRAME_SECONDS):
                    await writer.drain()
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

    async def answer(self, frame: bytes) -> list[bytes]:
        """What goes back for a frame: nothing for an acknowledgement, one batch for a batch. Never raises."""
        batch = messages_of(frame)
        if not batch.opening:
            return [reply for raw in batch.messages for reply in await self._replies(raw)]
        return [batched(batch.opening, await self._batch(batch))]

    async def _batch(self, batch: MessageBatch) -> list[bytes]:
        if batch.complete:
            return [acknowledgement(Header(raw), said.code, said.lines) for raw in batch.messages
                    for said in (await self._said(raw),)]  # fmt: skip
        log.warning("%s: a batch without all its messages is refused", self._name)
        line = ErrorSegment(
            "E", "102", "BTS-1: the batch does not hold as many messages as it says; nothing was stored"
        )
        return [acknowledgement(Header(raw), "AE", (line,)) for raw in batch.messages]

    async def _replies(self, raw: bytes) -> list[bytes]:
        if Header(raw).is_answer:
            log.info("%s: an acknowledgement came in; it is not answered", self._name)
            return []
        return replies(raw, await self._said(raw))

    async def _said(self, raw: bytes) -> Answered:
        try:
            outcome: MessageOutcome = await self._worker.run(lambda: self._take(raw))
            await note(self._trail, outcome.records)
            return outcome.said
        except (StoreUnavailable, AuditUnavailable, SQLAlchemyError) as fault:
            log.error("%s: store or audit unavailable: %s", self._name, type(fault.__cause__ or fault).__name__)
            return Answered("AR", (ErrorSegment("E", "207", "temporarily unavailable, not stored; send it again"),))
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
