"""Line and column of findings in the text that was read."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from lxml import etree

from profiles.validation.run.findings import Finding, Report

Pointer = tuple[str | int, ...]
Place = tuple[int, int]

_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
MAX_TEXT: Final = 20_000_000


def located(report: Report, data: bytes) -> Report:
    """The report with line and column filled in where the text shows the place (or the nearest level above it)."""
    wanted = {finding.pointer for finding in report.findings if finding.line is None}
    if not wanted or len(data) > MAX_TEXT:
        return report
    wanted |= {pointer[:length] for pointer in wanted for length in range(len(pointer))}
    places = _xml(data, wanted) if data.lstrip()[:1] == b"<" else _json(data, wanted)
    return replace(report, findings=tuple(_placed(finding, places) for finding in report.findings))


def _placed(finding: Finding, places: dict[Pointer, Place]) -> Finding:
    if finding.line is not None:
        return finding
    for length in range(len(finding.pointer), -1, -1):
        place = places.get(finding.pointer[:length])
        if place is not None:
            return replace(finding, line=place[0], column=place[1])
    return finding


def _json(data: bytes, wanted: set[Pointer]) -> dict[Pointer, Place]:
    """Where the values (for members: the names) of the wanted pointers begin."""
    text = data.decode("utf-8", "replace")
    offsets: dict[Pointer, int] = {}
    walk = _Walk()
    for match in _TOKEN.finditer(text):
        pointer = walk.token(match[0])
        if pointer is not None and pointer in wanted:
            offsets.setdefault(pointer, match.start())
    return _places(text, offsets)


class _Walk:
    """Follows the tokens of a JSON text and tells where each member and item begins."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.path: list[str | int] = []
        self.named = False

    def token(self, token: str) -> Pointer | None:
        """Take a token; the pointer of what begins here, if something does."""
        first = token[0]
        if first == ",":
            if self._in_list() and self.path:
                last = self.path[-1]
                self.path[-1] = last + 1 if isinstance(last, int) else last
            return None
        if first == ":":
            return None
        if first in "}]":
            self._close(first)
            return None
        if self.open and self.open[-1] == "{" and not self.named:
            self.path.append(_unquoted(token))
            self.named = True
            return tuple(self.path)
        begins = tuple(self.path) if self._in_list() or not self.open else None
        self.named = False
        if first in "{[":
            self.open.append(first)
            if first == "[":
                self.path.append(0)
        else:
            self._leave()
        return begins

    def _in_list(self) -> bool:
        return bool(self.open) and self.open[-1] == "["

    def _close(self, bracket: str) -> None:
        if self.open:
            self.open.pop()
            if bracket == "]" and self.path:
                self.path.pop()
            self.named = False
            self._leave()

    def _leave(self) -> None:
        """A value has ended: in an object its name goes too."""
        if self.open and self.open[-1] == "{" and self.path:
            self.path.pop()


def _unquoted(token: str) -> str:
    from json import loads

    try:
        return str(loads(token))
    except ValueError:
        return token[1:-1]


def _places(text: str, offsets: dict[Pointer, int]) -> dict[Pointer, Place]:
    places = {}
    line, start = 1, 0
    for pointer, offset in sorted(offsets.items(), key=lambda pair: pair[1]):
        line += text.count("\n", start, offset)
        start = offset
        places[pointer] = (line, offset - text.rfind("\n", 0, offset))
    return places


def _xml(data: bytes, wanted: Iterable[Pointer]) -> dict[Pointer, Place]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        return {}
    places: dict[Pointer, Any] = {}
    for pointer in wanted:
        element = _xml_element(root, pointer)
        if element is not None:
            places[pointer] = (element.sourceline, 1)
    return places


def _xml_element(root: "etree._Element", pointer: Pointer) -> "etree._Element | None":
    current = root
    for position, key in enumerate(pointer):
        if isinstance(key, int):
            continue
        index = pointer[position + 1] if position + 1 < len(pointer) else 0
        children = _xml_children(current, key.removeprefix("_"))
        if not children and len(current) == 1:
            children = _xml_children(current[0], key.removeprefix("_"))
        number = index if isinstance(index, int) else 0
        if number >= len(children):
            return None
        current = children[number]
    return current


def _xml_children(element: "etree._Element", name: str) -> "list[etree._Element]":
    return [child for child in element if isinstance(child.tag, str) and etree.QName(child).localname == name]
