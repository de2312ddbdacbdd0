"""XML to resources, in one pass over the events of expat.

A document type declaration ends the reading at once, so entities beyond the five of XML itself cannot occur.
"""

import re
from typing import Any
from xml.parsers import expat

from profiles.fhir.codec.limits import XML_DEPTH
from profiles.fhir.codec.numbers import JSON_INTEGER, JSON_NUMBER, read_decimal, read_integer
from profiles.fhir.codec.xmldiv import NarrativeReader
from profiles.fhir.codec.xmlplan import FHIR, ElementForm, ReleasePlans, Slot, TypePlan
from profiles.fhir.errors import FormatError

_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_TEXT, _COMPLEX, _RESOURCE = ElementForm.TEXT, ElementForm.COMPLEX, ElementForm.RESOURCE
_SCHEMA_LOCATION = "http://www.w3.org/2001/XMLSchema-instance schemaLocation"


class _Frame:
    """An open element: what it is, the object being filled, and for a primitive the object that holds it."""

    __slots__ = ("node", "parent", "plan", "slot")

    def __init__(self, slot: Slot | None, plan: TypePlan | None, node: dict[str, Any] | None, parent: Any) -> None:
        self.slot = slot
        self.plan = plan
        self.node = node
        self.parent = parent


class XmlReader:
    """Reads one document. ``rebuild`` makes narratives from events instead of from their source text."""

    def __init__(self, plans: ReleasePlans, data: bytes, *, rebuild: bool = False) -> None:
        self._plans, self._data = plans, data
        self._stack: list[_Frame] = []
        self._root: dict[str, Any] = {}
        self._emptied: list[tuple[dict[str, Any], str]] = []
        self._parser = parser = expat.ParserCreate("utf-8", " ")
        parser.namespace_prefixes = True
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.XmlDeclHandler = self._declaration
        self._narratives = NarrativeReader(parser, data, rebuild=rebuild)
        self._listen()

    def read(self) -> dict[str, Any]:
        """The resource; raises FormatError with line and path."""
        try:
            self._parser.Parse(self._data, True)
        except expat.ExpatError as error:
            reason = f"not well-formed XML ({expat.ErrorString(error.code)})"
            raise FormatError(reason, expression=self._path(), line=error.lineno, column=error.offset + 1) from None
        except FormatError as error:
            raise error if error.line else self._located(error) from None
        for node, name in self._emptied:
            if name in node and all(value is None for value in node[name]):
                del node[name]
        return self._root

    def _located(self, error: FormatError) -> FormatError:
        line, column = self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1
        return FormatError(error.text, expression=self._path(), line=line, column=column)

    def _listen(self) -> None:
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.ProcessingInstructionHandler = None

    def _doctype(self, *_: Any) -> None:
        raise FormatError("a document type declaration is not allowed")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
            raise FormatError("the encoding must be UTF-8")

    def _text(self, text: str) -> None:
        if text.strip(" \t\r\n"):
            raise FormatError("text is not allowed here")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        stack = self._stack
        try:
            if len(stack) >= XML_DEPTH:
                raise FormatError(f"nested deeper than {XML_DEPTH}")
            if not stack:
                self._resource(name, attributes, None)
                return
            frame = stack[-1]
            if frame.plan is None:
                self._inside_plain(frame, name, attributes)
                return
            slot = frame.plan.read.get(name) or frame.plan.read.get(_without_prefix(name))
            if slot is None:
                self._unknown(name)
            else:
                self._element(slot, frame.node, name, attributes)
        except FormatError as error:  # located here: the parser has moved on when the error comes out of it
            raise self._located(error) from None

    def _element(self, slot: Slot, node: Any, name: str, attributes: dict[str, str]) -> None:
        if not slot.many and (slot.name in node or slot.extras in node):
            raise FormatError(f"{slot.name} occurs more than once")
        if slot.primitive:
            self._primitive(slot, node, attributes)
        elif slot.kind is _COMPLEX:
            self._complex(slot, node, attributes)
        elif slot.kind is _RESOURCE:
            if attributes:
                raise FormatError(f"unknown attribute on {slot.name}")
            self._stack.append(_Frame(slot, None, None, node))
        else:
            self._stack.append(_Frame(slot, None, None, node))
            self._narratives.begin(name, attributes, len(self._stack), self._narrative)

    def _primitive(self, slot: Slot, node: dict[str, Any], attributes: dict[str, str]) -> None:
        value: Any = attributes.get("value")
        if value is not None and slot.kind is not _TEXT:
            value = _typed(slot.kind, value)
        extras = {"id": attributes["id"]} if "id" in attributes else None
        if len(attributes) != (value is not None) + (extras is not None):
            raise FormatError(f"unknown attribute on {slot.name}")
        if slot.many:
            _append(node, slot, value, extras)
            if value is None:
                self._emptied.append((node, slot.name))
        else:
            if value is not None:
                node[slot.name] = value
            if extras is not None:
                node[slot.extras] = extras
        self._stack.append(_Frame(slot, None, extras, node))

    def _complex(self, slot: Slot, node: dict[str, Any], attributes: dict[str, str]) -> None:
        plan = slot.plan
        if attributes and not attributes.keys() <= set(plan.attributes):
            raise FormatError(f"unknown attribute on {slot.name}")
        child: dict[str, Any] = attributes
        if slot.many:
            node.setdefault(slot.name, []).append(child)
        else:
            node[slot.name] = child
        self._stack.append(_Frame(slot, plan, child, node))

    def _inside_plain(self, frame: _Frame, name: str, attributes: dict[str, str]) -> None:
        """A child of a primitive (an extension) or of an element that holds a resource."""
        slot = frame.slot
        if slot is not None and slot.kind is ElementForm.RESOURCE:
            if frame.node is not None:
                raise FormatError("more than one resource in an element")
            self._resource(name, attributes, frame)
            return
        if slot is None or _without_prefix(name) != f"{FHIR} extension":
            self._unknown(name)
            return
        if frame.node is None:
            frame.node = {}
            if slot.many:
                _extend_last(frame.parent, slot, frame.node)
            else:
                frame.parent[slot.extras] = frame.node
        self._element(self._plans.extension, frame.node, name, attributes)

    def _resource(self, name: str, attributes: dict[str, str], holder: _Frame | None) -> None:
        namespace, _, local = _without_prefix(name).partition(" ")
        if namespace != FHIR or local not in self._plans.resources:
            raise FormatError("expected a resource of this FHIR version in the namespace http://hl7.org/fhir")
        if any(_without_prefix(key) != _SCHEMA_LOCATION for key in attributes):
            raise FormatError("unknown attribute on a resource")
        node: dict[str, Any] = {"resourceType": local}
        if holder is None or holder.slot is None:
            self._root = node
        else:
            holder.node = node
            if holder.slot.many:
                holder.parent.setdefault(holder.slot.name, []).append(node)
            else:
                holder.parent[holder.slot.name] = node
        self._stack.append(_Frame(None, self._plans.plan(local), node, None))

    def _end(self, _name: str) -> None:
        frame = self._stack.pop()
        if frame.plan is None and frame.node is None and frame.slot is not None:
            held = frame.parent.get(frame.slot.name)
            if held is None or (frame.slot.many and held[-1] is None) or frame.slot.kind is ElementForm.RESOURCE:
                self._stack.append(frame)
                raise FormatError("an element without a value or content")

    def _narrative(self, div: str) -> None:
        frame = self._stack.pop()
        if frame.slot is not None:
            frame.parent[frame.slot.name] = div
        self._listen()

    def _unknown(self, name: str) -> None:
        namespace, _, local = _without_prefix(name).partition(" ")
        if namespace == FHIR:
            raise FormatError(f"unknown element {local[:64]}")
        raise FormatError("an element outside the namespace http://hl7.org/fhir")

    def _path(self) -> str | None:
        """Where the reading stands, as a FHIRPath-like expression."""
        parts: list[str] = []
        for frame in self._stack:
            if frame.slot is None:
                if not parts and frame.node is not None:
                    parts.append(str(frame.node["resourceType"]))
            elif frame.slot.many:
                found = frame.parent.get(frame.slot.name)
                parts.append(f"{frame.slot.name}[{max(len(found) - 1, 0) if found else 0}]")
            else:
                parts.append(frame.slot.name)
        return ".".join(parts) or None


def _without_prefix(name: str) -> str:
    """An expanded name without the prefix that it had in the document."""
    return name if name.count(" ") < 2 else name.rpartition(" ")[0]


def _typed(kind: ElementForm, value: str) -> Any:
    """The JSON value of a number or boolean; what is neither stays text, for the validator to report."""
    if kind is ElementForm.BOOLEAN:
        return {"true": True, "false": False}.get(value, value)
    if kind is ElementForm.INTEGER:
        return read_integer(value) if _INTEGER.fullmatch(value) else value
    if JSON_INTEGER.fullmatch(value):
        return read_integer(value)
    return read_decimal(value) if JSON_NUMBER.fullmatch(value) else value


def _append(node: dict[str, Any], slot: Slot, value: Any, extras: dict[str, Any] | None) -> None:
    """Add to a list of primitives; the list of extras, once there, keeps the same length."""
    values = node.setdefault(slot.name, [])
    values.append(value)
    if slot.extras in node:
        node[slot.extras].append(extras)
    elif extras is not None:
        node[slot.extras] = [None] * (len(values) - 1) + [extras]


def _extend_last(node: dict[str, Any], slot: Slot, extras: dict[str, Any]) -> None:
    """Give the last of a list of primitives its extras."""
    if slot.extras in node:
        node[slot.extras][-1] = extras
    else:
        node[slot.extras] = [None] * (len(node[slot.name]) - 1) + [extras]
