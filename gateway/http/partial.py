"""What an answer is from which a part is missing: an entry that says so, or 503 so that the app offers to try again.

The agreement lets an answer say inside what is missing (ERR-48, SC-P2); apps are known that leave that entry out and
show what is left as if it were all. So it is a choice per client and per standard, and for what is dangerous to read in
part the default is a refusal (decision 15).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.port import Gap, Reason
from gateway.problems import Problem
from gateway.sections import Partial
from profiles.standards.load import safety_relevant
from profiles.standards.model import RequestRule

RETRY = 10
"""Seconds after which to ask again, when no source says it."""


@dataclass(frozen=True, slots=True)
class Partials:
    """The settings for partial answers: of clients by host name, of standards by id, and of all others."""

    default: Partial = "safety"
    standards: Mapping[str, Partial] = field(default_factory=dict)
    clients: Mapping[str, Partial] = field(default_factory=dict)

    def of(self, client: str, standard: str) -> Partial:
        """What holds for a client that asks by the rows of a standard."""
        return self.clients.get(client.lower()) or self.standards.get(standard) or self.default

    def check(self, client: str, standard: str, rule: RequestRule, gaps: Sequence[Gap]) -> None:
        """Raise the Problem (503) when this answer may not leave in part.

        Only what asking again can mend counts: a part that is held back stays an entry, or it would never be answered.
        """
        missing = [gap for gap in gaps if gap.reason is Reason.SOURCE_DOWN]
        policy = self.of(client, standard)
        dangerous = not safety_relevant().isdisjoint(rule.zibs)
        if missing and (policy == "refuse" or (policy == "safety" and dangerous)):
            raise unavailable(missing, "A source of these data does not answer at the moment. Try again later.")


def unavailable(gaps: Sequence[Gap], text: str) -> Problem:
    """503, with the time after which it makes sense to ask again."""
    after = max([gap.retry_after or RETRY for gap in gaps], default=RETRY)
    return Problem(503, "transient", text, headers={"retry-after": str(after)})
