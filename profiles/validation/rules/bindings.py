"""Rule: coded values come from the value set that the element is bound to.

A required binding is an error when no code is in the set, and "not checkable" when no local source can tell. For an
extensible binding a code outside the set is advice. A display that differs is never an error.
"""

from typing import Any, Final

from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.schema.extents import Extent
from profiles.validation.schema.nodes import Node
from profiles.validation.schema.terminology import Terminology, ValueSet

CODED: Final = frozenset({"code", "Coding", "CodeableConcept", "Quantity", "string", "uri", "id"})


def binding_check(node: Node, code: str, terminology: Terminology) -> Check | None:
    """A check for a binding, or None when there is nothing to check (preferred, example, no value set)."""
    binding = node.binding
    if binding is None or (code not in CODED and not code.endswith("Quantity") and code not in ("Age", "Duration")):
        return None
    url, strength = binding.value_set, binding.strength
    if binding.maximum is not None:
        url, strength = binding.maximum, "required"
    if url is None and binding.codes is not None and strength == "required":
        listed = ValueSet("", {"": Extent(binding.codes)})
        return _code(node, "", strength, listed) if code in ("code", "string", "uri", "id") else None
    if url is None or strength not in ("required", "extensible"):
        return None
    value_set = terminology.value_set(url)
    if strength == "extensible" and value_set is None:
        return None
    if code in ("code", "string", "uri", "id"):
        return _code(node, url, strength, value_set)
    if code == "CodeableConcept":
        return _concept(node, url, strength, value_set)
    return _coding(node, url, strength, value_set)


def _found(coding: Any) -> str:
    if not isinstance(coding, dict):
        return str(coding)[:200]
    return f"{coding.get('system', '')}|{coding.get('code', '')}"[:200]


def _hit(node: Node, url: str, strength: str, value: str, value_set: ValueSet | None) -> Hits:
    if strength == "extensible":
        return [Hit("binding.extensible", node, {"set": url, "value": value, "allowed": value_set}, "warning")]
    return [
        Hit("binding.required" if url else "binding.listed", node, {"set": url, "value": value, "allowed": value_set})
    ]


def _unsure(node: Node, url: str, value: str) -> Hits:
    return [Hit("binding.unchecked", node, {"set": url, "value": value}, "information")]


def _code(node: Node, url: str, strength: str, value_set: ValueSet | None) -> Check:
    codes = value_set.codes() if value_set is not None else None

    def check(value: Any, context: Any) -> Hits | None:
        if codes is not None:
            return None if value in codes else _hit(node, url, strength, str(value)[:200], value_set)
        if strength == "required":
            return _unsure(node, url, str(value)[:200])
        return None

    return check


def _coding(node: Node, url: str, strength: str, value_set: ValueSet | None) -> Check:
    def check(value: Any, context: Any) -> Hits | None:
        if type(value) is not dict or "code" not in value:
            return None
        found = None if value_set is None else value_set.has(value.get("system"), value["code"])
        if found is True:
            return None
        if found is None:
            return _unsure(node, url, _found(value)) if strength == "required" else None
        return _hit(node, url, strength, _found(value), value_set)

    return check


def _concept(node: Node, url: str, strength: str, value_set: ValueSet | None) -> Check:
    def check(value: Any, context: Any) -> Hits | None:
        codings = value.get("coding") if type(value) is dict else None
        if not isinstance(codings, list):
            if strength == "required" and type(value) is dict and "extension" not in value and "text" in value:
                return [Hit("binding.text", node, {"set": url, "value": value.get("text")})]
            return None
        unsure = coded = False
        for coding in codings:
            if type(coding) is not dict or "code" not in coding:
                unsure = unsure or (type(coding) is dict and ("extension" in coding or "_code" in coding))
                continue
            coded = True
            found = None if value_set is None else value_set.has(coding.get("system"), coding["code"])
            if found is True:
                return None
            unsure = unsure or found is None
        if not coded:
            return None
        if unsure:
            return _unsure(node, url, ", ".join(map(_found, codings[:3]))) if strength == "required" else None
        return _hit(node, url, strength, ", ".join(map(_found, codings[:3])), value_set)

    return check
