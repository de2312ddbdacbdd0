"""What may be read by id where rows say what their matches point at: those matches, and what these point at.

A token for one building block opens one search. Reading by id follows from it: a match itself, what comes along with
it, and the types that the row names as far as a match leads there. Of a person's own data only what a match or what
comes along points at itself; what is about nobody (a role, its practitioner, their institution) some steps further.
"""

from gateway.collect.answer import ROUNDS, search
from gateway.collect.held import Held
from gateway.collect.record import HOPS, Key, Record
from gateway.store.reader import StoreUnavailable
from profiles.fhir.search.search import Search
from profiles.record.walk import links
from profiles.record.whose import is_shared


async def leads_to(record: Record, wanted: Search, types: frozenset[str], target: Key) -> bool:
    """Whether a search over the record finds a resource, or something that points at it. Raises StoreUnavailable.

    The record is one that loads JSON. ``types`` are those that the row names; a reference to another type is not
    followed.
    """
    found = await search(record, wanted)
    level: list[Held] = [*found.matches, *found.included]
    seen: set[Key] = {(held.type, held.id) for held in level}
    if target in seen:
        return True
    for _ in range(HOPS):
        keys = {key for held in level for key in links(held.whole) if key[0] in types} - seen
        if target in keys:
            return True
        seen |= keys
        # Beyond the first step only through what belongs to no person.
        level = [held for held in await _loaded(record, keys) if is_shared(held.whole)]
        if not level:
            break
    return False


async def _loaded(record: Record, keys: set[Key]) -> list[Held]:
    for _ in range(ROUNDS):
        found = [record.find(*key) for key in keys]
        if not await record.load():
            break
    held = [one for one in found if one is not None]
    if not await record.ready(held):
        raise StoreUnavailable from LookupError("the record changes while it is read")
    return held
