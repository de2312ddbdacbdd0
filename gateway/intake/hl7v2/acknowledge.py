"""Acknowledgements: ACK in original and in enhanced mode (v2.5, 2.9), and those of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from gateway.intake.hl7v2.message import MessageFault, header_of

ERRORS = {"0": "Message accepted", "100": "Segment sequence error", "101": "Required field missing",
          "102": "Data type error", "200": "Unsupported message type", "202": "Unsupported processing id",
          "203": "Unsupported version id", "204": "Unknown key identifier",
          "207": "Application internal error"}  # fmt: skip
"""HL7 table 0357."""
MOST_LINES = 40
"""ERR segments in one acknowledgement; the log has all."""

_NUMBER = count(1)


@dataclass(frozen=True, slots=True)
class ErrorSegment:
    """One ERR: severity (table 0516: E, W or I), code, text without values, and where."""

    severity: str
    code: str
    text: str
    where: tuple[str, int, int] | None = None

    @classmethod
    def of(cls, fault: MessageFault, severity: str = "E") -> "ErrorSegment":
        """The line that tells a fault."""
        return cls(severity, fault.code, fault.text, fault.where)


@dataclass(frozen=True, slots=True)
class Answered:
    """What is said about a message: AA, AE or AR. ``kept``: it is stored, or held for people, whatever the code.

    ``again``: nothing is wrong with it; the store did not answer, or others changed the same at that moment.
    """

    code: str
    lines: Sequence[ErrorSegment] = field(default_factory=tuple)
    kept: bool = False
    again: bool = False


class Header:
    """MSH of a message, read as well as can be: an acknowledgement needs it also of what cannot be read further."""

    def __init__(self, raw: bytes) -> None:
        self._fields = header_of(raw)

    def __getitem__(self, number: int) -> str:
        return self._fields[number].strip() if number < len(self._fields) else ""

    def component(self, number: int, component: int) -> str:
        """A component of a field."""
        mark = self[2][:1] or "^"
        parts = self[number].split(mark)
        return parts[component - 1] if component <= len(parts) else ""

    @property
    def enhanced(self) -> bool:
        """Whether the sender wants enhanced mode: MSH-15 or MSH-16 holds a condition."""
        return bool(self[15] or self[16])

    @property
    def told_later(self) -> bool:
        """Whether the sender wants to be told what came of the message, at least when something did."""
        return self.enhanced and (self[16] or "NE").upper() != "NE"

    @property
    def is_answer(self) -> bool:
        """Whether the message is an acknowledgement itself: that is never answered."""
        return self.component(9, 1) in ("ACK", "MCF")


def replies(raw: bytes, said: Answered, *, committed: bool = False) -> list[bytes]:
    """The acknowledgements that go back for a message, in their order.

    In enhanced mode the first says whether the message is safe here (CA, CE, CR by MSH-15), the second what came of it
    (by MSH-16); after CE and CR there is no second. Who wants no second one (NE) is told about a fault in the first.
    ``committed``: the first has been said.
    """
    header = Header(raw)
    if not header.enhanced:
        return [acknowledgement(header, said.code, said.lines)]
    good = said.code == "AA"
    later = _wanted(header[16] or "NE", good=good)
    safe = committed or (said.kept and (good or later))
    made = []
    if not committed and _wanted(header[15] or "NE", good=safe):
        code = "CA" if safe else "CR" if said.code == "AR" and not _temporary(said) else "CE"
        made.append(acknowledgement(header, code, () if safe and later else said.lines))
    if later and (safe or not made):
        made.append(acknowledgement(header, said.code, said.lines))
    return made


def commit(raw: bytes) -> list[bytes]:
    """The acknowledgement that a message is safe here, where MSH-15 asks for one."""
    header = Header(raw)
    return [acknowledgement(header, "CA")] if _wanted(header[15] or "NE", good=True) else []


def _temporary(said: Answered) -> bool:
    return any(line.code == "207" for line in said.lines)


def _wanted(condition: str, *, good: bool) -> bool:
    """HL7 table 0155: AL always, NE never, ER only errors, SU only success."""
    return {"AL": True, "NE": False, "ER": not good, "SU": good}.get(condition.upper(), True)


def acknowledgement(header: Header, code: str, lines: Sequence[ErrorSegment] = ()) -> bytes:
    """One ACK: MSH, MSA with the control id of the message, and an ERR for every line."""
    at = datetime.now(UTC)
    names = "|".join(_again(header, number) for number in (5, 6, 3, 4))
    version = header.component(12, 1) or "2.5"
    control = f"A{at:%Y%m%d%H%M%S}{next(_NUMBER) % 100_000:05}"
    event = _again(header, 9, 2)
    made = [
        f"MSH|^~\\&|{names}|{at:%Y%m%d%H%M%S}+0000||ACK^{event}^ACK|{control}|{_again(header, 11, 1) or 'P'}"
        f"|{_escaped(version)}|||{'NE|NE' if header.enhanced else '|'}||UNICODE UTF-8",
        f"MSA|{code}|{_again(header, 10)}",
    ]
    for line in lines[:MOST_LINES]:
        name, turn, number = line.where or ("", 0, 0)
        where = f"{name}^{turn}" + (f"^{number}" if number else "") if name else ""
        coded = f"{line.code}^{ERRORS.get(line.code, '')}^HL70357"
        made.append(f"ERR||{where}|{coded}|{line.severity}||||{_escaped(line.text)}")
    return ("\r".join(made) + "\r").encode()


def _again(header: Header, number: int, component: int = 0) -> str:
    """A field of the sender with our own separators: its components stay components."""
    text = header.component(number, component) if component else header[number]
    mark = header[2][:1] or "^"
    return "^".join(_escaped(part) for part in text.split(mark)) if not component else _escaped(text)


def batched(opening: Sequence[bytes], answers: Sequence[bytes]) -> bytes:
    """The acknowledgements of a batch as a batch, with the names and control id of what was sent."""
    at = datetime.now(UTC)
    made: list[bytes] = []
    first: dict[bytes, bytes] = {}
    for line in opening:
        first.setdefault(line[:3], line)
    # All answers go in one batch, also when several came in the file.
    for line in first.values():
        sent = Header(b"MSH" + line[3:])
        names = "|".join(_again(sent, number) for number in (5, 6, 3, 4))
        made.append(f"{line[:3].decode('ascii')}|^~\\&|{names}|{at:%Y%m%d%H%M%S}+0000||||{_again(sent, 11)}".encode())
    # BHS.11 and FHS.11 are control ids; the reference to those of the sender is field 12.
    kinds = [line[:3] for line in opening]
    ends = ([b"BTS|%d" % len(answers)] if b"BHS" in kinds else []) + ([b"FTS|1"] if b"FHS" in kinds else [])
    return b"\r".join([*made, *(one.rstrip(b"\r") for one in answers), *ends]) + b"\r"


_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(char, char if char >= " " else " ") for char in text)
