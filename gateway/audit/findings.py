"""What can be wrong with the trail."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "changed",  # the record or its mac is not what was written, or it was added
    "column",  # a column that is searched by does not say what the record says
    "missing",  # records are gone before another one
    "cut",  # records are gone at the end
    "gone",  # the whole chain is gone
    "unreadable",  # what stands there is no record at all
    "returned",  # a record that was removed at the end of its retention is there
    "other",  # the record fits, but another one was signed for
    "removal",  # what says that records were removed was changed
    "statement",  # a signed statement cannot be believed
]


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """A fault: in which chain, at which number, what is wrong; ``since`` is the time of the last thing that fits."""

    chain: str
    sequence: int
    text: str
    kind: Kind = "changed"
    since: str = ""
