"""What became of each entry, as it is kept with a submission and told in an answer: nothing of what the entry said."""

from collections.abc import Sequence

import msgspec

from gateway.problems import Problem
from gateway.share.parcel import Item
from profiles.fhir.outcome import Issue
from profiles.standards.receives import Role


class EntryOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry: type, id and role, its HTTP status, and why it was refused."""

    type: str
    id: str
    role: str
    status: int
    issues: tuple[tuple[str, str, str], ...] = ()
    """Code, text and place of each issue."""

    @property
    def key(self) -> tuple[str, str]:
        """Type and id."""
        return self.type, self.id

    @property
    def told(self) -> Sequence[Issue]:
        """The issues of a refusal."""
        return [Issue("error", code, text, expression=place or None) for code, text, place in self.issues]


_MANY = msgspec.json.Decoder(tuple[EntryOutcome, ...])
STATUS = {Role.PERSON: 200, Role.TASK: 200}
"""What is there already; all else is created."""


def outcome_of(item: Item, patient_id: str) -> EntryOutcome:
    """What became of an entry that was settled."""
    id_ = patient_id if item.role is Role.PERSON else item.id
    if item.fault is not None:
        return EntryOutcome(item.rule.type, id_, item.role.value, item.fault.status, _issues(item.fault))
    return EntryOutcome(item.rule.type, id_, item.role.value, STATUS.get(item.role, 201))


def _issues(fault: Problem) -> tuple[tuple[str, str, str], ...]:
    return tuple((one.code, one.text, one.expression or "") for one in fault.issues)


def written(outcomes: Sequence[EntryOutcome]) -> bytes:
    """Outcomes as they are kept."""
    return msgspec.json.encode(outcomes)


def read(kept: bytes) -> tuple[EntryOutcome, ...]:
    """Outcomes that were kept."""
    return _MANY.decode(kept)
