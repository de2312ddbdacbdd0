"""How a document is wanted: as itself or as a FHIR resource, by Accept and _format."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.fhir.codec.mediatypes import Format, NotAcceptable, negotiate_content
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue

PDF = "application/pdf"
JSON, XML = Format.JSON, Format.XML


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, None),
        ("", None),
        ("*/*", None),
        ("application/*", None),
        (PDF, None),
        ("image/png", None),
        ("text/html,application/xhtml+xml,*/*;q=0.8", None),
        ("application/fhir+json", JSON),
        ("application/fhir+json; fhirVersion=3.0", JSON),
        ("application/fhir+xml", XML),
        ("application/json", JSON),
        ("application/fhir+xml, */*;q=0.1", XML),
        ("application/fhir+xml;q=0.3, application/fhir+json;q=0.4", JSON),
        (f"application/fhir+json;q=0.5, {PDF}", None),
        (f"application/fhir+json, {PDF};q=0.5", JSON),
        (f"application/fhir+json, {PDF}", None),
        ("application/fhir+json;q=0", None),
        ("application/fhir+json, *", JSON),
    ],
)
def test_accept_decides(accept: str | None, wanted: Format | None) -> None:
    assert negotiate_content(accept, None, FhirVersion.STU3, PDF) is wanted


def test_format_goes_before_accept() -> None:
    assert negotiate_content(PDF, "xml", FhirVersion.STU3, PDF) is XML
    with pytest.raises(NotAcceptable):
        negotiate_content(PDF, "pdf", FhirVersion.STU3, PDF)


def test_a_document_in_xml_is_itself_for_who_asks_for_xml() -> None:
    assert negotiate_content("application/xml", None, FhirVersion.R4, "application/xml; charset=utf-8") is None
    assert negotiate_content("application/fhir+xml", None, FhirVersion.R4, "application/xml") is XML


def test_another_version_is_refused() -> None:
    with pytest.raises(NotAcceptable) as refused:
        negotiate_content("application/fhir+json; fhirVersion=4.0", None, FhirVersion.STU3, PDF)
    assert refused.value.wrong_version


@given(st.text(max_size=60))
def test_no_header_breaks_it(accept: str) -> None:
    try:
        found = negotiate_content(accept, None, FhirVersion.STU3, PDF)
    except NotAcceptable:
        return
    assert found in (None, JSON, XML)


def test_a_catalogue_without_a_type_has_no_rows_and_no_reads_of_it() -> None:
    whole, less = catalogue(), catalogue().without("DocumentManifest")
    assert "DocumentManifest" in whole.standards["pdfa-3"].types
    assert all("DocumentManifest" not in standard.types for standard in less.standards.values())
    gone = sum(len(one.rules) for one in whole.standards.values()) - sum(
        len(one.rules) for one in less.standards.values()
    )
    assert gone == 1
