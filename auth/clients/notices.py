"""What the lists tell an operator: alarms and news."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from auth.clients.model import ListKind


class NoticeType(StrEnum):
    """What happened. `docs/lists.md` says of each what it means and what to do."""

    FETCH_FAILED = "list_fetch_failed"
    INVALID = "list_invalid"
    ROLLED_BACK = "list_rolled_back"
    NUMBER_REUSED = "list_number_reused"
    NUMBER_JUMPED = "list_number_jumped"
    OLD = "list_old"
    UNUSABLE = "list_unusable"
    FRESH_AGAIN = "list_fresh_again"
    CHANGED = "list_changed"
    COPY_LOST = "list_copy_lost"
    REGISTRATION_DIFFERS = "list_registration_differs"


ALARMS = frozenset(NoticeType) - {NoticeType.FRESH_AGAIN, NoticeType.CHANGED, NoticeType.NUMBER_JUMPED}
"""The types that somebody must look at; the others are news (a jump is a warning, LIST-06)."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One event about one list. The texts hold host names, service ids and numbers, never anything personal."""

    type: NoticeType
    kind: ListKind
    text: str
    number: int | None = None
    """Volgnummer of the copy that the notice is about."""

    @property
    def alarm(self) -> bool:
        """Whether somebody must act."""
        return self.type in ALARMS


Notify = Callable[[Notice], None]
"""Takes a notice; must neither block nor raise."""
