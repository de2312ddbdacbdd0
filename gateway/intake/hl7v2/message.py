"""A message, taken apart: segments in their groups, fields, repetitions, components, and what of them was used."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import cached_property

import hl7

from gateway.intake.hl7v2.delimited import Separators, decoded, header_of
from gateway.intake.hl7v2.times import zone_of

SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
NULL = '""'
"""A field that holds this is deleted; an empty one says nothing (v2.5, 2.5.3)."""
MOST_SEGMENTS = 20_000
PRIMARY = ("OBR", "RXO", "RXE", "RXD", "RXA", "RXG", "TXA")
"""The segments that say what an order group is about; ORC may stand before them."""

Place = tuple[int, int, int, int, int]
"""Number of the segment, field, repetition (from 0), component and sub-component (0: all of it)."""


class MessageFault(Exception):
    """A message that cannot be read or used. ``code`` is from HL7 table 0357; the text holds no values.

    ``rejected``: not for what the message says (AR) but for what it is; else the fault is in its content (AE).
    ``where`` is the segment and its number among those of its name, and the field, for ERR-2.
    """

    def __init__(
        self, code: str, text: str, *, rejected: bool = False, where: tuple[str, int, int] | None = None
    ) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.rejected = rejected
        self.where = where


@dataclass(frozen=True, slots=True)
class SegmentLine:
    """One segment. ``number`` counts all segments of the message, ``turn`` those with this name (from 1)."""

    name: str
    number: int
    turn: int
    fields: Sequence[str]
    marks: Separators

    def repetitions(self, number: int) -> list[str]:
        """The repetitions of a field, as they were sent; none when it is empty."""
        text = self.fields[number] if number < len(self.fields) else ""
        if not text:
            return []
        if self.name in ("MSH", "BHS", "FHS") and number < 3:
            return [text]
        return text.split(self.marks.repetition)

    def field(self, number: int) -> str:
        """A field as it was sent; empty when it is not there."""
        return self.fields[number] if number < len(self.fields) else ""

    def first(self, number: int, *others: int) -> str:
        """The first component of a field that holds something, of the first and ``others``; as it was sent."""
        parts = self.field(number).split(self.marks.component)
        return next((parts[at - 1] for at in (1, *others) if at <= len(parts) and parts[at - 1].strip()), "")

    def component(self, repetition: str, component: int, part: int) -> str:
        """A component (and sub-component; 0: all of it) of a repetition, without escapes."""
        components = repetition.split(self.marks.component)
        text = components[component - 1] if component <= len(components) else ""
        if part and self.marks.part:
            parts = text.split(self.marks.part)
            text = parts[part - 1] if part <= len(parts) else ""
        return self.plain(text)

    def plain(self, text: str) -> str:
        """A text without its escapes. Raises ValueError for one that FHIR cannot hold: that costs its segment."""
        plain = self.marks.plain(text)
        if NO_TEXT.search(plain):
            raise ValueError("a character that no text has (a control character)")
        return plain

    def valued(self) -> Iterator[Place]:
        """Every sub-component that holds something; null is something."""
        for number in range(1, len(self.fields)):
            for turn, repetition in enumerate(self.repetitions(number)):
                for component, text in enumerate(repetition.split(self.marks.component), 1):
                    parts = text.split(self.marks.part) if self.marks.part else [text]
                    for part, value in enumerate(parts, 1):
                        if value.strip():
                            yield self.number, number, turn, component, part


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a segment stands in: the header, its patient with what belongs to them, and its order group."""

    header: Sequence[SegmentLine]
    patient: Sequence[SegmentLine]
    order: Sequence[SegmentLine]

    def near(self, anchor: SegmentLine, name: str) -> list[SegmentLine]:
        """The segments of a name that go with one: itself, those below it, the last above it, the others around it."""
        if anchor.name == name:
            return [anchor]
        stop = next(
            (
                line.number
                for line in (*self.order, *self.patient)
                if line.number > anchor.number and (line.name == anchor.name or line.name in ("PID", *PRIMARY, "ORC"))
            ),
            None,
        )
        named = [line for line in self.order if line.name == name]
        below = [line for line in named if line.number > anchor.number and (stop is None or line.number < stop)]
        above = [line for line in named if line.number < anchor.number]
        if below or above or named:
            return below or above[-1:] or named
        for group in (self.patient, self.header):
            if found := [line for line in group if line.name == name]:
                return found
        return []


def _as_it_is(number: str) -> str:
    return number


@dataclass
class Message:
    """A message that was read. ``used`` holds the places of which something was made.

    ``sector`` stands for OBR-24 where that is empty; ``resolve`` gives the number a patient number was merged into.
    """

    segments: list[SegmentLine]
    raw: bytes
    marks: Separators
    zone: tzinfo
    sector: str = ""
    resolve: Callable[[str], str] = _as_it_is
    used: set[Place] = field(default_factory=set)

    @classmethod
    def read(cls, raw: bytes, encoding: str = "utf-8", zone: str = "Europe/Amsterdam", sector: str = "") -> "Message":
        """Take a message apart. Raises MessageFault."""
        try:
            text, charset = decoded(raw, encoding)
        except LookupError:
            raise MessageFault("102", "MSH-18: a character set that is not known") from None
        except UnicodeDecodeError:
            raise MessageFault("102", "the message is not in the character set that it should be in") from None
        if not text.startswith("MSH") or "\0" in text:
            raise MessageFault("100", "the message does not begin with MSH", rejected=True)
        if text.count("\r") > MOST_SEGMENTS:
            raise MessageFault("102", f"more than {MOST_SEGMENTS} segments")
        try:
            marks = Separators.of(text, charset)
            parsed = hl7.parse(text)
        # The library asserts that no two separators are the same; MSH says otherwise now and then.
        except (hl7.HL7Exception, ValueError, LookupError, TypeError, AttributeError, AssertionError):
            raise MessageFault("102", "the message cannot be taken apart", rejected=True) from None
        segments: list[SegmentLine] = []
        turns: dict[str, int] = {}
        for number, segment in enumerate(parsed):
            name = str(segment[0])
            if not SEGMENT.fullmatch(name):
                raise MessageFault("100", f"line {number + 1} does not begin with the name of a segment")
            turns[name] = turns.get(name, 0) + 1
            segments.append(SegmentLine(name, number, turns[name], [str(one) for one in segment], marks))
        if turns["MSH"] > 1:
            raise MessageFault("100", "more than one MSH in a message", rejected=True)
        sent = segments[0].fields[7] if len(segments[0].fields) > 7 else ""
        return cls(segments, raw, marks, zone_of(sent, zone), sector)

    def header(self, number: int, component: int = 1) -> str:
        """A component of a field of MSH; empty when it is."""
        repetitions = self.segments[0].repetitions(number)
        return self.segments[0].component(repetitions[0], component, 0).strip() if repetitions else ""

    @property
    def kind(self) -> str:
        """The type of message and the event: ``ADT^A01``. What MSH-9 leaves out is in MSH-9.3 or EVN-1."""
        event = self.header(9, 2) or self.header(9, 3).partition("_")[2]
        if not event:
            evn = next((one for one in self.segments if one.name == "EVN"), None)
            event = evn.component((evn.repetitions(1) or [""])[0], 1, 0) if evn else ""
        return f"{self.header(9)}^{event}"

    def named(self, name: str) -> list[SegmentLine]:
        """All segments with a name."""
        return [one for one in self.segments if one.name == name]

    def around(self, segment: SegmentLine) -> Surroundings:
        """What a segment stands in."""
        return self._surroundings[segment.number]

    @cached_property
    def _surroundings(self) -> Mapping[int, Surroundings]:
        """Groups by what starts them: PID a patient; ORC, or what an order is about, an order of that patient."""
        header: list[SegmentLine] = []
        patients: list[list[SegmentLine]] = []
        orders: list[tuple[int, list[SegmentLine]]] = []
        belongs: dict[int, tuple[int, int]] = {}
        order = -1
        for segment in self.segments:
            if segment.name == "PID":
                patients.append([])
                order = -1
            if segment.name == "ORC" or (
                segment.name in PRIMARY and self._begins(segment, orders[order][1] if order >= 0 else ())
            ):
                orders.append((len(patients) - 1, []))
                order = len(orders) - 1
            if order >= 0:
                orders[order][1].append(segment)
            elif patients:
                patients[-1].append(segment)
            else:
                header.append(segment)
            belongs[segment.number] = (len(patients) - 1, order)
        # What stands above the first PID (an appointment) is about the first patient.
        return {
            number: Surroundings(
                header,
                patients[max(patient, 0)] if patients else (),
                orders[order][1] if order >= 0 else (),
            )
            for number, (patient, order) in belongs.items()
        }

    @cached_property
    def namesakes(self) -> Mapping[int, int]:
        """Which of the results with one name each OBX is, from 0: of one patient, order number, code and sub-id.

        Laboratories give the number of a sample to several OBR, and the same test may stand in each of them.
        """
        counted: dict[tuple[object, ...], int] = {}
        places: dict[int, int] = {}
        for line in self.named("OBX"):
            around = self.around(line)
            heads = [one for name in ("OBR", "ORC") for one in around.order if one.name == name]
            if not heads or heads[0].name != "OBR":
                continue
            patient = around.patient[0].number if around.patient else -1
            numbers = (head.first(number) for head in heads for number in (3, 2))
            order = next(filter(None, numbers), heads[0].number)
            name = (patient, order, line.first(3, 4) or line.field(3), line.field(4))
            places[line.number] = counted.get(name, 0)
            counted[name] = places[line.number] + 1
        return places

    @staticmethod
    def _begins(segment: SegmentLine, group: Sequence[SegmentLine]) -> bool:
        return not group or any(one.name == segment.name for one in group)

    def comments(self, segment: SegmentLine) -> list[SegmentLine]:
        """The NTE right below a segment."""
        found = []
        for one in self.segments[segment.number + 1 :]:
            if one.name != "NTE":
                break
            found.append(one)
        return found


__all__ = ["NULL", "Message", "MessageFault", "Place", "SegmentLine", "Surroundings", "header_of"]
