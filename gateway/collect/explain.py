"""Why an answer is as it is: which sources had what, what each parameter left out, what was changed on the way.

Counts, names of parameters and rules, and places in a resource; never a value of a person.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapters.port import Gap
from gateway.collect.answer import ROUNDS, Answer
from gateway.collect.pipeline import Collected
from profiles.fhir.search.losses import ParameterLoss, losses
from profiles.fhir.search.search import Search
from profiles.standards.admit import Admitted

MOST_CHANGES = 12
"""Rules of repair that are named; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One answer, explained. ``held`` counts what could have matched, by source and whether it came live."""

    rule: str
    type: str
    known: bool
    held: Sequence[tuple[str, bool, int]]
    lost: Sequence[ParameterLoss]
    gaps: Sequence[Gap]
    changes: Sequence[tuple[tuple[str, str, str], int]]
    matches: int
    included: int

    def lines(self) -> Iterator[str]:
        """The explanation, a statement per line."""
        yield f"row: {self.rule}"
        if not self.known:
            yield "person: known to nothing that was asked here, store or live source"
        for source, live, count in self.held:
            yield f"source: {source} ({'live' if live else 'store'}) has {count} {self.type}"
        if not self.held:
            yield f"source: none has any {self.type} of this person"
        for gap in self.gaps:
            yield f"missing: {gap.what}, {gap.reason}"
        for (source, rule, place), count in self.changes[:MOST_CHANGES]:
            yield f"mapping: {source}, rule {rule} at {place}" + (f", {count} times" if count > 1 else "")
        if len(self.changes) > MOST_CHANGES:
            yield f"mapping: and {len(self.changes) - MOST_CHANGES} more rules"
        for loss in self.lost:
            yield f"filter: {loss.parameter} leaves out {loss.left_out}"
        yield f"answer: {self.matches} matches, {self.included} included"


async def explained(collected: Collected, admitted: Admitted, wanted: Search, answer: Answer) -> Explanation:
    """Explain ``found``, the answer to ``wanted`` over what was collected. Raises StoreUnavailable."""
    record = collected.record
    lost: Sequence[ParameterLoss] = ()
    for _ in range(ROUNDS):
        candidates = record.of_type(wanted.type)
        lost = losses(wanted, candidates, record.find)
        if not await record.load():
            break
    held = Counter((one.source, one.live) for one in record.of_type(wanted.type))
    # A person whom only a live source knows is known.
    known = bool(held) or collected.known or bool(await record.patients())
    changes = Counter(collected.changes)
    return Explanation(
        rule=admitted.rule.id,
        type=wanted.type,
        known=known,
        held=[(source, live, count) for (source, live), count in sorted(held.items())],
        lost=lost,
        gaps=collected.gaps,
        changes=sorted(changes.items()),
        matches=len(answer.matches),
        included=len(answer.included),
    )
