"""What stands beside a resource of R4 that goes back: what conversion split off there is put together again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from profiles.conversion.back.inverse import zib_of
from profiles.conversion.paths import Node, holds, listed
from profiles.conversion.work import Work, part_id
from profiles.fhir.tree import Resource
from profiles.record.walk import Key, aim

BARE: Final = frozenset({"resourceType", "id", "meta", "text"})
OF_COMPONENT: Final = ("code", "interpretation", "referenceRange", "dataAbsentReason")
HOUSE: Final = ("http://snomed.info/sct", "272497004")


@dataclass(frozen=True, slots=True)
class Around:
    """The resources of R4 that go back together, by type and id."""

    resources: Mapping[Key, Resource] = field(default_factory=dict)
    parts: Mapping[Key, frozenset[Key]] = field(default_factory=dict)
    """Of an observation: the observations that were split off it, and go back into it."""

    def aimed(self, reference: Any) -> Resource | None:
        """The resource that a Reference points at, when it came along."""
        text = reference.get("reference") if isinstance(reference, dict) else None
        key = aim(text) if isinstance(text, str) else None
        return self.resources.get(key) if key is not None else None


def around(resources: Iterable[Resource]) -> Around:
    """The resources that go back together."""
    named = [one for one in resources if isinstance(one.get("id"), str)]
    record = Around({(str(one.get("resourceType")), str(one["id"])): one for one in named})
    return replace(record, parts={key: _parts(one, record) for key, one in record.resources.items()})


def _parts(whole: Resource, record: Around) -> frozenset[Key]:
    zib = zib_of(whole) if whole.get("resourceType") == "Observation" else None
    fits = {"LivingSituation": _is_house, "LaboratoryTestResult": _is_result}.get(zib.name if zib else "")
    members = [one for row in listed(whole.get("hasMember")) if (one := record.aimed(row)) is not None]
    parts = [("Observation", str(one["id"])) for one in members if fits is not None and fits(one, whole)]
    # A living situation has one value: two homes stay observations of their own.
    return frozenset(parts if fits is _is_result or len(parts) == 1 else ())


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


def _is_house(member: Resource, whole: Resource) -> bool:
    """Whether a resource is the type of home of a living situation, which is a value in 2017, and tells no more."""
    value = isinstance(member.get("valueCodeableConcept"), dict) and "valueCodeableConcept" not in whole
    return value and holds(member.get("code"), *HOUSE) and _same(member, whole, {"code", "valueCodeableConcept"})


def _is_result(member: Resource, whole: Resource) -> bool:
    """Whether a result was a component of a panel: its id is made of the panel's, and nothing else is its own."""
    base, _, number = str(member.get("id", "")).rpartition(".c")
    values = {key for key in member if key.lstrip("_").startswith("value")}
    made = base == whole.get("id") and number.isascii() and number.isdigit()
    return made and _same(member, whole, {*OF_COMPONENT, "extension", *values})


def _same(member: Resource, whole: Resource, own: set[str]) -> bool:
    """Whether a part says nothing of its own beside some elements."""
    return all(member[key] == whole.get(key) for key in member if key not in BARE and key not in own)


@dataclass(slots=True)
class BackWork(Work):
    """One resource of R4 that goes back, and what came along with it."""

    around: Around = field(default_factory=Around)

    def part_of(self, reference: Any) -> Resource | None:
        """The resource at a reference, when it was split off this one."""
        part = self.around.aimed(reference)
        parts = self.around.parts.get(("Observation", self.base), frozenset())
        return part if part is not None and ("Observation", str(part.get("id"))) in parts else None

    def made_for(self, reference: Any, kind: str) -> Node | None:
        """What a made role or location stands for, where that is of a type (``Organization``)."""
        direct = stands_for(self.around.aimed(reference))
        if direct is None or not str(direct["reference"]).startswith(f"{kind}/"):
            return None
        shown = reference.get("display") if isinstance(reference, dict) else None
        return direct | ({"display": shown} if shown else {})
