"""What the XML reader and writer must know of each type, compiled from the base facts once per type."""

from enum import IntEnum
from functools import cache

from profiles.fhir.basetypes import INTEGERS, BaseFacts, TypeFacts, facts, script_facts
from profiles.fhir.version import FhirVersion

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"


class ElementForm(IntEnum):
    """How an element is written in XML."""

    TEXT = 0
    DECIMAL = 1
    INTEGER = 2
    BOOLEAN = 3
    COMPLEX = 4
    RESOURCE = 5
    XHTML = 6
    ATTRIBUTE = 7


class Slot:
    """One JSON property of a type: where it stands and how it is written."""

    __slots__ = (
        "_plan", "close", "extras", "head", "kind", "many", "name", "open", "order", "plans", "primitive", "type_name"
    )  # fmt: skip

    def __init__(
        self, plans: "ReleasePlans", name: str, type_name: str, kind: ElementForm, many: bool, order: int
    ) -> None:
        self.plans = plans
        self.name = name
        self.extras = "_" + name
        self.type_name = type_name
        self.kind = kind
        self.primitive = kind < ElementForm.COMPLEX
        self.many = many
        self.order = order
        self.head = f"<{name}"
        self.open = f'<{name} value="'
        self.close = f"</{name}>"
        self._plan: TypePlan | None = None

    @property
    def plan(self) -> "TypePlan":
        """The plan of a complex element."""
        if self._plan is None:
            self._plan = self.plans.plan(self.type_name)
        return self._plan


class TypePlan:
    """The slots of one type, by JSON property and by the expanded name of the XML parser."""

    __slots__ = ("attributes", "is_resource", "name", "read", "write")

    def __init__(self, name: str, slots: list[Slot], is_resource: bool) -> None:
        self.name = name
        self.is_resource = is_resource
        self.write = {slot.name: slot for slot in slots}
        self.attributes = tuple(slot.name for slot in slots if slot.kind is ElementForm.ATTRIBUTE)
        self.read = {
            f"{XHTML if slot.kind is ElementForm.XHTML else FHIR} {slot.name}": slot
            for slot in slots
            if slot.kind is not ElementForm.ATTRIBUTE
        }


class ReleasePlans:
    """The plans of one release."""

    def __init__(self, base: BaseFacts) -> None:
        self.base = base
        self._plans: dict[str, TypePlan] = {}
        self.resources = frozenset(base.resource_types())
        self.extension = Slot(self, "extension", "Extension", ElementForm.COMPLEX, many=True, order=0)

    def plan(self, name: str) -> TypePlan:
        """The plan of a type; KeyError when there is no such type."""
        found = self._plans.get(name)
        if found is None:
            found = self._plans[name] = self._compile(self.base.types[name])
        return found

    def _compile(self, type_facts: TypeFacts) -> TypePlan:
        attributes = type_facts.attributes()
        slots = []
        for order, (name, (element, type_name)) in enumerate(type_facts.properties.items()):
            kind = ElementForm.ATTRIBUTE if name in attributes else self._kind(type_name)
            slots.append(Slot(self, name, type_name, kind, element.many, order))
        return TypePlan(type_facts.name, slots, type_facts.kind == "resource")

    def _kind(self, type_name: str) -> ElementForm:
        if type_name in ("boolean", "decimal", "xhtml"):
            return ElementForm[type_name.upper()]
        if type_name in INTEGERS:
            return ElementForm.INTEGER
        kinds = {"primitive": ElementForm.TEXT, "resource": ElementForm.RESOURCE}
        return kinds.get(self.base.kind(type_name) or "", ElementForm.COMPLEX)


@cache
def plans(version: FhirVersion) -> ReleasePlans:
    """The plans of a release."""
    return ReleasePlans(facts(version))


@cache
def script_plans() -> ReleasePlans:
    """The plans for the TestScripts of national qualification."""
    return ReleasePlans(script_facts())
