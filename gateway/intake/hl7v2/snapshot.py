"""Snapshot mode (v2.5, 2.10.4.1): the segments of a message take the place of all that was sent before.

A message without such segments says nothing about them. A single segment with null says that there are none.
"""

from collections.abc import Callable, Collection, Iterator, Sequence

from pydantic import BaseModel, ConfigDict, Field

from adapters.mapping.functions import key
from gateway.intake.hl7v2.message import NULL
from gateway.intake.hl7v2.row import SegmentRow
from gateway.intake.tasks import Task

Earlier = Callable[[str, str, str], Sequence[str]]
"""The ids that a source has stored now: of a type, of a patient (by id), with what the ids begin with."""


def nothing_earlier(_type: str, _patient: str, _ids: str) -> Sequence[str]:
    """For who asks no store."""
    return ()


class SnapshotRule(BaseModel):
    """``ids``: how the ids of what it replaces begin; ``none``: the field of which null says that there are none."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    ids: str = Field(pattern=r"^[a-z]+-$")
    none: str = Field(pattern=r"^[A-Z][A-Z0-9]{2}_\d{1,2}$")

    def says_none(self, row: SegmentRow) -> bool:
        """Whether the segment of a row is the one that says so."""
        name, number = self.none.split("_")
        line = row.segment(name)
        return line is not None and line.repetitions(int(number)) == [NULL]


def ended(
    rule: SnapshotRule, type_: str, row: SegmentRow, staying: Collection[str], earlier: Earlier
) -> Iterator[Task]:
    """The deletions of what is stored and is not in the snapshot; the history stays. Raises MessageFault."""
    patient_id = key(row["patient_id"])
    for id_ in earlier(type_, patient_id, rule.ids) if patient_id else ():
        if id_ not in staying:
            yield Task("DELETE", type_, id_, place=f"{type_}/{id_}")
