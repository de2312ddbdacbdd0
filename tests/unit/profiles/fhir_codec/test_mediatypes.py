"""RES-08, RES-09, ERR-47: the format that a client asks for, and the version it may ask for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.fhir.codec.mediatypes import Format, NotAcceptable, content_type, negotiate, read_format
from profiles.fhir.version import FhirVersion

JSON, XML = Format.JSON, Format.XML
STU3, R4 = FhirVersion.STU3, FhirVersion.R4


@pytest.mark.parametrize(
    ("accept", "parameter", "expected"),
    [
        (None, None, JSON),
        ("", None, JSON),
        ("*/*", None, JSON),
        ("application/fhir+json", None, JSON),
        ("application/fhir+xml", None, XML),
        ("application/json+fhir", None, JSON),
        ("application/xml+fhir", None, XML),
        ("text/xml", None, XML),
        ("Application/FHIR+XML; Charset=utf-8", None, XML),
        ("application/fhir+xml; fhirVersion=3.0", None, XML),
        ('application/fhir+json; fhirVersion="3.0"', None, JSON),
        ("application/fhir+json;fhirVersion=3.0.2", None, JSON),
        ("application/fhir+json; q=0.5, application/fhir+xml", None, XML),
        ("application/fhir+json; q=0.5, application/fhir+xml; q=0.4", None, JSON),
        ("application/xml, application/fhir+json", None, JSON),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", None, XML),
        ("text/html, */*;q=0.1", None, JSON),
        ("image/png, application/fhir+xml; fhirVersion=4.0, application/fhir+json; fhirVersion=3.0", None, JSON),
        ('text/html; title="a, application/fhir+json", application/xml', None, XML),
        ("application/fhir+json", "xml", XML),
        ("image/png", "json", JSON),
        ("application/fhir+xml; fhirVersion=4.0", "application/fhir+json", JSON),
        (None, "application/fhir xml", XML),
        (None, "application/xml fhir", XML),
        (None, "application/fhir+xml; fhirVersion=3.0", XML),
        (None, "text/json", JSON),
        ("application/fhir+xml", " ", XML),
    ],
)
def test_res_08_the_format_is_agreed(accept: str | None, parameter: str | None, expected: Format) -> None:
    assert negotiate(accept, parameter, STU3) is expected


@pytest.mark.parametrize(
    ("accept", "parameter", "wrong_version"),
    [
        ("image/png", None, False),
        ("text/html", None, False),
        ("json", None, False),
        ("application/fhir+json; q=0", None, False),
        ("application/fhir+json; fhirVersion=4.0", None, True),
        ("application/fhir+json; fhirVersion=4.0, application/fhir+xml; fhirversion=5.0", None, True),
        ("application/fhir+json; fhirVersion=3.01", None, True),
        ("*/*; fhirVersion=4.0", None, True),
        (None, "html", False),
        (None, "text/turtle", False),
        ("application/fhir+json", "application/fhir+json; fhirVersion=4.0", True),
    ],
)
def test_err_47_what_is_not_acceptable_says_why(accept: str | None, parameter: str | None, wrong_version: bool) -> None:
    with pytest.raises(NotAcceptable) as refusal:
        negotiate(accept, parameter, STU3)
    assert refusal.value.wrong_version is wrong_version
    assert refusal.value.text


def test_res_09_the_service_decides_the_version() -> None:
    asked = "application/fhir+json; fhirVersion=4.0"
    assert negotiate(asked, None, R4) is JSON
    with pytest.raises(NotAcceptable, match=r"3\.0 only"):
        negotiate(asked, None, STU3)


def test_the_answer_repeats_the_version() -> None:
    assert content_type(XML, STU3) == "application/fhir+xml; fhirVersion=3.0; charset=utf-8"
    for fmt in Format:
        for version in FhirVersion:
            assert read_format(content_type(fmt, version), version) is fmt
            assert negotiate(content_type(fmt, version), None, version) is fmt


@pytest.mark.parametrize("header", [None, "", "*/*", "json", "text/plain", "application/fhir+json; charset=latin-1"])
def test_a_body_has_a_known_content_type(header: str | None) -> None:
    with pytest.raises(NotAcceptable):
        read_format(header)


def test_a_body_of_another_version_is_refused() -> None:
    with pytest.raises(NotAcceptable) as refusal:
        read_format("application/fhir+json; fhirVersion=4.0", STU3)
    assert refusal.value.wrong_version


@settings(deadline=None)
@given(st.text(st.sampled_from('application/fhir+json*xml;,q=0.5"\\ fhirVersion4²'), max_size=40), st.booleans())
def test_any_header_is_agreed_or_refused(text: str, as_parameter: bool) -> None:
    try:
        found = negotiate(None if as_parameter else text, text if as_parameter else None, R4)
    except NotAcceptable:
        return
    assert found in Format
