"""A message as rows for a mapping: one per patient, and one per observation with what stands above it.

A column is a place in a segment: ``OBX_5`` is OBX-5 (its first repetition and component), ``PID_5_2`` a component,
``PID_5_1_3`` a sub-component; ``OBX_14_time`` reads a time. Beside those there are ``patient_id``, ``bsn``, ``notes``,
``document``, ``document_size`` and ``document_hash``. A place that is empty, or null (``""``), gives nothing.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cached_property
from typing import Any

import hl7

from profiles.record.bsn import valid_bsn

SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
COLUMN = re.compile(r"([A-Z][A-Z0-9]{2})_(\d{1,2})(?:_(\d{1,2}))?(?:_(\d{1,2}))?(_time)?")
TIME = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.\d{1,4})?([+-]\d{4})?", re.ASCII)
BSN_TYPES = frozenset({"NNNLD", "BSN"})
BSN_AUTHORITIES = frozenset({"NLMINBIZA", "2.16.840.1.113883.2.4.6.3"})
LOCAL_TYPES = ("PI", "MR", "PT", "")
"""Types of identifier (CX.5) that are the sender's own patient number, the first that is there counts."""
MOST_SEGMENTS = 20_000


class MessageFault(Exception):
    """A message that cannot be read or used. ``code`` is from HL7 table 0357; the text holds no values.

    ``rejected``: not for what the message says (AR) but for what it is; else the fault is in its content (AE).
    """

    def __init__(self, code: str, text: str, *, rejected: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.rejected = rejected


class Row(dict[str, Any]):
    """The columns of a row, read when they are asked for."""

    def __init__(self, message: "Message", segments: dict[str, Any]) -> None:
        super().__init__()
        self._message = message
        self._segments = segments
        self.comments: list[str] = []

    def __missing__(self, name: str) -> Any:
        found = self._special(name) if name.islower() else self._place(name)
        self[name] = found
        return found

    def _place(self, name: str) -> Any:
        matched = COLUMN.fullmatch(name)
        if matched is None:
            raise KeyError(name)
        segment, field, component, part, as_time = matched.groups()
        text = self._message.text(self._segments.get(segment), int(field), 0, int(component or 1), int(part or 1))
        return moment(text) if as_time and text else text

    def _special(self, name: str) -> Any:
        match name:
            case "patient_id" | "bsn":
                numbers = self._numbers
                return numbers[name]
            case "notes":
                return "\n".join(self.comments) or None
            case "document":
                return self["OBX_5_5"]
            case "document_size":
                return len(self._content)
            case "document_hash":
                # FHIR states the hash of an attachment as SHA-1; it protects nothing.
                return base64.b64encode(hashlib.sha1(self._content, usedforsecurity=False).digest()).decode()
        raise KeyError(name)

    @cached_property
    def _content(self) -> bytes:
        try:
            return base64.b64decode("".join(str(self["OBX_5_5"] or "").split()), validate=True)
        except (binascii.Error, ValueError):
            raise MessageFault("102", "OBX-5: the document is not base64") from None

    @cached_property
    def _numbers(self) -> dict[str, str | None]:
        segment, read = self._segments.get("PID"), self._message.text
        bsn: str | None = None
        local: dict[str, str] = {}
        for turn in range(self._message.repetitions(segment, 3)):
            value = read(segment, 3, turn, 1, 1)
            kind = (read(segment, 3, turn, 5, 1) or "").upper()
            authority = {(read(segment, 3, turn, 4, part) or "").upper() for part in (1, 2)}
            if value and (kind in BSN_TYPES or authority & BSN_AUTHORITIES):
                if not valid_bsn(value):
                    raise MessageFault("204", "PID-3: a BSN that is none")
                bsn = value
            elif value:
                local.setdefault(kind, value)
        own = next((local[kind] for kind in LOCAL_TYPES if kind in local), None)
        return {"patient_id": own, "bsn": bsn}


@dataclass(frozen=True)
class Message:
    """A message that was read."""

    parsed: Any
    raw: bytes

    @classmethod
    def read(cls, raw: bytes, encoding: str) -> "Message":
        """Parse a message. Raises MessageFault."""
        try:
            text = raw.decode(_charset(raw) or encoding)
        except (UnicodeDecodeError, LookupError):
            raise MessageFault("102", "the message is not in the character set that it should be in") from None
        text = text.replace("\r\n", "\r").replace("\n", "\r").strip("\r")
        if not re.match(r"MSH[^A-Za-z0-9\s].{3,4}", text) or "\0" in text:
            raise MessageFault("100", "the message does not begin with MSH", rejected=True)
        if text.count("\r") > MOST_SEGMENTS:
            raise MessageFault("102", f"more than {MOST_SEGMENTS} segments")
        try:
            return cls(hl7.parse(text), raw)
        except (hl7.HL7Exception, ValueError, LookupError, TypeError, AttributeError):
            raise MessageFault("102", "the message cannot be taken apart", rejected=True) from None

    def text(self, segment: Any, field: int, turn: int, component: int, part: int) -> str | None:
        """A place in a segment, without escapes; None when it is empty or null."""
        try:
            found = segment[field]
            repetition = found[turn]
            held = repetition[component - 1] if not isinstance(repetition, str) else _only(repetition, component)
            value = held[part - 1] if not isinstance(held, str) else _only(held, part)
        except (LookupError, TypeError):
            return None
        text = str(value)
        if "\\" in text:
            text = str(self.parsed.unescape(text))
        return text if text not in ("", '""') else None

    def repetitions(self, segment: Any, field: int) -> int:
        """How often a field is repeated."""
        try:
            return len(segment[field])
        except (LookupError, TypeError):
            return 0

    @cached_property
    def header(self) -> Row:
        """The row of MSH."""
        return Row(self, {"MSH": self.parsed[0]})

    @property
    def kind(self) -> str:
        """The type of message and the event: ``ADT^A01``."""
        return f"{self.header['MSH_9_1'] or ''}^{self.header['MSH_9_2'] or ''}"

    def rows(self) -> Iterator[tuple[str, Row]]:
        """All rows in the order of the message, each with its kind: ``patient`` or ``observation``."""
        current: dict[str, Any] = {}
        found: list[tuple[str, Row]] = []
        for segment in self.parsed:
            name = str(segment[0])
            if name == "PID":
                current = {one: held for one, held in current.items() if one in ("MSH", "EVN")}
            elif name in ("ORC", "OBR"):
                current.pop("OBX", None)
            if name == "NTE" and found and found[-1][0] == "observation" and "OBX" in current:
                found[-1][1].comments.extend(filter(None, [self.text(segment, 3, 0, 1, 1)]))
            if SEGMENT.fullmatch(name):
                current[name] = segment
            if name in ("PID", "OBX"):
                # A patient's row sees what follows it too (PV1, PD1); an observation what stands above it.
                seen = current if name == "PID" else dict(current)
                found.append(("patient" if name == "PID" else "observation", Row(self, seen)))
        yield from found


def _only(text: str, number: int) -> str:
    if number != 1:
        raise IndexError(number)
    return text


_CHARSETS = {"UNICODE UTF-8": "utf-8", "8859/1": "latin-1", "8859/15": "iso8859-15", "ASCII": "ascii"}


def _charset(raw: bytes) -> str | None:
    """The character set of MSH-18."""
    head = raw.split(b"\r", 1)[0][:2_000]
    fields = head.split(head[3:4]) if len(head) > 3 else []
    return _CHARSETS.get(fields[17].decode("ascii", "replace").upper()) if len(fields) > 17 else None


def moment(text: str) -> datetime | date | str:
    """An HL7 time: a year or month as FHIR text, a date, or a moment. Raises ValueError."""
    matched = TIME.fullmatch(text.strip())
    if matched is None:
        raise ValueError("not a time")
    *numbers, offset = matched.groups()
    parts = [int(number) for number in numbers if number is not None]
    if len(parts) < 3:
        return f"{parts[0]:04}" + (f"-{parts[1]:02}" if len(parts) == 2 else "")
    if len(parts) == 3:
        return date(*parts)
    zone = None
    if offset is not None:
        minutes = int(offset[1:3]) * 60 + int(offset[3:])
        zone = timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes)) if minutes else UTC
    hour, minute, second = (*parts[3:], 0, 0)[:3]
    return datetime(parts[0], parts[1], parts[2], hour, minute, second, tzinfo=zone)
