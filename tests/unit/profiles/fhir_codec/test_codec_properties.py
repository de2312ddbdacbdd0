"""What holds for every resource and for all bytes: nothing is lost, nothing but FormatError is raised."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from unit.profiles.fhir_codec.fhir_data import NUMBER_TEXT, resources

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

VERSIONS = list(FhirVersion)
HEAD = b'<Patient xmlns="http://hl7.org/fhir">'


def exact(node: Any) -> Any:
    """Data in which numbers are compared by their text."""
    if isinstance(node, dict):
        return {key: exact(value) for key, value in node.items()}
    if isinstance(node, list):
        return [exact(value) for value in node]
    return node if node is None or isinstance(node, str | bool) else ("number", str(node))


@pytest.mark.parametrize("version", VERSIONS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_resource_survives_json_and_xml(version: FhirVersion, data: st.DataObject) -> None:
    resource = data.draw(resources(version))
    through_json = jsonio.parse(jsonio.dump(resource))
    assert exact(through_json) == exact(resource)
    assert exact(jsonio.load(jsonio.dump(resource))) == exact(resource)
    document = xmlio.dump(resource, version)
    assert exact(xmlio.parse(document, version)) == exact(resource)
    assert xmlio.dump(xmlio.parse(document, version), version) == document
    assert xmlio.document(xmlio.fragment(resource, version)) == document


@settings(max_examples=300, deadline=None)
@given(text=NUMBER_TEXT)
def test_numbers_keep_their_digits_and_spelling(text: str) -> None:
    parsed = jsonio.parse(b'{"resourceType":"Observation","valueQuantity":{"value":%s}}' % text.encode())
    again = jsonio.load(jsonio.dump(parsed))
    shown = json.loads(jsonio.dump(again), parse_float=str, parse_int=str)["valueQuantity"]["value"]
    assert shown == ("0" if text == "-0" else text)
    assert Decimal(parsed["valueQuantity"]["value"]) == Decimal(text)
    document = xmlio.dump(parsed, FhirVersion.R4)
    assert f'<value value="{shown}"/>'.encode() in document


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"a":1e999999999}')
@example(b"\xff\xfe{\x00}\x00")
@example(b"1" * 5000)
def test_any_bytes_as_json(data: bytes) -> None:
    refused_or_read_json(data)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60))
@example(b"<a>" * 100_000)
@example(b"\xff\xfe<\x00a\x00/\x00>\x00")
def test_any_bytes_as_xml(data: bytes) -> None:
    for document in (data, HEAD + data, HEAD + b"<text>" + data + b"</text></Patient>"):
        for version in VERSIONS:
            try:
                found = xmlio.parse(document, version)
            except FormatError:
                continue
            assert "resourceType" in found


PIECES = ['"', "{", "}", "[", "]", ",", ":", "1", "-", ".5", "e9", "null", "true", "\\u", "d800", "NaN", " ", "\n", "a"]


@settings(max_examples=400, deadline=None)
@given(parts=st.lists(st.sampled_from(PIECES), max_size=20))
def test_nearly_json(parts: list[str]) -> None:
    refused_or_read_json("".join(parts).encode())
    refused_or_read_json(('{"resourceType":"Patient","a":' + "".join(parts) + "}").encode())


XML_PIECES = [
    "<name>",
    "</name>",
    "<given ",
    "value=",
    '"x"',
    "/>",
    ">",
    "<extension ",
    "url='u'",
    "</extension>",
    "&lt;",
]
XML_PIECES += [
    "<text><status value='empty'/>",
    "<div xmlns='http://www.w3.org/1999/xhtml'>",
    "</div>",
    "<!--x-->",
    "&x;",
]
XML_PIECES += [
    "<contained>",
    "<Patient>",
    "</Patient>",
    "</contained>",
    "xmlns:a='b'",
    "<a:b/>",
    "<?pi?>",
    "<![CDATA[x]]>",
]


@settings(max_examples=400, deadline=None)
@given(parts=st.lists(st.sampled_from(XML_PIECES), max_size=12))
def test_nearly_xml(parts: list[str]) -> None:
    document = HEAD + "".join(parts).encode() + b"</Patient>"
    resource, fault = tried(lambda: xmlio.parse(document, FhirVersion.STU3))
    if resource is None:
        assert fault
        assert fault.line
        return
    back = xmlio.parse(xmlio.dump(resource, FhirVersion.STU3), FhirVersion.STU3)
    assert exact(back) == exact(resource)


def tried(read: Callable[[], Resource]) -> tuple[Resource | None, FormatError | None]:
    try:
        return read(), None
    except FormatError as fault:
        return None, fault


def refused_or_read_json(data: bytes) -> None:
    found, fault = tried(lambda: jsonio.parse(data))
    if found is None:
        assert fault
        assert fault.line
        return
    assert exact(jsonio.load(jsonio.dump(found))) == exact(found)
