"""What two sources tell the same in one answer, to be counted: the answer itself is not changed by it."""

from collections.abc import Sequence

from gateway.collect.held import Held
from gateway.collect.ids import served_id
from profiles.record.same import Told
from profiles.record.whose import patient_of, subjects

OWNER = "owner"


def told_by_several(pieces: Sequence[Held]) -> list[Told]:
    """The resources of an answer with who told them; without those of which only XML was loaded.

    Whose it is counts only when the resource names the patient whose record it is: what is in the mother's record and
    of her child has nobody to be the same as.
    """
    return [
        Told(held.whole, held.source, OWNER if _is_owners(held) else "") for held in pieces if not held.lacks("json")
    ]


def _is_owners(held: Held) -> bool:
    named = {patient_of(node) for node in subjects(held.whole)}
    own = {held.patient_id, served_id(held.source, held.patient_id)} if held.patient_id else set()
    return len(named) == 1 and bool(named & own)
