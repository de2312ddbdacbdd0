"""What is remembered of the answers of live sources: a keyed digest of each resource, by row and source.

Under a key of the subscription it says that something is as it was, and nothing of what it is. The first answer of a
source to a row is only remembered. What is there no more is no news: a source that shows the last year lets something
go every day, and what was taken back says so by its status, which is another content.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.port import Reason
from gateway.collect.held import Held
from gateway.collect.pipeline import Collected
from profiles.fhir.codec import jsonio
from profiles.standards.model import RequestRule

TOUCHED = ("lastUpdated", "versionId")
"""What a source changes of a resource without changing what it says."""
MOST = 20_000
"""Digests of one row and source; what an incomplete answer leaves out is remembered up to here."""

Marks = dict[str, list[bytes]]
"""Digests by row and source."""


@dataclass(slots=True)
class Gave:
    """What the sources gave for the rows of one subscription."""

    by_place: dict[tuple[str, str], list[Held]] = field(default_factory=dict)
    """Resources by row and source, of those that answered."""
    whole: dict[tuple[str, str], bool] = field(default_factory=dict)
    gaps: Counter[str] = field(default_factory=Counter)
    incidents: set[str] = field(default_factory=set)
    hidden: Counter[str] = field(default_factory=Counter)

    def take(self, rule: RequestRule, collected: Collected, matches: Sequence[Held]) -> None:
        """Add the answer to one row."""
        for source, whole in collected.answered.items():
            self.by_place[rule.id, source] = [held for held in matches if held.source == source]
            self.whole[rule.id, source] = whole
        self.gaps.update(f"{gap.what}:{gap.reason}" for gap in collected.gaps)
        self.incidents.update(collected.incidents)

    @property
    def silent(self) -> bool:
        """Whether nothing came, and a source that should have answered did not."""
        return not any(self.by_place.values()) and any(gap.endswith(f":{Reason.SOURCE_DOWN}") for gap in self.gaps)

    def counts(self) -> tuple[tuple[str, int], ...]:
        """How many resources of each type were seen, each once."""
        keys = {(held.type, held.id) for pieces in self.by_place.values() for held in pieces}
        return tuple(sorted(Counter(type_ for type_, _ in keys).items()))


def compared(key: bytes, before: Marks, gave: Gave) -> tuple[Marks, Sequence[Held]]:
    """What is remembered after an answer, and what in it is new. A place that did not answer stays as it was."""
    marks, fresh = dict(before), []
    for (rule, source), pieces in gave.by_place.items():
        place = f"{rule} {source}"
        now = {_digest(key, held): held for held in pieces}
        known = frozenset(before.get(place, now))
        fresh += [held for mark, held in now.items() if mark not in known]
        # What is missing from an incomplete answer is not gone.
        keeps = not gave.whole[rule, source] and len(now) + len(known) <= MOST
        marks[place] = sorted(known | now.keys() if keeps else now)
    return marks, fresh


def _digest(key: bytes, held: Held) -> bytes:
    content = dict(held.whole)
    content["meta"] = {name: value for name, value in (content.get("meta") or {}).items() if name not in TOUCHED}
    return hmac.digest(key, f"{held.type}/{held.id}\0".encode() + jsonio.canonical(content), hashlib.sha256)[:16]
