"""What stands beside a resource of R4 that goes back: what conversion split off there is put together again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from profiles.conversion.paths import Node, holds
from profiles.conversion.work import Work, part_id
from profiles.fhir.tree import Resource
from profiles.record.walk import Key, aim

BARE: Final = frozenset({"resourceType", "id", "meta", "text"})
HOUSE: Final = ("http://snomed.info/sct", "272497004")


@dataclass(frozen=True, slots=True)
class Around:
    """The resources of R4 that go back together, by type and id."""

    resources: Mapping[Key, Resource] = field(default_factory=dict)

    def aimed(self, reference: Any) -> Resource | None:
        """The resource that a Reference points at, when it came along."""
        text = reference.get("reference") if isinstance(reference, dict) else None
        key = aim(text) if isinstance(text, str) else None
        return self.resources.get(key) if key is not None else None


def around(resources: Iterable[Resource]) -> Around:
    """The resources that go back together."""
    named = [one for one in resources if isinstance(one.get("id"), str)]
    return Around({(str(one.get("resourceType")), str(one["id"])): one for one in named})


def stands_for(resource: Resource | None) -> Node | None:
    """The reference that a made role or location stands for; None for one that says more than that."""
    if resource is None:
        return None
    rest = {key: value for key, value in resource.items() if key not in BARE}
    kind, name = str(resource.get("resourceType")), next(iter(rest), "")
    known = {("PractitionerRole", "practitioner"): "role", ("PractitionerRole", "organization"): "role",
             ("Location", "managingOrganization"): "loc"}  # fmt: skip
    suffix, target = known.get((kind, name)), rest.get(name)
    text = target.get("reference") if isinstance(target, dict) else None
    key = aim(text) if isinstance(text, str) else None
    if len(rest) != 1 or suffix is None or key is None or resource.get("id") != part_id(key[1], suffix):
        return None
    return dict(target) if isinstance(target, dict) else None


def is_house(resource: Resource | None) -> bool:
    """Whether a resource is the type of home of a living situation, which is a value in 2017."""
    return (
        resource is not None
        and isinstance(resource.get("valueCodeableConcept"), dict)
        and holds(resource.get("code"), *HOUSE)
    )


@dataclass(slots=True)
class BackWork(Work):
    """One resource of R4 that goes back, and what came along with it."""

    around: Around = field(default_factory=Around)

    def made_for(self, reference: Any, kind: str) -> Node | None:
        """What a made role or location stands for, where that is of a type (``Organization``)."""
        direct = stands_for(self.around.aimed(reference))
        if direct is None or not str(direct["reference"]).startswith(f"{kind}/"):
            return None
        shown = reference.get("display") if isinstance(reference, dict) else None
        return direct | ({"display": shown} if shown else {})
