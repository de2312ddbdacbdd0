"""The states of what citizens send, and which follow which (docs/share.md has the picture)."""

from enum import StrEnum


class State(StrEnum):
    """Where one shared item stands."""

    INBOX = "inbox"
    """Received and checked; nobody decided yet."""
    ACCEPTED = "accepted"
    """Accepted, and on its way to the EHR."""
    FILED = "filed"
    """In the EHR, which gave it a name."""
    DECLINED = "declined"
    """Not taken into the record, with a reason that the citizen can read."""
    RETURNED = "returned"
    """The citizen was asked something, by the institution's own channel."""
    EXPIRED = "expired"
    """Nobody decided in time: the content is gone, what happened is not."""
    WITHDRAWN = "withdrawn"
    """Was filed, and taken back by a professional, with a reason."""


FOLLOWS: dict[State, frozenset[State]] = {
    State.INBOX: frozenset({State.ACCEPTED, State.DECLINED, State.RETURNED, State.EXPIRED}),
    State.RETURNED: frozenset({State.ACCEPTED, State.DECLINED, State.INBOX, State.EXPIRED}),
    State.ACCEPTED: frozenset({State.FILED}),
    State.FILED: frozenset({State.WITHDRAWN}),
    State.DECLINED: frozenset({State.INBOX}),
    State.EXPIRED: frozenset(),
    State.WITHDRAWN: frozenset(),
}
OPEN = frozenset({State.INBOX, State.RETURNED})
"""States that wait for a decision."""


class NotAllowed(ValueError):
    """A deed that the state of an item does not allow; the text says so, for staff."""
