"""A Bundle as a whole: the names of its entries, and what a document refers to."""

from typing import Any

import pytest
from unit.profiles.validation.small_definitions import knowing, rules

from profiles.fhir.version import FhirVersion

SERVER = "https://ehr.example.org/fhir/"


def entry(kind: str, ident: str | None = "1", full: str | None = None, **parts: Any) -> dict[str, Any]:
    """An entry with a full URL on the server."""
    resource = {"resourceType": kind, **({"id": ident} if ident else {}), **parts}
    return {"fullUrl": f"{SERVER}{kind}/{ident or 1}" if full is None else full, "resource": resource}


def composition(**parts: Any) -> dict[str, Any]:
    """A right Composition by one organization."""
    found = {
        "status": "final",
        "type": {"text": "brief"},
        "date": "2026-11-01",
        "title": "Brief",
        "author": [{"reference": "Organization/1"}],
        **parts,
    }
    return entry("Composition", **found)


def bundle(*entries: dict[str, Any], kind: str = "collection") -> list[tuple[str, str]]:
    """The errors of a Bundle with these entries."""
    whole = {
        "resourceType": "Bundle",
        "type": kind,
        "timestamp": "2026-11-01T12:00:00Z",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
        "entry": list(entries),
    }
    return [row for row in rules(knowing().validate(whole)) if row[0] == "bundle"]


def test_entries_that_are_named_as_they_should_be_are_right() -> None:
    assert bundle(entry("Patient"), entry("Patient", None, "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0")) == []


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (entry("Patient", full="Patient/1"), "Bundle.entry[0].fullUrl"),
        (entry("Patient", ident=None), "Bundle.entry[0].fullUrl"),
        (entry("Patient", "2", f"{SERVER}Patient/1"), "Bundle.entry[0].fullUrl"),
        ({"resource": {"resourceType": "Patient", "id": "1"}}, "Bundle.entry[0]"),
    ],
    ids=["relative", "an address on a server without id", "the id of another", "no full URL"],
)
def test_a_full_url_is_the_address_of_its_resource(wrong: dict[str, Any], place: str) -> None:
    assert bundle(wrong) == [("bundle", place)]


def test_a_transaction_may_leave_names_open() -> None:
    new = {"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}
    assert bundle(new, {**new, "fullUrl": "Patient/new"}, kind="transaction") == []


@pytest.mark.parametrize(
    ("reference", "right"),
    [
        ("Organization/1", True),
        (f"{SERVER}Organization/1", True),
        ("Organization/1/_history/7", True),
        ("Organization/1/_history/8", False),
        ("Organization/2", False),
        ("https://elsewhere.example.org/Organization/1", False),
        ("#inside", True),
    ],
)
def test_what_a_document_refers_to_is_in_it(reference: str, right: bool) -> None:
    author = entry("Organization", name="Zandoord", meta={"versionId": "7"})
    section = {"section": [{"section": [{"entry": [{"reference": reference}]}]}]}
    found = bundle(composition(**section), author, kind="document")
    place = "Bundle.entry[0].resource.section[0].section[0].entry[0]"
    assert found == ([] if right else [("bundle", place)])


def test_a_document_refers_to_one_version_when_it_holds_several() -> None:
    versions = [entry("Organization", name="Zandoord", meta={"versionId": text}) for text in "12"]
    found = bundle(composition(), *versions, kind="document")
    assert found == [("bundle", "Bundle.entry[0].resource.author[0]")]


def test_a_document_in_stu3_says_when_it_was_put_together() -> None:
    whole = {"resourceType": "Bundle", "type": "document", "entry": []}
    found = knowing(version=FhirVersion.STU3).validate(whole)
    assert any("meta.lastUpdated" in one.text_en for one in found.findings)


def test_nonsense_in_a_document_stops_nothing() -> None:
    for nonsense in (None, 7, "x", [], [None], [{"section": 3}], {"entry": "x"}):
        whole = {
            "resourceType": "Bundle",
            "type": "document",
            "meta": nonsense,
            "entry": [composition(section=nonsense)],
        }
        assert knowing(version=FhirVersion.STU3).validate(whole).verdict == "wrong"
