"""A FHIR document out of a record: the Composition, and everything that it leads to within the person's record.

A Binary stays outside (EO-05): a document that is attached is fetched by its own address.
"""

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from gateway.collect.answer import read
from gateway.collect.held import Held
from gateway.collect.record import Record
from gateway.problems import Problem
from profiles.fhir.tree import Resource
from profiles.record.stamp import moment
from profiles.record.walk import Key, links

MOST = 2_000
"""Resources of one document; a record that leads to more is no handoff."""


async def document_of(
    record: Record, composition: str, base: str, whole: Callable[[Held], Resource]
) -> tuple[Resource, tuple[tuple[str, int], ...]]:
    """The Bundle of type document (STU3), and how many resources of each type are in it. Raises Problem 404, 422."""
    first = await read(record, "Composition", composition)
    if first is None:
        raise Problem(404, "not-found", "There is no such document.")
    taken: dict[Key, Resource] = {("Composition", composition): whole(first)}
    waiting = list(links(first.whole))
    while waiting:
        key = waiting.pop(0)
        if key in taken or key[0] == "Binary":
            continue
        held = await read(record, *key)
        if held is None:
            continue
        if len(taken) >= MOST:
            raise Problem(422, "too-costly", "The document would have too many parts.")
        taken[key] = whole(held)
        waiting += links(held.whole)
    bundle: Resource = {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "meta": {"lastUpdated": moment(datetime.now(UTC))},
        "type": "document",
        "entry": [{"fullUrl": f"{base}/{type_}/{id_}", "resource": body} for (type_, id_), body in taken.items()],
    }
    return bundle, tuple(sorted(Counter(type_ for type_, _ in taken).items()))
