"""What is recorded of one access (LOG-09): a frozen table of fields; what is not listed cannot be recorded.

A record holds no BSN, no token and no clinical value: persons are keyed pseudonyms, resources are counted by type.
"""

from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec

SEEN = "image-seen"
"""The interaction of a record that says what was seen of a study that an earlier record says was opened."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One answered or refused request.

    ``action`` has the form subject:object:action (``pgo:resource:search``). ``at`` is UTC. ``person`` and ``actor`` are
    pseudonyms, empty when not known. ``resources`` counts what left, by type; ``gaps`` says what was missing
    and why, ``incidents`` which sources answered with another patient's data. ``outcome`` is the HTTP status.
    """

    action: str
    at: datetime
    outcome: int
    provider: str = ""
    service: str = ""
    interaction: str = ""
    rule: str = ""
    client: str = ""
    person: str = ""
    actor: str = ""
    basis: str = ""
    resources: tuple[tuple[str, int], ...] = ()
    gaps: tuple[str, ...] = ()
    incidents: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    """Images, by DICOM UID: the study, then for each series its images."""
    request_id: str = ""
    correlation_id: str = ""
    reason: str = ""
    hidden: tuple[tuple[str, int], ...] = ()
    """How many resources were not shown, by type, reason and rule (gateway.release)."""
    counted: bool = False
    """Whether an event of use was written beside it, under the same chain and number."""

    @property
    def moment(self) -> datetime:
        """``at`` with the digits that the record holds: what stands in the column beside it says the same."""
        return self.at.replace(microsecond=self.at.microsecond // 1000 * 1000)

    def canonical(self) -> bytes:
        """The bytes that are stored and chained: compact JSON, in the order of the fields, empty ones left out."""
        at = self.at if self.at.tzinfo is UTC else self.at.astimezone(UTC)
        action, _, *rest = _VALUES(self)
        return msgspec.json.encode(_WRITTEN(action, at.isoformat(timespec="milliseconds"), *rest))


_FIELDS = fields(AuditRecord)
_VALUES = attrgetter(*(field.name for field in _FIELDS))
_WRITTEN = msgspec.defstruct(
    "Written",
    [(one.name, Any) if one.default is MISSING else (one.name, Any, one.default) for one in _FIELDS],
    omit_defaults=True,
)
"""The same fields with ``at`` as text: what the encoder writes at once."""
