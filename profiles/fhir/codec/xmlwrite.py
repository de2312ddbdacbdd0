"""Resources to XML, by building text: no tree, no library on the way."""

import re
from decimal import Decimal
from typing import Any

from profiles.fhir.codec.limits import XML_DEPTH
from profiles.fhir.codec.numbers import JSON_INTEGER, JSON_NUMBER
from profiles.fhir.codec.xhtml import checked_div
from profiles.fhir.codec.xmlplan import ElementForm, ReleasePlans, Slot, TypePlan
from profiles.fhir.errors import FormatError

_SPECIAL = re.compile('[&<>"\n\r\t\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL_IN = _SPECIAL.search
_TEXT, _COMPLEX, _ATTRIBUTE = ElementForm.TEXT, ElementForm.COMPLEX, ElementForm.ATTRIBUTE
_ESCAPES = {ord(char): f"&#{ord(char)};" for char in "\n\r\t"} | str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
)


def escape(text: str) -> str:
    """Text as the value of an attribute in double quotes; FormatError for what XML cannot hold."""
    if _SPECIAL_IN(text) is None:
        return text
    if _FORBIDDEN.search(text):
        raise FormatError("a text holds a character that XML does not allow")
    return text.translate(_ESCAPES)


class Writer:
    """Writes one resource. Errors say where, as a path below the resource."""

    def __init__(self, plans: ReleasePlans) -> None:
        self._plans = plans
        self._out: list[str] = []

    def text(self, resource: Any, namespace: str = "") -> str:
        """The resource as an element; ``namespace`` goes into its start tag."""
        self._resource(resource, namespace, 0)
        return "".join(self._out)

    def _resource(self, resource: Any, namespace: str, depth: int) -> None:
        if not isinstance(resource, dict):
            raise FormatError("a resource is an object")
        name = resource.get("resourceType")
        if not isinstance(name, str) or name not in self._plans.resources:
            raise FormatError("resourceType is not a resource of this FHIR version")
        start = len(self._out)
        self._out.append(f"<{name}{namespace}>")
        try:
            self._children(resource, self._plans.plan(name), depth)
        except FormatError as error:
            raise error.at(name) if depth == 0 else error from None
        if len(self._out) == start + 1:
            self._out[start] = f"<{name}{namespace}/>"
        else:
            self._out.append(f"</{name}>")

    def _children(self, node: dict[str, Any], plan: TypePlan, depth: int) -> None:
        if depth > XML_DEPTH - 2:  # the reader counts this element and its children too
            raise FormatError(f"nested deeper than {XML_DEPTH}")
        out = self._out
        for slot, value, extras in _plain(node, plan) or _ordered(node, plan):
            try:
                if slot.many:
                    self._list(slot, value, extras, depth)
                elif extras is not None:
                    self._element(slot, value, extras, depth)
                elif slot.kind is _TEXT and type(value) is str and not _SPECIAL_IN(value):
                    out.append(f'{slot.open}{value}"/>')  # the common case, without a call
                elif slot.kind is _COMPLEX:
                    self._complex(slot, value, depth)
                else:
                    self._element(slot, value, None, depth)
            except FormatError as error:
                raise error.at(slot.name) from None

    def _list(self, slot: Slot, values: Any, extras: Any, depth: int) -> None:
        for one in (values, extras):
            if one is not None and (not isinstance(one, list) or not one):
                raise FormatError("must be an array that is not empty")
        if values is None and extras is None:
            raise FormatError("must not be null")
        if extras is None and slot.kind is _COMPLEX:
            self._many(slot, values, depth)
            return
        length = max(len(values or ()), len(extras or ()))
        for index in range(length):
            value = values[index] if values and index < len(values) else None
            extra = extras[index] if extras and index < len(extras) else None
            try:
                self._element(slot, value, extra, depth)
            except FormatError as error:
                raise error.at(f"[{index}]") from None

    def _many(self, slot: Slot, values: list[Any], depth: int) -> None:
        for index, value in enumerate(values):
            try:
                self._complex(slot, value, depth)
            except FormatError as error:
                raise error.at(f"[{index}]") from None

    def _element(self, slot: Slot, value: Any, extras: Any, depth: int) -> None:
        kind = slot.kind
        if slot.primitive:
            shown = None if value is None else _primitive(kind, value)
            if extras is None:
                if shown is None:
                    raise FormatError("must not be null")
                self._out.append(f'{slot.open}{shown}"/>')
            else:
                self._extended(slot, shown, extras, depth)
        elif kind is _COMPLEX:
            self._complex(slot, value, depth)
        elif kind is ElementForm.RESOURCE:
            self._out.append(slot.head + ">")
            self._resource(value, "", depth + 2)  # the holder and the resource
            self._out.append(slot.close)
        else:
            self._out.append(checked_div(value, depth + 2))

    def _complex(self, slot: Slot, value: Any, depth: int) -> None:
        if not isinstance(value, dict):
            raise FormatError("must be an object")
        out = self._out
        plan = slot.plan
        head = slot.head
        for name in plan.attributes:
            if name in value:
                head += f' {name}="{_attribute(value[name], name)}"'
        start = len(out)
        out.append(head + ">")
        self._children(value, plan, depth + 1)
        if len(out) == start + 1:
            out[start] = head + "/>"
        else:
            out.append(slot.close)

    def _extended(self, slot: Slot, shown: str | None, extras: Any, depth: int) -> None:
        """A primitive with an id or extensions."""
        if not isinstance(extras, dict):
            raise FormatError("must be an object", expression=slot.extras)
        head = slot.head
        if "id" in extras:
            head += f' id="{_attribute(extras["id"], "id")}"'
        if shown is not None:
            head += f' value="{shown}"'
        if unknown := [key for key in extras if key not in ("id", "extension")]:
            raise FormatError("unknown property", expression=f"{slot.extras}.{unknown[0][:64]}")
        if not extras:
            raise FormatError("must not be an empty object", expression=slot.extras)
        if "extension" not in extras:
            self._out.append(head + "/>")
            return
        self._out.append(head + ">")
        self._list(self._plans.extension, extras["extension"], None, depth + 1)
        self._out.append(slot.close)


def _plain(node: dict[str, Any], plan: TypePlan) -> list[tuple[Slot, Any, Any]] | None:
    """The child elements of what is in order and has nothing beside its primitives, as most is; None of what is not."""
    slots, last = plan.write, -1
    written: list[tuple[Slot, Any, Any]] = []
    for key, value in node.items():
        slot = slots.get(key)
        if slot is None:
            if key == "resourceType" and plan.is_resource and plan.name == value:
                continue
            return None
        if slot.kind is _ATTRIBUTE:
            continue
        if slot.order <= last:
            return None
        last = slot.order
        written.append((slot, value, None))
    return written


def _ordered(node: dict[str, Any], plan: TypePlan) -> list[tuple[Slot, Any, Any]]:
    """The child elements with their values and extras, in the order of the specification."""
    slots = plan.write
    last = -1
    written: list[tuple[Slot, Any, Any]] = []
    in_order = True
    for key, value in node.items():
        slot = slots.get(key)
        if slot is None:
            slot = _extras_slot(key, value, plan)
            if slot is None or slot.name in node:
                continue
            written.append((slot, None, value))
        elif slot.kind is _ATTRIBUTE:
            continue
        else:
            written.append((slot, value, node.get(slot.extras) if slot.primitive else None))
        in_order = in_order and slot.order > last
        last = slot.order
    if not in_order:
        written.sort(key=_order)
    return written


def _extras_slot(key: str, value: Any, plan: TypePlan) -> Slot | None:
    """The slot that ``_name`` belongs to; None for resourceType, FormatError for an unknown property."""
    slot = plan.write.get(key[1:]) if key.startswith("_") else None
    if slot is not None and slot.primitive:
        return slot
    if key == "resourceType" and plan.is_resource and plan.name == value:
        return None
    raise FormatError("unknown property", expression=key[:64])


def _order(entry: tuple[Slot, Any, Any]) -> int:
    return entry[0].order


def _attribute(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise FormatError("must be a string", expression=name)
    return escape(value)


def _primitive(kind: ElementForm, value: Any) -> str:
    """The attribute value of a primitive. What would be read back as another JSON value is refused."""
    if isinstance(value, str):
        if kind is ElementForm.TEXT:
            return escape(value)
        reads_back = {
            ElementForm.BOOLEAN: value in ("true", "false"),
            ElementForm.INTEGER: JSON_INTEGER.fullmatch(value) is not None,
        }
        if reads_back.get(kind, JSON_NUMBER.fullmatch(value) is not None):
            raise FormatError("must not be a string")
        return escape(value)
    if value is True or value is False:
        if kind is ElementForm.BOOLEAN:
            return "true" if value else "false"
    elif kind is ElementForm.DECIMAL and isinstance(value, int | Decimal):
        shown = str(value)
        if JSON_NUMBER.fullmatch(shown):
            return shown
    elif kind is ElementForm.INTEGER and isinstance(value, int):
        return str(value)
    raise FormatError(f"must be a {kind.name.lower() if kind is not ElementForm.TEXT else 'string'}")
