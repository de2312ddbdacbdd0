"""MLLP listeners: one per source. A message is acknowledged (AA) when it is durable, audit record included.

AE: something is wrong with what the message says. AR: it is not of a kind that is taken, or the store does not answer;
after 207 the same message can be sent again. Nothing of a message that gets AE or AR is stored, except in quarantine.
"""

import asyncio
import hashlib
import ipaddress
import logging
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime

from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server

from gateway.audit.trail import AuditUnavailable, Trail
from gateway.intake.hl7v2.mapping import SHIPPED, MessageMapping, load_mapping
from gateway.intake.hl7v2.message import Message, MessageFault
from gateway.intake.refusal import Refusal
from gateway.intake.settings import MllpSettings
from gateway.intake.tasks import Push
from gateway.intake.work import Intake, Taken
from gateway.intake.worker import Worker, note
from gateway.store.reader import StoreUnavailable
from profiles.fhir.errors import FormatError

log = logging.getLogger("gateway.intake.hl7v2")

BEGIN, END = b"\x0b", b"\x1c\r"
CONNECTIONS = 20
"""Most connections of one source."""
ERRORS = {"100": "Segment sequence error", "101": "Required field missing", "102": "Data type error",
          "200": "Unsupported message type", "202": "Unsupported processing id", "203": "Unsupported version id",
          "204": "Unknown key identifier", "207": "Application internal error"}  # fmt: skip


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
        self._name = name
        self._settings = settings
        self._intake = intake
        self._trail = trail
        self._worker = worker
        self._production = production
        self._mapping: MessageMapping = load_mapping(settings.mapping or SHIPPED)
        self._peers = tuple(ipaddress.ip_network(peer, strict=False) for peer in settings.peers)
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> asyncio.Server:
        """Listen. Raises OSError or ssl.SSLError."""
        server: asyncio.Server = await start_hl7_server(
            self._connected, self._settings.host, self._settings.port, limit=self._intake.settings.body_bytes,
            ssl=_context(self._settings),
        )  # fmt: skip
        return server

    async def stop(self, server: asyncio.Server) -> None:
        """Stop listening and end the connections; a message that is being worked on is finished first."""
        server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._open) >= CONNECTIONS or not self._is_peer(writer):
            writer.close()
            return
        self._open.add(task)
        try:
            while (raw := await self._next(reader)) is not None:
                reply = await asyncio.shield(self.answer(raw))
                writer.writeblock(reply)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as fault:
            log.warning("%s: connection ended: %s", self._name, type(fault).__name__)
        except asyncio.CancelledError:
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _next(self, reader: HL7StreamReader) -> bytes | None:
        """The next message; a connection may wait for long between messages, but not within one."""
        try:
            first = await reader.readexactly(1)
        except asyncio.IncompleteReadError:
            return None
        if first != BEGIN:
            raise OSError("not MLLP")
        async with asyncio.timeout(self._intake.settings.body_seconds):
            block: bytes = await reader.readuntil(END)
        return block[: -len(END)]

    def _is_peer(self, writer: HL7StreamWriter) -> bool:
        address = ipaddress.ip_address(str((writer.get_extra_info("peername") or ("0.0.0.0",))[0]))  # noqa: S104
        plain = getattr(address, "ipv4_mapped", None) or address
        found = any(plain in network for network in self._peers)
        if not found:
            log.warning("%s: a connection from an address that is not in peers", self._name)
        return found

    async def answer(self, raw: bytes) -> bytes:
        """The acknowledgement of a message. Never raises."""
        message: Message | None = None
        try:
            message = Message.read(raw, self._settings.encoding)
            read = message
            self._check(read)
            taken: Taken = await self._worker.run(lambda: self._take(read))
            await note(self._trail, taken.records)
            if taken.answer.status < 400:
                return acknowledgement(message, "AA")
            issues = [issue["details"]["text"] for issue in taken.answer.resource["issue"][:5]]
            if taken.answer.status == 503:
                return acknowledgement(message, "AR", "207", issues[:1])
            return acknowledgement(message, "AE", "204" if taken.answer.status == 409 else "102", issues)
        except MessageFault as fault:
            log.warning("%s: message refused: %s", self._name, fault.text)
            return acknowledgement(message, "AR" if fault.rejected else "AE", fault.code, [fault.text])
        except (FormatError, Refusal) as fault:
            return acknowledgement(message, "AE", "102", [str(fault)[:200]])
        except (StoreUnavailable, AuditUnavailable) as fault:
            log.error("%s: store or audit unavailable: %s", self._name, type(fault.__cause__).__name__)
            return acknowledgement(message, "AR", "207", ["temporarily unavailable, not stored; send it again"])
        except Exception:
            log.exception("%s: unexpected fault", self._name)
            return acknowledgement(message, "AR", "207", ["an internal error, which was logged"])

    def _check(self, message: Message) -> None:
        header = message.header
        if message.kind not in self._mapping.messages:
            raise MessageFault("200", "this message type and event are not taken", rejected=True)
        if not str(header["MSH_12"] or "").startswith("2."):
            raise MessageFault("203", "only version 2 of HL7", rejected=True)
        if self._production and header["MSH_11"] != "P":
            raise MessageFault("202", "only processing id P", rejected=True)
        if not header["MSH_10"]:
            raise MessageFault("101", "MSH-10: no message control id")

    def _take(self, message: Message) -> Taken:
        digest = hashlib.sha256(message.raw).digest()
        # Some senders begin their numbers anew: the same number with another content is another message.
        request_id = f"{str(message.header['MSH_10'])[:60]}:{digest.hex()}"

        def push() -> Push:
            return self._mapping.push(message, request_id, digest)

        return self._intake.take(self._name, push)


def acknowledgement(message: Message | None, code: str, error: str = "", texts: Sequence[str] = ()) -> bytes:
    """An ACK in original mode: MSH, MSA, and an ERR for every reason."""
    at = datetime.now(UTC)

    def get(place: str) -> str:
        return _escaped(str(message.header[place] or "")) if message is not None else ""

    event, version = get("MSH_9_2"), get("MSH_12") or "2.5"
    names = "|".join((get("MSH_5"), get("MSH_6"), get("MSH_3"), get("MSH_4")))
    control = f"A{at:%Y%m%d%H%M%S%f}"
    lines = [
        f"MSH|^~\\&|{names}|{at:%Y%m%d%H%M%S}+0000||ACK^{event}^ACK|{control}|{get('MSH_11') or 'P'}|{version}"
        "||||||UNICODE UTF-8",
        f"MSA|{code}|{get('MSH_10')}",
    ]
    for text in texts:
        coded = f"{error}^{ERRORS.get(error, '')}^HL70357"
        lines.append(f"ERR|||{coded}|E||||{_escaped(text)}")
    return ("\r".join(lines) + "\r").encode()


_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(char, char if char >= " " else " ") for char in text)


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
