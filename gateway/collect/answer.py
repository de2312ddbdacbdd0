"""Run an admitted request over a person's record until nothing more has to be loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.collect.held import Held
from gateway.collect.record import Record
from gateway.release.shield import Hidden
from gateway.store.reader import StoreUnavailable
from profiles.fhir.search.execute import bring, select
from profiles.fhir.search.search import Search

ROUNDS = 8
"""Most rounds of loading: a search, its includes, and their includes need three or four."""

TRIES = 3
"""How often a search starts over because the record changed while it was read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes into a searchset, in order."""

    matches: Sequence[Held]
    included: Sequence[Held] = field(default=())
    hidden: Sequence[Hidden] = field(default=())
    """What would have been in it, and is not shown: each with its reason."""

    def counts(self) -> tuple[tuple[str, int], ...]:
        """How many resources of each type leave, for the audit record."""
        found: dict[str, int] = {}
        for held in (*self.matches, *self.included):
            found[held.type] = found.get(held.type, 0) + 1
        return tuple(sorted(found.items()))


async def search(record: Record, wanted: Search) -> Answer:
    """The answer to a search, with bytes. Raises StoreUnavailable, and SearchError for what only shows when run."""
    for _ in range(TRIES):
        found = await _found(record, wanted)
        leaving = (*found.matches, *found.included)
        if await record.ready(leaving) and await record.unnamed(leaving):
            return found
    raise StoreUnavailable from LookupError("the record changes all the time")


async def _found(record: Record, wanted: Search) -> Answer:
    # First what matches, then what comes along with it; each again when something was not loaded yet.
    for _ in range(ROUNDS):
        matches = select(wanted, record.candidates(wanted.type, wanted.marks), record.find)
        if not await record.load():
            break
    missing = record.hidden(wanted.type)
    # What is hidden counts where it would have matched: who asks for a weight is told nothing of a laboratory result.
    meant = select(wanted, [held for held, _ in missing], record.find) if missing else ()
    hidden = record.why((held.type, held.id) for held in meant)
    if not matches or not (wanted.includes or wanted.revincludes):
        return Answer(matches, hidden=hidden)
    record.touched.clear()
    for _ in range(ROUNDS):
        included = bring(wanted, matches, record.find, record.of_type)
        if not await record.load():
            break
    beside = record.why(sorted(record.touched - {(held.type, held.id) for held in meant}))
    return Answer(matches, included, (*hidden, *beside))


async def read(record: Record, type_: str, id_: str) -> Held | None:
    """One resource by its id, or None when this person may not see it or it does not exist (ERR-44)."""
    record.find(type_, id_)
    await record.load()
    held = record.find(type_, id_)
    if held is None or not await record.visible(held):
        return None
    if not await record.unnamed((held,)):
        raise StoreUnavailable from LookupError("the record changes while it is read")
    return held
