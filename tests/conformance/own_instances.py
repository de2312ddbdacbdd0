"""An instance for every table of ours, composed of what it says: each element that it names, with a fitting value.

Invented values, no official material: what the tables demand can be tried on any machine. An element that the rules of
thumb cannot fill is left out in ``own_instances.toml``, with the reason.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from profiles.fhir.tree import Resource
from profiles.validation import Validator
from profiles.validation.schema.nodes import HL7, MISSING, BrokenDefinition, Node, TypeRef

RULES = tomllib.loads(Path(__file__).with_name("own_instances.toml").read_text("utf-8"))
NOT_COMPOSED = {table for row in RULES["not_composed"] for table in row["tables"]}
LEFT_OUT = tuple(element for row in RULES["left_out"] for element in row["elements"])
GIVEN: dict[str, Any] = {element: row["value"] for row in RULES["given"] for element in row["elements"]}
DEPTH = 7
PLAIN: dict[str, Any] = {
    "boolean": True,
    "integer": 3,
    "unsignedInt": 2,
    "positiveInt": 2,
    "decimal": 12,
    "date": "2026-02-03",
    "dateTime": "2026-02-03T10:11:12+01:00",
    "instant": "2026-02-03T10:11:12.000+01:00",
    "time": "10:11:12",
    "code": "onbekend",
    "id": "een-id",
    "uri": "http://voorbeeld.example/fhir/iets",
    "oid": "urn:oid:2.16.840.1.113883.2.4.3.11.999.1",
    "base64Binary": "dGVzdA==",
    "string": "Verzonnen tekst",
    "markdown": "Verzonnen tekst",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Verzonnen</p></div>',
}
WHOLE: dict[str, Any] = {
    "Identifier": {"system": "http://voorbeeld.example/fhir/nummers", "value": "V-1"},
    "HumanName": {"text": "Vera Voorbeeld"},
    "Address": {"city": "Zandoord"},
    "ContactPoint": {"system": "phone", "value": "0105550000"},
    "Period": {"start": "2026-01-02"},
    "Range": {"low": {"value": 1}},
    "Annotation": {"text": "Verzonnen opmerking"},
    "Attachment": {"contentType": "application/pdf", "url": "Binary/verzonnen"},
    "Timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
    "Ratio": {"numerator": {"value": 1}, "denominator": {"value": 2}},
    "SampledData": {"origin": {"value": 1}, "period": 1, "dimensions": 1, "data": "1 2"},
    "Signature": {},
}
BSN = "http://fhir.nl/fhir/NamingSystem/bsn"
QUANTITIES = ("Quantity", "SimpleQuantity", "Age", "Duration", "Distance", "Count", "Money")


class Composer:
    """Composes instances for the tables that a validator knows."""

    def __init__(self, validator: Validator) -> None:
        self._merger = validator.merger
        self._terms = validator.terminology
        self._table = ""

    def instance(self, url: str) -> Resource:
        """An instance of a profile on a resource, with its profile claimed."""
        tree = self._merger.tree(url)
        self._table = url.rpartition("/")[2]
        made: Resource = {"resourceType": tree.type, "id": "verzonnen-1", "meta": {"profile": [url]}}
        made |= {key: value for key, value in self._object(tree.root, 0).items() if key not in ("id", "meta")}
        return made

    def _key(self, node: Node) -> str:
        return f"{self._table}/{node.id}"

    def _given(self, node: Node) -> Any:
        return GIVEN.get(self._key(node), GIVEN.get(node.id))

    def _object(self, node: Node, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        children = self._merger.view(node)
        for name, child in children.items():
            if name == "value[x]" and "extension" in made and "url" in children:
                continue  # ext-1: a value or extensions
            if child.max == 0 or self._key(child).endswith(LEFT_OUT) or (not self._wanted(child) and child.min == 0):
                continue
            if depth > DEPTH and child.min == 0:
                continue
            if child.choice:
                made |= self._choice(name.removesuffix("[x]"), child, depth)
            elif name in ("extension", "modifierExtension"):
                if found := list(self._extensions(child, depth)):
                    made[name] = found
            elif (items := list(self._items(child, depth))) != []:
                made[name] = items if child.many else items[0]
        return made

    def _wanted(self, node: Node) -> bool:
        """Whether a table names the element, a slice of it or anything below it."""
        if not node.source.startswith(HL7):
            return True
        if any(self._wanted(one) for one in node.slices.values()):
            return True
        return any(self._wanted(one) for one in (node.children or {}).values())

    def _items(self, node: Node, depth: int) -> Iterator[Any]:
        slices = [one for one in node.slices.values() if self._takes(one)]
        for one in slices[: node.max if node.max is not None else len(slices)]:
            for _ in range(max(one.min, 1)):
                yield self._value(one, self._type(one), depth)
        for _ in range(max(node.min, 1) - sum(max(one.min, 1) for one in slices)):
            if not slices or node.min > len(slices):
                yield self._value(node, self._type(node), depth)

    def _takes(self, one: Node) -> bool:
        return one.max != 0 and not self._key(one).endswith(LEFT_OUT) and (one.min > 0 or self._wanted(one))

    def _extensions(self, node: Node, depth: int) -> Iterator[Any]:
        for one in node.slices.values():
            if self._takes(one) and (given := self._given(one)) is not None:
                yield given
            elif self._takes(one) and one.types and depth <= DEPTH:
                profile = next(iter(one.types[0].profiles), None)
                made = self._extension(one, profile, depth)
                if made is not None and len(made) > 1:
                    yield made

    def _extension(self, one: Node, profile: str | None, depth: int) -> dict[str, Any] | None:
        node = one
        if profile is not None and one.children is None:
            try:
                node = self._merger.tree(profile).root
            except BrokenDefinition:
                return None
        made = self._object(node, depth + 1)
        if "extension" not in made and not any(key.startswith("value") for key in made):
            child = self._merger.view(node)["value[x]"]
            if child.max == 0:
                return None
            made |= self._choice("value", child, depth + 1)
        return {"url": profile, **made} if profile is not None else made if "url" in made else None

    def _choice(self, bare: str, node: Node, depth: int) -> dict[str, Any]:
        slices = [one for one in node.slices.values() if one.types and self._takes(one)]
        one = next((one for one in slices if one.min), slices[0] if slices else node)
        ref = self._type(one)
        return {bare + ref.code[:1].upper() + ref.code[1:]: self._value(one, ref, depth)}

    @staticmethod
    def _type(node: Node) -> TypeRef:
        usual = [ref for ref in node.types if ref.code in (*QUANTITIES, "CodeableConcept", "dateTime", "string")]
        return (usual or list(node.types) or [TypeRef("BackboneElement")])[0]

    def _value(self, node: Node, ref: TypeRef, depth: int) -> Any:
        if (given := self._given(node)) is not None:
            return given
        if node.fixed is not MISSING:
            return node.fixed
        least, most = node.bounds
        limit = least if least is not None else most
        if ref.code in PLAIN:
            if node.pattern is not MISSING:
                return node.pattern
            return limit if limit is not None else self._code(node) or PLAIN[ref.code]
        made = self._complex(node, ref, depth)
        if isinstance(limit, dict):
            made |= limit
        return _joined(made, node.pattern) if node.pattern is not MISSING else made

    def _complex(self, node: Node, ref: TypeRef, depth: int) -> dict[str, Any]:
        own = self._inner(node, ref, depth)
        code = ref.code
        if code == "Reference":
            return {"reference": f"{self._target(ref)}/verzonnen-2", "display": "Verzonnen", **own}
        if code == "CodeableConcept":
            codings = [self._coded(one, node) for one in own.pop("coding", [{}])]
            if any(codings):
                own["coding"] = [one for one in codings if one]
            return own or {"text": "Verzonnen begrip"}
        if code == "Coding":
            return self._coded(own, node) or {"system": "http://voorbeeld.example/stelsel", "code": "x"}
        if code in QUANTITIES:
            made = {"value": 12, **self._coded(own, node)}
            unit = {"code": "1"} if made.get("code") == PLAIN["code"] else {}
            return {"system": "http://unitsofmeasure.org", **made, **unit} if "code" in made else made
        if code == "Identifier" and own.get("system") == BSN:
            own["value"] = "999990019"
        return {**WHOLE.get(code, {}), **own}

    def _coded(self, made: dict[str, Any], node: Node) -> dict[str, Any]:
        """With a code of the element's value set, unless the profile itself says which."""
        known = made.get("code") not in (None, PLAIN["code"])
        system = made.get("system") if made.get("system") != PLAIN["uri"] else None
        found = None if known else self._coding(node, system)
        return {**made, **found} if found else made

    def _inner(self, node: Node, ref: TypeRef, depth: int) -> dict[str, Any]:
        inner: Node | None = node
        try:
            if node.children is None and (ref.code.startswith("#") or node.content):
                inner = self._merger.content(node.content or ref.code)
            elif node.children is None and ref.profiles:
                inner = self._merger.tree(ref.profiles[0]).root
        except BrokenDefinition:
            inner = None
        made = self._object(inner, depth + 1) if inner is not None and depth <= DEPTH else {}
        if node.name == "section" and not made.keys() & {"text", "entry", "section"}:
            made["text"] = {"status": "additional", "div": PLAIN["xhtml"]}
        return made

    def _target(self, ref: TypeRef) -> str:
        kinds = [self._merger.kind_of(target) for target in ref.targets]
        return next((kind for kind in kinds if kind and kind != "Resource"), "Patient")

    def _coding(self, node: Node, wanted: str | None = None) -> dict[str, Any] | None:
        found = self._terms.value_set(node.binding.value_set) if node.binding and node.binding.value_set else None
        for system, extent in sorted(found.extents.items()) if found is not None else ():
            if system and wanted in (None, system) and (extent.codes or extent.open):
                return {"system": system, "code": min(extent.codes, default="1")}
        return None

    def _code(self, node: Node) -> str | None:
        if node.binding is not None and node.binding.codes:
            return min(node.binding.codes)
        coding = self._coding(node)
        return coding["code"] if coding else None


def _joined(value: Any, pattern: Any) -> Any:
    """A value that holds a pattern as well."""
    if isinstance(value, dict) and isinstance(pattern, dict):
        return {**value, **{key: _joined(value.get(key), one) for key, one in pattern.items()}}
    return pattern
