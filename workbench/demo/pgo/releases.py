"""A record in both releases, side by side: what came in STU3 (zib 2017), what it is in R4 (zib 2020), what is lost."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from profiles.conversion import Loss, convert
from profiles.conversion.losses import sentence, texts
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.label import label
from profiles.record.walk import key_of
from workbench.pgo.answers import SearchAnswer


@dataclass(frozen=True, slots=True)
class BothReleases:
    """One resource as it came and as it became; what is made beside it has no ``old``. ``lost`` is in Dutch."""

    name: str
    old: str
    new: str
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A whole record, and every kind of loss in it once, with how often it occurs."""

    rows: Sequence[BothReleases]
    kinds: Sequence[tuple[str, int]]


def side_by_side(answers: Iterable[SearchAnswer], day: date) -> SideBySide:
    """What was collected in STU3 beside what it is in R4, each resource once."""
    held = {
        key_of(one): one
        for answer in answers
        if answer.search.standard.fhir is FhirVersion.STU3
        for one in (*answer.matches, *answer.included)
    }
    sources = list(held.values())
    result = convert(sources, day)
    of_each: dict[str, list[Loss]] = {}
    for loss in result.losses:
        of_each.setdefault(loss.resource, []).append(loss)
    # What is converted stands in the order of its sources; what was made beside them stands behind.
    pairs = list(zip(sources, result.resources, strict=False))
    rows = [_row(old, new, of_each.get("/".join(key_of(old)), ())) for old, new in pairs]
    rows += [_row(None, one, ()) for one in result.resources[len(sources) :]]
    count: dict[str, int] = {}
    for loss in result.losses:
        words = (texts().loss if loss.id else texts().kind)[loss.id or loss.kind].nl
        count[words] = count.get(words, 0) + 1
    return SideBySide(rows, sorted(count.items(), key=lambda one: (-one[1], one[0])))


def _row(old: Resource | None, new: Resource, losses: Iterable[Loss]) -> BothReleases:
    name = label(old or new) or f"{new['resourceType']} {new.get('id', '')}"
    return BothReleases(name, _shown(old), _shown(new), tuple(sentence(one) for one in losses))


def _shown(resource: Resource | None) -> str:
    """A resource for reading, with its digits and without the narrative, which says the same again."""
    if resource is None:
        return ""
    plain = {name: value for name, value in resource.items() if name != "text"}
    return msgspec.json.format(jsonio.dump(plain), indent=2).decode()
