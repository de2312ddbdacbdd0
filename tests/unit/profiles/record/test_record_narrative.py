"""Narratives on their way out: nothing active leaves, and who has none can get one (APP-05)."""

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from shared import shared

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.xhtml import XHTML, checked_div
from profiles.fhir.errors import FormatError
from profiles.fhir.version import FhirVersion
from profiles.record.leaving import Leaving
from profiles.record.narrative import clean
from profiles.record.written import write
from profiles.zibs.load import validator

STU3 = FhirVersion.STU3
ZIB = "http://nictiz.nl/fhir/StructureDefinition/"


def told(inner: str) -> dict[str, Any]:
    div = f'<div xmlns="{XHTML}">{inner}</div>'
    return {"resourceType": "Basic", "text": {"status": "generated", "div": div}, "code": {"text": "x"}}


@pytest.mark.parametrize(
    "inner",
    [
        "<p>Gewicht &lt; 80 kg &#233;n meer</p>",
        '<table class="grid"><tbody><tr><td colspan="2">1.50</td></tr></tbody></table>',
        '<p style="color: red">let op</p>',
        '<a href="https://example.org/x?a=1&amp;b=2">meer</a><a href="#x">hier</a>',
        '<img src="data:image/png;base64,AAAA" alt="x"/>',
        '<img src="Binary/1" alt="x"/>',
        "<p>een<br/>twee</p><!-- niets -->",
    ],
)
def test_what_may_stand_in_a_narrative_stays_to_the_letter(inner: str) -> None:
    resource = told(inner)
    kept = copy.deepcopy(resource)
    assert clean(resource) == []
    assert resource == kept


@pytest.mark.parametrize(
    ("inner", "gone"),
    [
        ('<p onclick="a()">x</p>', "onclick"),
        ('<img src="x" onerror="a()"/>x', "onerror"),
        ('<a href="javascript:a()">x</a>', "javascript"),
        ('<a href=" jAvA&#10;ScRiPt:a()">x</a>', "cript"),
        ("<script>alert(1)</script>x", "alert"),
        ("<style>p {color: red}</style>x", "style"),
        ('<iframe src="https://a.example"/>x', "iframe"),
        ('<form action="https://a.example"><input name="n"/>x</form>', "form"),
        ('<object data="https://a.example">x</object>', "object"),
        ('<p style="background: url(https://a.example/p.png)">x</p>', "url"),
        ('<img src="https://a.example/pixel.png"/>x', "pixel"),
        ('<a href="data:text/html,hi">x</a>', "data:"),
        ("<?php x?>x", "php"),
    ],
)
def test_what_is_active_is_taken_out_and_the_words_stay(inner: str, gone: str) -> None:
    resource = told(inner)
    rules = [repair.rule for repair in clean(resource)]
    div = resource["text"]["div"]
    assert rules == ["narrative-cleaned"]
    assert gone not in div
    assert "x" in "".join(etree.fromstring(div).itertext())
    assert checked_div(div) == div
    assert clean(resource) == []


def test_what_is_no_xhtml_is_refused_by_who_writes_it() -> None:
    """Unclosed or of another language: it is left, and no such resource can be served (v06)."""
    for inner in ("<p>x", '<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'):
        resource = told(inner)
        assert clean(resource) == []
        with pytest.raises(FormatError):
            xmlio.fragment(resource, STU3)


@pytest.mark.parametrize("inner", ["", "  \n", "<p> </p>", "<script>x</script>"])
def test_a_narrative_without_content_goes_as_a_whole(inner: str) -> None:
    resource = told(inner)
    assert clean(resource)[-1].rule == "narrative-empty"
    assert "text" not in resource


def test_narratives_deeper_down_are_cleaned_too() -> None:
    resource = {
        "resourceType": "Composition",
        "contained": [told("<p onclick='a()'>in</p>")],
        "section": [{"text": told("<p onload='a()'>deel</p>")["text"]}],
    }
    assert len(clean(resource)) == 2
    assert b"onclick" not in jsonio.dump(resource)
    assert b"onload" not in jsonio.dump(resource)


@pytest.mark.parametrize("name", ["v01-narrative-onclick", "v02-narrative-javascript-link", "v04-narrative-empty"])
def test_the_cases_from_the_field_leave_valid(name: str) -> None:
    resource = json.loads(shared("field-cases", f"{name}.json").read_text("utf-8"))
    assert clean(resource)
    assert validator(STU3).validate(resource, ()).verdict != "wrong"


@given(st.text(max_size=80))
def test_whatever_a_source_writes_comes_out_well_formed_and_quiet(raw: str) -> None:
    for inner in (raw, f"<p title='{raw}'>{raw}</p>", f"<b>{raw}"):
        resource = told(inner)
        clean(resource)
        assert "<script" not in resource.get("text", {}).get("div", "").lower() or inner == raw
        if clean(copy.deepcopy(resource)):
            pytest.fail("cleaning twice changes more than cleaning once")


def test_a_written_narrative_says_what_is_there_in_dutch_and_is_valid() -> None:
    resource: dict[str, Any] = {
        "resourceType": "AllergyIntolerance",
        "id": "a",
        "meta": {"profile": [f"{ZIB}zib-AllergyIntolerance"]},
        "identifier": [{"system": "urn:oid:1.2.3", "value": "geheim"}],
        "clinicalStatus": "active",
        "verificationStatus": "confirmed",
        "category": ["medication"],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1", "display": "Penicilline <b>"}]},
        "patient": {"reference": "Patient/1", "display": "J. Jansen"},
        "onsetDateTime": "2020-05-01",
        "reaction": [{"manifestation": [{"text": "Uitslag"}], "description": "Jeuk & rode vlekken"}],
    }
    original = copy.deepcopy(resource)
    assert [repair.rule for repair in write(resource, STU3)] == ["narrative-written"]
    assert list(resource)[:4] == ["resourceType", "id", "meta", "text"]
    assert {name: value for name, value in resource.items() if name != "text"} == original
    words = " ".join(etree.fromstring(resource["text"]["div"]).itertext())
    for wanted in ("Penicilline <b>", "J. Jansen", "1-5-2020", "Jeuk & rode vlekken", "Uitslag", "Veroorzakende stof"):
        assert wanted in words
    assert "geheim" not in words
    assert clean(resource) == write(resource, STU3) == []
    xmlio.fragment(resource, STU3)


def test_numbers_keep_their_digits_in_words() -> None:
    resource = {"resourceType": "Observation", "valueQuantity": {"value": Decimal("1.50"), "unit": "mmol/L"}}
    write(resource, STU3)
    assert "1.50 mmol/L" in resource["text"]["div"]


def test_a_narrative_is_written_by_setting_only_and_never_over_another() -> None:
    resource = {"resourceType": "Condition", "code": {"text": "Astma"}}
    assert Leaving()(copy.deepcopy(resource), STU3) == []
    assert [one.rule for one in Leaving(narrative=True)(resource, STU3)] == ["narrative-written"]
    own = told("<p>eigen</p>")
    assert Leaving(narrative=True)(own, STU3) == []


def directive(
    permitted: dict[str, Any], url: str = f"{ZIB}zib-TreatmentDirective-TreatmentPermitted"
) -> dict[str, Any]:
    treatment = {"coding": [{"display": "Reanimatie"}]}
    return {
        "resourceType": "Consent",
        "meta": {"profile": [f"{ZIB}zib-TreatmentDirective"]},
        "extension": [{"url": f"{ZIB}zib-TreatmentDirective-Treatment", "valueCodeableConcept": treatment}],
        "modifierExtension": [{"url": url, **permitted}],
        "dateTime": "2026-03-01T10:30:00+01:00",
    }


def test_a_treatment_directive_says_whether() -> None:
    """APP-05: the treatment is in an extension and whether it is wanted in a modifier: neither may be left out."""
    resource = directive({"valueCodeableConcept": {"coding": [{"display": "Nee"}]}})
    write(resource, STU3)
    words = "|".join(etree.fromstring(resource["text"]["div"]).itertext())
    assert "Behandeling toegestaan|Nee" in words
    assert "Behandeling|Reanimatie" in words
    assert "1-3-2026 10:30" in words


@pytest.mark.parametrize(
    "resource",
    [
        directive({"valueCodeableConcept": {"extension": []}}),
        directive({"valueBoolean": True}, "https://epd.example/turns-it-round"),
        {"resourceType": "Consent", "modifierExtension": ["?"], "status": "active"},
        {"resourceType": "Consent", "except": [{"type": "deny", "modifierExtension": [{"url": "x"}]}]},
        {"resourceType": "Consent", "status": "active",
         "actor": [{"reference": {"display": "A", "identifier": {"modifierExtension": [{"url": "x"}]}}}]},
    ],
)  # fmt: skip
def test_what_changes_the_meaning_and_has_no_words_leaves_the_narrative_out(resource: dict[str, Any]) -> None:
    """APP-05: better no narrative than one that says the opposite."""
    assert write(resource, STU3) == []
    assert "text" not in resource
