"""Every official script, fixture and example goes through the codec and back without loss (issue 2 point 5)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from shared import shared

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.version import FhirVersion

XSI = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
FHIR = "{http://hl7.org/fhir}"

NOT_FHIR = {
    "QualificationTokens.xml": "a list of tokens, no FHIR",
    "zib-ProcedureRequest-msz-c333410e-6b2a-11ec-0000-2.xml": "has performer twice, which STU3 allows once",
}
OUT_OF_ORDER = {
    "load-resources-purgecreateupdate-xml.xml": "TestScript operations in another order than the specification",
    "eAfspraak-Appointment-medmij-bgz-test-patA-plannedencounter2.xml": "start and end before indication",
}
"""Files that round-trip into the order of the specification, which they do not have themselves."""


R4_FOLDERS = frozenset(
    {"R4", "zib2020", "dental-care", "image-availability", "pathology", "provider-tasks", "provider-tasks-alpha2"}
)


def version_of(path: Path) -> FhirVersion:
    return FhirVersion.R4 if R4_FOLDERS.intersection(path.parts) else FhirVersion.STU3


def read(data: bytes, path: Path) -> tuple[dict[str, Any], Any]:
    """The resource of a file, and the function that writes it as XML."""
    if b"<TestScript" in data:
        return xmlio.parse_script(data), xmlio.dump_script
    version = version_of(path)
    return xmlio.parse(data, version), lambda resource: xmlio.dump(resource, version)


def tree(data: bytes, *, by_name: bool = False) -> Any:
    """What canonical XML compares: expanded names, attributes and texts, without comments and prefixes.

    Left out are blanks between elements of FHIR and the schema location. ``by_name`` brings the children of an element
    in the order of their names (lists keep theirs).
    """
    parser = etree.XMLParser(remove_comments=True, remove_pis=True, resolve_entities=False, huge_tree=True)
    return shape(etree.fromstring(data, parser), by_name)


def shape(element: Any, by_name: bool) -> Any:
    attributes = sorted((name, value) for name, value in element.items() if name != XSI)
    if not element.tag.startswith(FHIR):
        inside = [(shape(child, by_name), child.tail or "") for child in element]
        return element.tag, attributes, element.text or "", inside
    between = "".join([element.text or "", *(child.tail or "" for child in element)]).strip()
    children = sorted(element, key=lambda child: child.tag) if by_name else element
    return element.tag, attributes, between, [shape(child, by_name) for child in children]


def exact(node: Any) -> Any:
    """Data in which numbers are compared by their text, and the order of members does not matter."""
    if isinstance(node, dict):
        return {key: exact(value) for key, value in node.items()}
    if isinstance(node, list):
        return [exact(value) for value in node]
    return node if node is None or isinstance(node, str | bool) else ("number", str(node))


def files(suffix: str) -> Iterator[Path]:
    for folder in ("qualification", "examples"):
        yield from sorted(shared(folder).rglob(f"*.{suffix}"))


def test_every_xml_file_survives_the_way_to_json_and_back() -> None:
    seen, failures = 0, []
    for path in files("xml"):
        if path.name in NOT_FHIR:
            continue
        data = path.read_bytes()
        seen += 1
        try:
            resource, write = read(data, path)
            back = write(jsonio.parse(jsonio.dump(resource)))
        except FormatError as error:
            failures.append(f"{path.name}: {error}")
            continue
        by_name = path.name in OUT_OF_ORDER
        if tree(data, by_name=by_name) != tree(back, by_name=by_name):
            failures.append(f"{path.name}: differs")
    assert not failures
    assert seen > 1900


def test_every_json_file_survives_the_way_to_xml_and_back() -> None:
    seen, failures = 0, []
    for path in files("json"):
        version = version_of(path)
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or "resourceType" not in content:
            continue
        seen += 1
        resource = jsonio.parse(path.read_bytes())
        try:
            back = xmlio.parse(xmlio.dump(resource, version), version)
        except FormatError as error:
            failures.append(f"{path.name}: {error}")
            continue
        if exact(back) != exact(resource):
            failures.append(f"{path.name}: differs")
        if json.loads(jsonio.dump(resource)) != content:
            failures.append(f"{path.name}: JSON differs")
    assert not failures
    assert seen > 390


@pytest.mark.parametrize("name", sorted(NOT_FHIR))
def test_what_is_not_fhir_is_refused_with_a_place(name: str) -> None:
    path = next(one for one in files("xml") if one.name == name)
    with pytest.raises(FormatError) as refusal:
        xmlio.parse(path.read_bytes(), version_of(path))
    assert refusal.value.line


def test_xml_and_json_twins_hold_the_same() -> None:
    twins = [
        (path, twin)
        for path in shared("examples").rglob("*.json")
        if (twin := path.parent.parent / "xml" / f"{path.stem}.xml").exists()
    ]
    assert len(twins) > 20
    for path, twin in twins:
        assert exact(xmlio.parse(twin.read_bytes(), version_of(twin))) == exact(jsonio.parse(path.read_bytes())), path


def test_narratives_keep_their_source_text() -> None:
    seen = 0
    for path in files("xml"):
        data = path.read_bytes()
        if path.name in NOT_FHIR or b"<div" not in data or b"<TestScript" in data:
            continue
        source = data.decode().replace("\r\n", "\n")
        for div in narratives(read(data, path)[0]):
            seen += 1
            assert div in source, path
    assert seen > 300


def narratives(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "status" in node and isinstance(node.get("div"), str):
            yield node["div"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from narratives(child)
