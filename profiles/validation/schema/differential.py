"""One element of a differential: read, and written onto a node of the tree that is being made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from profiles.validation.schema.nodes import HL7, MISSING, Binding, Constraint, Node, Slicing, TypeRef, ZibElement

MAX_NAME: Final = 60
NARRATIVE: Final = frozenset({"narrative-language-control", "narrative-source-control"})
"""Extensions by which a definition says what its narrative is like."""


def _value(element: Mapping[str, Any], prefix: str) -> Any:
    for key, value in element.items():
        if key.startswith(prefix) and len(key) > len(prefix) and key[len(prefix)].isupper():
            return value
    return MISSING


def _types(element: Mapping[str, Any]) -> tuple[TypeRef, ...]:
    merged: dict[str, tuple[list[str], list[str]]] = {}
    for row in element.get("type") or ():
        code = row.get("code")
        if not isinstance(code, str):
            code = "string" if "_code" in row else None
        if code is None:
            continue
        if code.startswith("http://hl7.org/fhirpath/System."):
            code = next(
                (
                    str(x.get("valueUrl") or x.get("valueUri"))
                    for x in row.get("extension", ())
                    if "fhir-type" in x["url"]
                ),
                code.rpartition(".")[2].lower(),
            )
        profiles, targets = merged.setdefault(code, ([], []))
        profiles.extend(_listed(row.get("profile")))
        targets.extend(_listed(row.get("targetProfile")))
    return tuple(TypeRef(code, tuple(profiles), tuple(targets)) for code, (profiles, targets) in merged.items())


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _binding(data: Mapping[str, Any]) -> Binding:
    maximum = None
    for extension in data.get("extension", ()):
        if extension.get("url", "").endswith("elementdefinition-maxValueSet"):
            found = extension.get("valueReference", {}).get("reference") or extension.get("valueUri")
            maximum = found or extension.get("valueCanonical")
    reference = data.get("valueSetReference")
    url = reference.get("reference") if isinstance(reference, dict) else None
    return Binding(
        str(data.get("strength", "example")), url or data.get("valueSetUri") or data.get("valueSet"), maximum
    )


def _slicing(data: Mapping[str, Any]) -> Slicing:
    rows = tuple(
        (str(row.get("type", "value")), str(row.get("path", "$this"))) for row in data.get("discriminator") or ()
    )
    return Slicing(rows, str(data.get("rules", "open")), bool(data.get("ordered", False)))


def _constraints(rows: Any, source: str) -> dict[str, Constraint]:
    constraints = {}
    for row in rows:
        best = any("bestpractice" in str(x.get("url")) for x in row.get("extension", ()))
        constraints[str(row.get("key"))] = Constraint(
            str(row.get("key")),
            str(row.get("severity", "error")),
            row.get("expression"),
            str(row.get("human", "")),
            best,
            source.startswith(HL7),
        )
    return constraints


def _zib(element: Mapping[str, Any]) -> ZibElement | None:
    concepts = [
        (str(row.get("identity", "")), row)
        for row in element.get("mapping") or ()
        if isinstance(row.get("map"), str) and "NL-CM:" in row["map"]
    ]
    if not concepts:
        return None
    newest = max(concepts, key=lambda pair: ("basicelements" not in pair[0], pair[0][-6:]))[1]
    concept = newest["map"].partition("NL-CM:")[2].split()[0].rstrip(",;.")
    english = str(newest.get("comment", "")).split(".")[0].split("(")[0].strip()
    if not english or len(english) > MAX_NAME or " " in english:
        english = str(element.get("short", "")).split(" / ")[0]
    alias = element.get("alias") or [english]
    return ZibElement(concept, str(alias[-1]), english or str(alias[-1]))


def dataset(element: Mapping[str, Any]) -> tuple[str, str] | None:
    """The concept of a data set that an element is mapped to, and its Dutch name (empty when it is a sentence).

    Birth care, appointments and nursing handover have data sets of their own (``peri32-dataelement-9983``); of several
    releases of one data set the newest counts.
    """
    rows = [row for row in element.get("mapping") or () if "dataelement" in str(row.get("map"))]
    if not rows:
        return None
    row = max(rows, key=lambda one: _release(str(one["map"])))
    name = str(row.get("comment", "")).partition(". ")[0].split(" (")[0].strip()
    return str(row["map"]), name if len(name) <= MAX_NAME else ""


def _release(concept: str) -> int:
    digits = concept.partition("-dataelement")[0].removeprefix("peri")
    return int(digits) if digits.isdecimal() else 0


def _named(element: Mapping[str, Any], before: ZibElement | None) -> ZibElement | None:
    """The name of an element: of its zib concept, else of its data set concept, else the one that it had."""
    found = _zib(element)
    if found is not None or (before is not None and before.of_zib):
        return found or before
    concept = dataset(element)
    return ZibElement(concept[0], concept[1], concept[1]) if concept is not None and concept[1] else before


def _max(text: Any) -> int | None:
    return int(text) if isinstance(text, str) and text.isdigit() else None


def amend(node: Node, element: Mapping[str, Any], source: str) -> None:
    """Write what a differential says onto a node."""
    node.source = source
    node.id = str(element.get("id") or element.get("path") or node.id)
    if isinstance(element.get("min"), int):
        node.min = element["min"]
    if isinstance(element.get("max"), str):
        node.max = _max(element["max"])
    types = _types(element)
    if types:
        node.types = _narrowed(node.types, types)
    fixed, pattern = _value(element, "fixed"), _value(element, "pattern")
    node.fixed = fixed if fixed is not MISSING else node.fixed
    node.pattern = pattern if pattern is not MISSING else node.pattern
    if isinstance(element.get("binding"), dict):
        binding = _binding(element["binding"])
        if binding.value_set is None and node.binding is not None:
            binding = replace(binding, value_set=node.binding.value_set, codes=node.binding.codes)
        node.binding = binding
    if isinstance(element.get("maxLength"), int):
        node.max_length = element["maxLength"]
    for row in element.get("extension") or ():
        _extended(node, row)
    low, high = _value(element, "minValue"), _value(element, "maxValue")
    if low is not MISSING or high is not MISSING:
        node.bounds = (node.bounds[0] if low is MISSING else low, node.bounds[1] if high is MISSING else high)
    if isinstance(element.get("slicing"), dict):
        slicing = _slicing(element["slicing"])
        if not slicing.discriminators and node.slicing is not None:
            slicing = replace(slicing, discriminators=node.slicing.discriminators)
        node.slicing = slicing
    if element.get("constraint"):
        node.constraints.update(_constraints(element["constraint"], source))
    if isinstance(element.get("contentReference"), str):
        node.content = element["contentReference"]
    node.zib = _named(element, node.zib)
    node.short = str(element.get("short") or node.short)
    node.modifier = bool(element.get("isModifier", node.modifier))


def _extended(node: Node, extension: Mapping[str, Any]) -> None:
    """Write what an extension of the element definition demands onto a node."""
    name = str(extension.get("url")).removeprefix(HL7)
    if name == "minLength" and isinstance(extension.get("valueInteger"), int):
        node.min_length = extension["valueInteger"]
    elif name in NARRATIVE and isinstance(extension.get("valueCode"), str):
        node.narrative = (*(row for row in node.narrative if row[0] != name), (name, extension["valueCode"]))


def _narrowed(old: tuple[TypeRef, ...], new: tuple[TypeRef, ...]) -> tuple[TypeRef, ...]:
    """The new types; a type that says nothing about targets keeps those that it had."""
    before = {ref.code: ref for ref in old}
    return tuple(
        replace(ref, targets=before[ref.code].targets) if not ref.targets and ref.code in before else ref for ref in new
    )


def inherit(slice_node: Node, before: Node, after: Node, *, bounds: bool) -> None:
    """Pass a change of the unsliced element on to a slice that has not said otherwise itself.

    ``bounds`` is for elements below a slice; how often the slice itself occurs is its own affair.
    """
    if bounds and slice_node.min == before.min:
        slice_node.min = after.min
    if bounds and slice_node.max == before.max:
        slice_node.max = after.max
    for name in ("binding", "types", "fixed", "pattern", "max_length", "min_length", "bounds"):
        if getattr(slice_node, name) == getattr(before, name):
            setattr(slice_node, name, getattr(after, name))
    slice_node.constraints = {**after.constraints, **slice_node.constraints}
    slice_node.zib = slice_node.zib or after.zib


def contexts(data: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    rows = []
    for row in data.get("context") or ():
        if isinstance(row, str):
            rows.append((str(data.get("contextType", "resource")), row))
        elif isinstance(row, dict):
            rows.append((str(row.get("type", "element")), str(row.get("expression", ""))))
    return tuple(rows)


def segments(text: str) -> list[tuple[str, str | None]]:
    """Split an element id; a slice name may hold dots when it was made from a profile's name, which we do not meet."""
    parts: list[tuple[str, str | None]] = []
    for part in text.split("."):
        name, colon, slice_name = part.partition(":")
        parts.append((name, slice_name if colon else None))
    return parts
