"""Taking in one message of a source: read, mapped, stored, and what is said about it. Synchronous."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from adapters.port import AdapterMisconfigured
from gateway.audit.record import AuditRecord
from gateway.intake.hl7v2.acknowledge import Answered, ErrorSegment
from gateway.intake.hl7v2.held import hold
from gateway.intake.hl7v2.identity import who_is_who
from gateway.intake.hl7v2.mapping import SHIPPED, Mapped, MessageMapping, load_mapping
from gateway.intake.hl7v2.message import Message, MessageFault
from gateway.intake.hl7v2.waiting import WaitingMessages
from gateway.intake.merge import IdentityStep, NotOnePerson, carry_out, check
from gateway.intake.receipts import Taken
from gateway.intake.refusal import Refusal
from gateway.intake.settings import MllpSettings
from gateway.intake.tasks import Key, Push
from gateway.intake.work import Intake
from gateway.store.engine import reading
from gateway.store.known import contents_of, ids_of, rows_of
from gateway.store.moving import resolved
from profiles.fhir.codec import jsonio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource

log = logging.getLogger("gateway.intake.hl7v2")

ATTEMPTS = 5
"""How often an update is put on top of what is stored anew, when that changes at the same moment."""
MOST_WARNINGS = 20


@dataclass(slots=True)
class MessageOutcome:
    """What became of a message, and what the audit trail must hold before it is said."""

    said: Answered
    records: list[AuditRecord] = field(default_factory=list)


class MessageTaker:
    """Takes in the messages of one source."""

    def __init__(self, name: str, settings: MllpSettings, intake: Intake, *, production: bool = False) -> None:
        """Read the mapping. Raises AdapterMisconfigured."""
        self.name = name
        self.settings = settings
        self.mapping: MessageMapping = load_mapping(settings.mapping or SHIPPED)
        if unknown := settings.snapshot - self.mapping.snapshots:
            raise AdapterMisconfigured(
                f"{name}: snapshot: the mapping has no section with a snapshot for {', '.join(sorted(unknown))}"
            )
        self._intake = intake
        self._provider = intake.settings.sources[name].provider
        self._production = production
        self.waiting = WaitingMessages(intake.engine, intake.ring, self._provider, name, self.mapping.version)

    def take(self, raw: bytes, again: str = "") -> MessageOutcome:
        """Carry out a message. Raises SQLAlchemyError when the store does not answer.

        ``again`` tells a new attempt at a message that was held from the first: it is carried out, whatever was
        answered then.
        """
        message: Message | None = None
        try:
            message = self.read(raw)
            return self._carry_out(message, again)
        except MessageFault as fault:
            log.warning("%s: message %s refused: %s", self.name, _control(message), fault.text)
            return MessageOutcome(Answered("AR" if fault.rejected else "AE", (ErrorSegment.of(fault),)))
        except NotOnePerson as fault:
            return MessageOutcome(Answered("AE", (ErrorSegment("E", "204", str(fault)),)))
        except (FormatError, Refusal) as fault:
            return MessageOutcome(Answered("AE", (ErrorSegment("E", "102", str(fault)[:200]),)))

    def read(self, raw: bytes) -> Message:
        """Take a message apart and see whether it is one for us. Raises MessageFault."""
        one = self.settings
        message = Message.read(raw, one.encoding, one.zone, one.sector)
        if message.kind not in self.mapping.messages:
            raise MessageFault("200", "this message type and event are not taken", rejected=True, where=("MSH", 1, 9))
        if not message.header(12).startswith("2."):
            raise MessageFault("203", "only version 2 of HL7", rejected=True, where=("MSH", 1, 12))
        if self._production and message.header(11) != "P":
            raise MessageFault("202", "only processing id P", rejected=True, where=("MSH", 1, 11))
        if not message.header(10):
            raise MessageFault("101", "MSH-10: no message control id", where=("MSH", 1, 10))
        return message

    def hold(self, raw: bytes, kind: str, lines: Sequence[ErrorSegment]) -> int:
        """Keep a message for people to look at; the number in quarantine."""
        intake = self._intake
        return hold(intake.engine, intake.ring, self._provider, self.name, self.mapping.version, raw, kind, lines)

    def touched(self, raw: bytes) -> list[Key]:
        """What a message is about, by type and id. Raises MessageFault."""
        message = self.read(raw)
        if not who_is_who(message, self.mapping):
            message.resolve = self._resolved
        return [task.key for task in self._mapped(message, "", b"").push.tasks if not task.only_new]

    def _mapped(self, message: Message, request_id: str, digest: bytes) -> Mapped:
        settings = self.settings
        return self.mapping.read(
            message, request_id, digest, self._stored, whole=settings.faulty == "whole",
            snapshots=settings.snapshot, earlier=self._earlier,
        )  # fmt: skip

    def _carry_out(self, message: Message, again: str) -> MessageOutcome:
        steps = who_is_who(message, self.mapping)
        if steps:
            self._check(message, steps)
        else:
            message.resolve = self._resolved
        digest = hashlib.sha256(message.raw).digest()
        # Some senders begin their numbers anew: the same number with another content is another message.
        request_id = f"{again}{message.header(10)[: 60 - len(again)]}:{digest.hex()}"
        made: list[Mapped] = []

        def push() -> Push:
            mapped = self._mapped(message, request_id, digest)
            if mapped.untaken and self.settings.not_taken == "refuse":
                raise _Unwanted(mapped)
            made[:] = [mapped]
            return mapped.push

        try:
            taken = self._taken(push)
        except _Unwanted as fault:
            lines = _warnings(fault.mapped, "E")
            number = self.hold(message.raw, message.kind, lines)
            told = ErrorSegment(
                "E", "207", f"the source wants nothing left out: kept in quarantine as {number}, not stored"
            )
            return MessageOutcome(Answered("AE", (told, *lines), kept=True))
        if steps and taken.answer.status < 400:
            with self._intake.engine.begin() as connection:
                sender = self._intake.sender(self.name)
                taken.records.extend(
                    carry_out(connection, sender, self.mapping.version, steps, message.raw, request_id)
                )
        said = self._told(message, made[0], taken)
        return MessageOutcome(said, taken.records)

    def _check(self, message: Message, steps: Sequence[IdentityStep]) -> None:
        """Before anything is stored. Raises MessageFault; the message is then in quarantine, for people to decide."""
        try:
            with reading(self._intake.engine).connect() as connection:
                check(connection, self._intake.sender(self.name), self.mapping.version, steps)
        except NotOnePerson as fault:
            number = self.hold(message.raw, message.kind, [ErrorSegment("E", "204", str(fault))])
            text = f"{fault}; nothing was changed, the message is in quarantine as {number} for people to decide"
            raise MessageFault("204", text) from None

    def _resolved(self, patient_id: str) -> str:
        with reading(self._intake.engine).connect() as connection:
            return resolved(connection, self._provider, self.mapping.version, patient_id)

    def _taken(self, push: Callable[[], Push]) -> Taken:
        """The push, made anew while another request changes what it is an update of."""
        for _ in range(ATTEMPTS):
            taken = self._intake.take(self.name, push)
            if taken.answer.status != 412:
                break
        return taken

    def _told(self, message: Message, mapped: Mapped, taken: Taken) -> Answered:
        status = taken.answer.status
        if status >= 400:
            texts = [str(issue["details"]["text"]) for issue in taken.answer.resource["issue"][:5]]
            if status in (503, 412):
                return Answered("AR", (ErrorSegment("E", "207", texts[0]),), again=True)
            code = "204" if status == 409 else "102"
            return Answered(
                "AE", tuple(ErrorSegment("E", code, text) for text in texts), kept=status == 422 and _held(texts)
            )
        faults = [ErrorSegment.of(fault) for fault in mapped.refused]
        if faults:
            number = self.hold(message.raw, message.kind, faults)
            text = f"{len(faults)} segments were refused, the rest is stored; the message is in quarantine as {number}"
            faults.append(ErrorSegment("W", "207", text))
        warnings = _warnings(mapped, "W")
        for line in (*faults, *warnings):
            log.warning("%s: message %s: %s", self.name, _control(message), line.text)
        return Answered("AA", tuple(faults) + (warnings if self.settings.not_taken == "warn" else ()), kept=True)

    def _stored(self, key: Key) -> tuple[Resource, int] | None:
        provider, version = self._provider, self.mapping.version
        with reading(self._intake.engine).connect() as connection:
            row = rows_of(connection, provider, version, [key]).get(key)
            if row is None or row.deleted or row.source != self.name:
                return None
            for _, content in contents_of(connection, provider, version, [key]):
                return jsonio.load(content), row.version
        return None

    def _earlier(self, type_: str, patient_id: str, ids: str) -> Sequence[str]:
        with reading(self._intake.engine).connect() as connection:
            return ids_of(connection, self._provider, self.mapping.version, self.name, type_, patient_id, ids)


class _Unwanted(Exception):
    """Something would be left out of a message, and the source wants that refused."""

    def __init__(self, mapped: Mapped) -> None:
        super().__init__()
        self.mapped = mapped


def _warnings(mapped: Mapped, severity: str) -> tuple[ErrorSegment, ...]:
    lines = [ErrorSegment(severity, "0" if severity == "W" else "207", str(one), one.where) for one in mapped.untaken]
    more = len(lines) - MOST_WARNINGS
    rest = (
        [ErrorSegment(severity, "0" if severity == "W" else "207", f"and {more} places more not taken")]
        if more > 0
        else []
    )
    return (*lines[:MOST_WARNINGS], *rest)


def _held(texts: Sequence[str]) -> bool:
    return any("quarantine" in text for text in texts)


def _control(message: Message | None) -> str:
    """The control id as it may stand in a log."""
    text = message.header(10) if message is not None else ""
    return "".join(char for char in text[:40] if char.isascii() and (char.isalnum() or char in "-._:")) or "?"
