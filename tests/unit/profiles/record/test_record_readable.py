"""Words where the facts are there, and nothing overwritten (APP-05)."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.record.label import label
from profiles.record.neighbours import Neighbours
from profiles.record.readable import add_words
from profiles.record.repair import fill_display
from profiles.zibs.load import code_names

QUALIFIER = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-qualifier"
JOURNAL = "http://nictiz.nl/fhir/StructureDefinition/gp-JournalEntry"
SCT = "http://snomed.info/sct"
SPOKEN = "Het gaat goed, let op haar eten. Soms tintelende voeten, vooral 's nachts."


def mark(code: str) -> dict[str, Any]:
    return {"extension": [{"url": QUALIFIER, "valueCode": code}]}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ({"given": ["Hanna", "H."], "_given": [mark("BR"), mark("IN")], "family": "Terpstra"}, "Hanna Terpstra"),
        ({"given": ["H.", "J."], "_given": [mark("IN"), mark("IN")], "family": "de Wit"}, "H. J. de Wit"),
        ({"given": ["Hanna", "Jo"], "_given": [None, mark("IN")], "family": "Terpstra"}, "Hanna Terpstra"),
        ({"family": "van Veldhuizen - Brandsma"}, "van Veldhuizen - Brandsma"),
        ({"given": ["Bo"]}, "Bo"),
    ],
)
def test_a_name_is_written_in_one_line(name: dict[str, Any], text: str) -> None:
    """APP-05: names that are written out go before initials, which Dutch profiles give beside them."""
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "name": [copy.deepcopy(name)],
        "contact": [{"name": {"text": "Zus"}}],
    }
    assert [(one.rule, one.expression) for one in add_words(patient)] == [("name-written", "Patient.name[0].text")]
    assert patient["name"] == [{**name, "text": text}]


@pytest.mark.parametrize(
    "name", [{"family": "X", "text": "Mw. X"}, {"family": "X", "_text": {"id": "t"}}, {"use": "old"}, {}]
)
def test_a_name_that_has_its_line_or_has_no_parts_stays(name: dict[str, Any]) -> None:
    """APP-05: what a source said is not overwritten."""
    patient = {"resourceType": "Patient", "id": "p", "name": [dict(name)]}
    assert add_words(patient) == []
    assert patient["name"] == [name]


def test_a_code_of_our_tables_has_its_display() -> None:
    """APP-05: by system and code; a display that is there stays, and quantities and identifiers are no codings."""
    (system, code), name = next((key, name) for key, name in code_names().items() if key[0] == SCT)
    quantity = {"value": 1, "system": system, "code": code}
    condition = {
        "resourceType": "Condition",
        "id": "c",
        "code": {"coding": [{"system": system, "code": code}, {"system": system, "code": code, "display": "Eigen"}]},
        "category": [{"coding": [{"system": "urn:oid:9.9", "code": code}]}],
        "onsetQuantity": dict(quantity),
    }
    assert [one.expression for one in add_words(condition)] == ["Condition.code.coding[0].display"]
    assert [one["display"] for one in condition["code"]["coding"]] == [name, "Eigen"]
    assert condition["onsetQuantity"] == quantity
    assert "display" not in condition["category"][0]["coding"][0]


def test_a_code_on_which_the_tables_differ_has_none() -> None:
    """APP-05: one value set calls it other than another; we do not choose."""
    assert ("http://hl7.org/fhir/v3/NullFlavor", "OTH") not in code_names()


KEYS = st.sampled_from(["name", "given", "_given", "family", "text", "system", "code", "display", "extension"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
)


@given(ANYTHING)
def test_whatever_stands_there_nothing_is_taken_away(data: Any) -> None:
    """APP-05: any shape a source may send: additions only, and none the second time."""
    resource = {"resourceType": "Patient", "id": "p", "name": data}
    before = copy.deepcopy(resource)
    added = add_words(resource)
    for one in added:
        assert one.expression.endswith((".text", ".display"))
    assert (resource == before) == (not added)
    assert add_words(resource) == []


def consult(display: str | None) -> dict[str, Any]:
    entry = {"reference": "Observation/s"} | ({} if display is None else {"display": display})
    return {"resourceType": "Composition", "id": "v", "section": [{"title": "S", "entry": [entry]}]}


LINE = {"resourceType": "Observation", "id": "s", "meta": {"profile": [JOURNAL]},
        "code": {"coding": [{"display": "Subjectief"}]}, "valueString": SPOKEN}  # fmt: skip


@pytest.mark.parametrize(
    ("display", "served"),
    [
        (None, f"Subjectief: {SPOKEN}"),
        (f"Subjectief: {SPOKEN}"[:50], f"Subjectief: {SPOKEN}"),
        (f"Subjectief: {SPOKEN}"[:50] + "...", f"Subjectief: {SPOKEN}"),
        ("Subjectief", "Subjectief"),
        ("Een samenvatting van de arts zelf", "Een samenvatting van de arts zelf"),
    ],
)
def test_the_line_of_a_consult_is_told_whole(display: str | None, served: str) -> None:
    """APP-05: receivers read what the entry of a section is called, and neither its text nor its title."""
    held = {("Observation", "s"): ("p", LINE)}
    report = consult(display)
    fill_display(report, Neighbours("p", held.get))
    assert report["section"][0]["entry"][0]["display"] == served
    stranger = consult(display)
    fill_display(stranger, Neighbours("q", held.get))
    assert stranger == consult(display), "another person's line is not read"


def test_an_observation_that_is_no_line_keeps_its_short_name() -> None:
    assert label({**LINE, "meta": {"profile": []}}) == "Subjectief"
