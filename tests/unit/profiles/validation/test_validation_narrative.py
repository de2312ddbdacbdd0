"""Narratives: well-formed, saying something, and never acting (FHIR narrative.html, txt-1 and txt-2)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.fhir.version import FhirVersion
from profiles.validation import validator

CHECKED = {version: validator(version, ()) for version in FhirVersion}
OPEN = '<div xmlns="http://www.w3.org/1999/xhtml">'


def rules(div: Any, version: FhirVersion = FhirVersion.STU3, **more: Any) -> set[str]:
    resource = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **more}
    report = CHECKED[version].validate(resource | {"text": {"status": "generated", "div": div}})
    return {finding.rule for finding in report.findings if finding.severity == "error"}


@pytest.mark.parametrize("version", FhirVersion)
@pytest.mark.parametrize(
    "inner",
    [
        "<p>Hallo&nbsp;<b>daar</b></p>",
        "<table><tr><td colspan='2' style='color: red'>5&#160;mg</td></tr></table>",
        "<a href='https://example.org/a?b=javascript:'>x</a>",
        "<a href='#n' name='n'>x</a>",
        "<a href='data:application/pdf;base64,AAAA'>brief</a>",
        "<img src='data:image/png;base64,AAAA' alt='a'/>",
        "x <!-- <script>a()</script> -->",
        "<p lang='nl' xml:lang='nl'>&lt;script&gt;</p>",
    ],
)
def test_what_official_narratives_hold_is_right(inner: str, version: FhirVersion) -> None:
    assert rules(f"{OPEN}{inner}</div>", version) == set()


@pytest.mark.parametrize(
    "inner",
    [
        "<p onclick='a()'>x</p>",
        "<p ONMOUSEOVER='a()'>x</p>",
        "<a href='javascript:a()'>x</a>",
        "<a href=' JavaScript&#10;:a()'>x</a>",
        "<a href='java&#9;script:a()'>x</a>",
        "<a href='data:text/html,&lt;script&gt;'>x</a>",
        "<img src='data:image/svg+xml;base64,AAAA'/>",
        "x<script>a()</script>",
        "x<SCRIPT>a()</SCRIPT>",
        "x<form action='https://example.org'><input/></form>",
        "x<iframe src='https://example.org'/>",
        "x<object data='a'/>",
        "x<meta http-equiv='refresh'/>",
    ],
)
def test_what_acts_is_wrong(inner: str) -> None:
    assert rules(f"{OPEN}{inner}</div>") == {"invariant:txt-1"}


@pytest.mark.parametrize("inner", ["", "  \n ", "<p> </p>", "<table><tr><td/></tr></table>", "<!-- tekst -->"])
def test_an_empty_narrative_is_wrong(inner: str) -> None:
    assert rules(f"{OPEN}{inner}</div>") == {"invariant:txt-2"}
    assert rules(f"{OPEN}{inner}<img src='a.png' alt='a'/></div>") == set(), "an image says something"


@pytest.mark.parametrize(
    "div",
    [
        f"{OPEN}<p>x</div>",
        f"{OPEN}x",
        f"{OPEN}x</div><div>y</div>",
        "<p xmlns='http://www.w3.org/1999/xhtml'>x</p>",
        "<div xmlns='http://hl7.org/fhir'>x</div>",
        "<div>x</div>",
        f"{OPEN}<p xmlns='urn:x'>x</p></div>",
        f"{OPEN}&unknown;</div>",
        "<!DOCTYPE div><div xmlns='http://www.w3.org/1999/xhtml'>x</div>",
        "tekst",
    ],
)
def test_what_is_no_xhtml_div_is_wrong(div: str) -> None:
    assert rules(div) == {"format"}


@given(st.text(max_size=60))
def test_any_text_is_judged_and_never_breaks_off(text: str) -> None:
    assert rules(text) == {"format"} or text.lstrip().startswith("<div")
    assert rules(f"{OPEN}{text}</div>") <= {"format", "invariant:txt-1", "invariant:txt-2"}


@pytest.mark.parametrize(
    ("inner", "found"),
    [
        ("<img src='#im' alt='a'/>", set()),
        ('<a href="#im">x</a>', set()),
        ("#im", {"invariant:dom-3"}),
        ("<img src='#other' alt='a'/>", {"invariant:dom-3"}),
    ],
)
def test_a_narrative_may_show_what_is_contained(inner: str, found: set[str]) -> None:
    """Field case v07: dom-3 counts an image of the narrative as a reference."""
    contained = [{"resourceType": "Binary", "id": "im", "contentType": "image/png", "content": "AAAA"}]
    assert rules(f"{OPEN}{inner}</div>", contained=contained) == found


def subject(**reference: Any) -> set[str]:
    resource = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": reference}
    contained = [{"resourceType": "Patient", "id": "p"}]
    if reference.get("reference") == "#p":
        resource["contained"] = contained
    report = CHECKED[FhirVersion.R4].validate(resource)
    return {finding.rule for finding in report.findings if finding.severity == "error"}


def test_the_type_of_a_reference_is_that_of_its_target() -> None:
    """Field case v09: Reference.type and Reference.reference SHALL be consistent (R4 references.html)."""
    assert subject(reference="Patient/1", type="Device") == {"reference"}
    assert subject(reference="https://ehr.example/fhir/Patient/1/_history/2", type="Group") == {"reference"}
    assert subject(reference="#p", type="Device") == {"reference"}
    assert subject(reference="Patient/1", type="http://hl7.org/fhir/StructureDefinition/Patient") == set()
    assert subject(reference="#p", type="Patient") == set()
    assert subject(reference="urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", type="Device") == set(), "not to be seen"
    assert subject(identifier={"value": "1"}, type="Organization") == {"reference"}, "no subject of an Observation"
    assert subject(identifier={"value": "1"}, type="Patient") == set()
