"""What of a message was not taken: every field with content of which nothing was made, by name (never a value)."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from gateway.intake.hl7v2.message import Message, Place


@dataclass(frozen=True, slots=True)
class Untaken:
    """One kind of content that was left: ``name`` is ``OBX-17``, ``PID-11.4`` or ``ZPI``; ``where`` is its place."""

    name: str
    times: int
    where: tuple[str, int, int]
    why: str = ""

    def __str__(self) -> str:
        return f"{self.name} not taken" + (f" ({self.times} times)" if self.times > 1 else "") + self.why


def untaken(message: Message, quiet: Mapping[str, str], told: Collection[int]) -> list[Untaken]:
    """What was not used. ``quiet`` names places that hold nothing clinical; ``told`` are segments refused by name."""
    counted: Counter[str] = Counter()
    first: dict[str, tuple[str, int, int]] = {}
    for segment in message.segments:
        if segment.number in told or segment.name in quiet or f"{segment.name}@{message.header(9)}" in quiet:
            continue
        left = [place for place in segment.valued() if not _used(message.used, place)]
        left = [place for place in left if not _is_quiet(quiet, segment.name, place)]
        whole = left and not any(place[0] == segment.number for place in message.used)
        for name, field in _names(segment.name, left, whole=bool(whole)):
            counted[name] += 1
            first.setdefault(name, (segment.name, segment.turn, field))
    return [Untaken(name, times, first[name]) for name, times in counted.items()]


def _used(used: Collection[Place], place: Place) -> bool:
    number, field, turn, component, _ = place
    return any(one in used for one in (place, (number, field, turn, component, 0), (number, field, turn, 0, 0)))


def _is_quiet(quiet: Mapping[str, str], name: str, place: Place) -> bool:
    return f"{name}_{place[1]}" in quiet or f"{name}_{place[1]}_{place[3]}" in quiet


def _names(name: str, left: Iterable[Place], *, whole: bool) -> Iterable[tuple[str, int]]:
    """The shortest names: the segment when nothing of it was used, else fields and components."""
    if whole:
        return [(name, 0)]
    found: dict[str, int] = {}
    for _, field, turn, component, _part in left:
        again = f" (repetition {turn + 1})" if turn else ""
        found[f"{name}-{field}" + (f".{component}" if component > 1 else "") + again] = field
    return found.items()
