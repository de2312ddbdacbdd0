"""A segment as a row for a mapping: each place in it, and in what stands around it, is a column.

``OBX_5`` is OBX-5 (first repetition, first component and sub-component), ``PID_5_2`` a component, ``PID_5_1_3`` a
sub-component. An ending says how a repetition is read: ``_time``, ``_text`` (all of it, as text), ``_lines`` (all
repetitions, as lines), ``_concept`` (CE, CWE, CNE), ``_words`` (their text alone), ``_person`` (XCN, XPN as people
write a name), ``_digest`` (a short name made of all of it). Child rows are ``PID_13`` (its repetitions) and ``NTE``
(the segments that go with this one). A place that is empty, or null, gives nothing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from adapters.mapping.template import CHILDREN
from gateway.intake.hl7v2.message import NULL, Message, Place, SegmentLine
from gateway.intake.hl7v2.times import moment

COLUMN = re.compile(
    r"([A-Z][A-Z0-9]{2})_(\d{1,2})(?:_(\d{1,2}))?(?:_(\d{1,2}))?(?:_(time|text|lines|concept|words|person|digest))?"
)
CHILD = re.compile(r"([A-Z][A-Z0-9]{2})(?:_(\d{1,2}))?")


@dataclass(frozen=True, slots=True)
class RowLanguage:
    """What a mapping of messages knows beside places: columns, child rows and endings by name, and code systems."""

    columns: Mapping[str, "Callable[[SegmentRow], Any]"]
    children: Mapping[str, "Callable[[SegmentRow], list[SegmentRow]]"]
    endings: Mapping[str, "Callable[[SegmentRow, str, int], Any]"]
    systems: Mapping[str, str]


class SegmentRow(dict[str, Any]):
    """The columns of one segment. ``reads`` collects the places that were asked for."""

    def __init__(
        self,
        message: Message,
        anchor: SegmentLine,
        language: RowLanguage,
        turns: Mapping[tuple[str, int], int] | None = None,
        chosen: Mapping[str, SegmentLine] | None = None,
        reads: set[Place] | None = None,
    ) -> None:
        super().__init__()
        self.message: Message = message
        self.anchor = anchor
        self.language = language
        self.turns = turns or {}
        self.chosen = chosen or {}
        self.reads: set[Place] = set() if reads is None else reads
        self[CHILDREN] = _Children(self)

    def __missing__(self, name: str) -> Any:
        made = self.language.columns.get(name)
        found = made(self) if made else self._place(name)
        self[name] = found
        return found

    # --- places ----------------------------------------------------------------------------------------------------

    def _place(self, name: str) -> Any:
        matched = COLUMN.fullmatch(name)
        if matched is None:
            raise KeyError(name)
        segment, number, component, part, ending = matched.groups()
        if ending == "lines":
            return "\n".join(filter(None, self.texts(segment, int(number)))) or None
        if ending is not None and component is None:
            return self._whole(segment, int(number), ending)
        text = self.text(segment, int(number), int(component or 1), int(part or 1))
        return moment(text, self.message.zone) if ending == "time" and text else text

    def _whole(self, segment: str, number: int, ending: str) -> Any:
        if ending == "time":
            text = self.text(segment, number, 1, 1)
            return moment(text, self.message.zone) if text else None
        found = self.repetition(segment, number)
        if found is None:
            return None
        line, turn, text = found
        if ending in self.language.endings:
            return self.language.endings[ending](self, segment, number)
        self.reads.add((line.number, number, turn, 0, 0))
        return sha256(text.encode()).hexdigest()[:12] if ending == "digest" else line.plain(text).strip() or None

    def segment(self, name: str) -> SegmentLine | None:
        """The segment that a column of this name reads: the nearest."""
        if name in self.chosen:
            return self.chosen[name]
        if name in ("MSH", "EVN"):
            found = self.message.named(name)
        else:
            found = self.message.around(self.anchor).near(self.anchor, name)
        return found[0] if found else None

    def repetition(self, segment: str, number: int) -> tuple[SegmentLine, int, str] | None:
        """The repetition of a field that this row is about (else its first), when it holds something."""
        line = self.segment(segment)
        turn = self.turns.get((segment, number), 0)
        repetitions = line.repetitions(number) if line else []
        if line is None or turn >= len(repetitions) or repetitions[turn] in ("", NULL):
            if line is not None and turn < len(repetitions):
                self.reads.add((line.number, number, turn, 0, 0))  # Null is read too: it deletes.
            return None
        return line, turn, repetitions[turn]

    def text(self, segment: str, number: int, component: int = 1, part: int = 1) -> str | None:
        """A place, without escapes; None when it is empty or null. ``part`` 0 is the whole component."""
        found = self.repetition(segment, number)
        if found is None:
            return None
        line, turn, repetition = found
        self.reads.add((line.number, number, turn, component, part))
        value = line.component(repetition, component, part)
        return value if value.strip() and value != NULL else None

    def texts(self, segment: str, number: int) -> list[str]:
        """All repetitions of a field as text."""
        line = self.segment(segment)
        if line is None:
            return []
        repetitions = line.repetitions(number)
        self.reads.update((line.number, number, turn, 0, 0) for turn in range(len(repetitions)))
        return [line.plain(one).strip() for one in repetitions if one != NULL]

    def sent(self, segment: str, number: int) -> bool:
        """Whether a field was sent, null included: it then replaces what was known."""
        line = self.segment(segment)
        return bool(line and any(one.strip() for one in line.repetitions(number)))

    # --- child rows ------------------------------------------------------------------------------------------------

    def child(self, name: str) -> "list[SegmentRow]":
        """The child rows of a name. Raises KeyError for a name that is none."""
        if name in self.language.children:
            return self.language.children[name](self)
        matched = CHILD.fullmatch(name)
        if matched is None:
            raise KeyError(name)
        segment, number = matched.groups()
        if number is None:
            return [self.at(line) for line in self.message.around(self.anchor).near(self.anchor, segment)]
        line = self.segment(segment)
        count = len(line.repetitions(int(number))) if line else 0
        return [self.turn(segment, int(number), turn) for turn in range(count)]

    def at(self, line: SegmentLine) -> "SegmentRow":
        """This row, looking at one of several segments with the same name."""
        chosen = {**self.chosen, line.name: line}
        return SegmentRow(self.message, self.anchor, self.language, self.turns, chosen, self.reads)

    def turn(self, segment: str, number: int, turn: int) -> "SegmentRow":
        """This row, looking at one repetition of a field."""
        turns = {**self.turns, (segment, number): turn}
        return SegmentRow(self.message, self.anchor, self.language, turns, self.chosen, self.reads)

    def beside(self, line: SegmentLine) -> "SegmentRow":
        """The row of another segment, read for the sake of this one: that does not make it used."""
        return SegmentRow(self.message, line, self.language)


class _Children(Mapping[str, Any]):
    """The child rows by name, made when they are asked for."""

    def __init__(self, row: SegmentRow) -> None:
        self._row = row

    def __getitem__(self, name: str) -> list[SegmentRow]:
        return self._row.child(name)

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0
