"""A report as XML by a schema and a mapping that the institution brings: both are configuration (RP-20, RP-22).

The mapping is TOML: ``root``, ``namespace``, and rows with the ``path`` of an element under the root and the ``figure``
in it. A row with ``each = "services"`` stands for one element per service; its ``parts`` name what is in it. Elements
come in the order of the rows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lxml import etree

from profiles.rows import Row, RowError, read


class XmlRefused(Exception):
    """The report does not meet the schema, or the mapping names a figure that there is not. It may not be released."""


class XmlPart(Row, frozen=True):
    """An element in a repeated one."""

    name: str
    figure: str


class XmlRow(Row, frozen=True):
    """An element of the report."""

    path: str
    figure: str = ""
    each: str = ""
    parts: tuple[XmlPart, ...] = ()


class XmlMapping(Row, frozen=True):
    """The whole mapping."""

    root: str
    element: tuple[XmlRow, ...]
    namespace: str = ""


def as_xml(figures: Mapping[str, Any], schema: Path, mapping: Path) -> bytes:
    """The report in the form of a schema, held to it. Raises XmlRefused."""
    try:
        rows = read(mapping, XmlMapping)
        checks = etree.XMLSchema(etree.parse(str(schema), _parser()))
    except (OSError, RowError, etree.LxmlError) as fault:
        raise XmlRefused(f"the schema or its mapping cannot be used: {fault}") from fault
    names: Any = {None: rows.namespace} if rows.namespace else None
    root: Any = etree.Element(_name(rows, rows.root), nsmap=names)
    for row in rows.element:
        _add(root, rows, row, figures)
    if not checks.validate(root):
        raise XmlRefused(str(checks.error_log))
    made: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return made


def _add(root: Any, rows: XmlMapping, row: XmlRow, figures: Mapping[str, Any]) -> None:
    *above, last = row.path.split(".")
    place = root
    for name in above:
        known = place.find(_name(rows, name))
        place = etree.SubElement(place, _name(rows, name)) if known is None else known
    if not row.each:
        etree.SubElement(place, _name(rows, last)).text = _figure(figures, row.figure)
        return
    for line in figures.get(row.each, ()):
        element = etree.SubElement(place, _name(rows, last))
        for part in row.parts:
            etree.SubElement(element, _name(rows, part.name)).text = _figure(line, part.figure)


def _figure(figures: Mapping[str, Any], name: str) -> str:
    if name not in figures:
        raise XmlRefused(f"the mapping names a figure that there is not: {name}")
    return str(figures[name])


def _name(rows: XmlMapping, name: str) -> str:
    return f"{{{rows.namespace}}}{name}" if rows.namespace else name


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
