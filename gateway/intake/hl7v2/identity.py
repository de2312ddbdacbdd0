"""Messages about who is who: A40 and A47 (merge), A24 (link), A37 (unlink), as steps for gateway.intake.merge."""

from collections.abc import Sequence

from adapters.mapping.functions import key
from gateway.intake.hl7v2.mapping import MessageMapping
from gateway.intake.hl7v2.message import Message, MessageFault, SegmentLine
from gateway.intake.hl7v2.special import all_numbers, numbers
from gateway.intake.merge import IdentityStep


def who_is_who(message: Message, mapping: MessageMapping) -> Sequence[IdentityStep]:
    """What a message says about numbers of patients; none for other messages. Raises MessageFault."""
    kind = mapping.file.identity.get(message.kind)
    if kind is None:
        return ()
    persons = message.named("PID")
    if kind != "merge":
        if len(persons) != 2:
            raise MessageFault("101", "a link is between two PID", where=("PID", 2, 0))
        first, second = (_number(mapping, message, one, "PID", 3) for one in persons)
        return (IdentityStep(kind, first[0], second[0], first[1], second[1]),)
    steps = []
    for one in persons:
        prior = [other for other in message.around(one).patient if other.name == "MRG"]
        survivor = _number(mapping, message, one, "PID", 3)
        for merged in prior:
            olds, bsn = all_numbers(mapping.row(message, merged), "MRG", 1)
            if not olds:
                raise MessageFault("101", "MRG-1: no number of the sender", where=("MRG", merged.turn, 1))
            # A prior list of identifiers (v2.5, 3.4.10.1): each number in it ends.
            steps += [IdentityStep(kind, key(old) or "", survivor[0], bsn, survivor[1]) for old in olds]
    if not steps:
        raise MessageFault("101", "MRG-1: the number that ends is not there", where=("MRG", 1, 1))
    return steps


def _number(
    mapping: MessageMapping, message: Message, segment: SegmentLine, name: str, field: int
) -> tuple[str, str | None]:
    found = numbers(mapping.row(message, segment), name, field)
    id_ = key(found["sent_id"]) if found["sent_id"] else None
    if id_ is None:
        raise MessageFault("101", f"{name}-{field}: no number of the sender", where=(name, 1, field))
    return id_, found["bsn"]
