"""The states of a workflow Task as a table: what may follow what, by whom, and what it does to the data grant."""

from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from profiles.rows import Row, read

Side = Literal["sender", "receiver"]
REQUESTED = "requested"
ENDED = frozenset({"rejected", "cancelled", "completed", "failed"})
"""States that nothing follows."""


class StateStep(Row, frozen=True):
    """One row of states.toml."""

    from_: str = msgspec.field(name="from")
    to: str
    by: tuple[Side, ...]
    withdraws: bool = False
    flows: tuple[str, ...] = ()


class _Steps(Row, frozen=True):
    step: tuple[StateStep, ...]


class NotFollowing(ValueError):
    """A state that does not follow the present one, or not by this side. The text holds states only."""


@cache
def steps() -> tuple[StateStep, ...]:
    """All rows."""
    return read(Path(__file__).with_name("states.toml"), _Steps).step


def step(flow: str, present: str, wanted: str, side: Side) -> StateStep | None:
    """The row that allows a change; None when the state stays as it is. Raises NotFollowing."""
    if wanted == present:
        return None
    for row in steps():
        if (row.from_, row.to) == (present, wanted) and side in row.by and (not row.flows or flow in row.flows):
            return row
    raise NotFollowing(f"{wanted} does not follow {present} for the {side}"[:120])
