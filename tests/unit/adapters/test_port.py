"""The port's types hide what must stay hidden; what cannot be read stops the start."""

import pickle
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from timing import LONG

from adapters.fhir_http.adapter import FhirAdapter
from adapters.fhir_http.settings import FhirSettings
from adapters.fhir_http.wire import origin, read_kind, under
from adapters.port import (
    AdapterDown,
    AdapterGarbage,
    AdapterMisconfigured,
    AdapterQuery,
    Batch,
    Bsn,
    Capabilities,
    Coverage,
    CoverageLevel,
    LocalId,
    PatientKey,
    Reason,
)
from profiles.fhir.version import FhirVersion


def query(**changes: Any) -> AdapterQuery:
    fields: dict[str, Any] = {
        "provider": "p",
        "patient": PatientKey(Bsn("999911120")),
        "standard": "s",
        "rule": "r",
        "interaction": "search-type",
        "type": "Observation",
        "version": FhirVersion.STU3,
        "deadline": time.monotonic() + LONG,
    }
    return AdapterQuery(**(fields | changes))


def test_rules_that_cannot_be_read_stop_the_start(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("- {rule: x, text: y, colour: blue}")
    url = "https://ehr.test/fhir"
    settings = FhirSettings(type="fhir", name="ehr", url=url, version=FhirVersion.STU3, repairs_file=path)
    with pytest.raises(AdapterMisconfigured, match="colour"):
        FhirAdapter(settings)


def test_a_bsn_does_not_show_itself() -> None:
    bsn = Bsn("999911120")
    for shown in (repr(bsn), str(bsn), f"{bsn}", f"{bsn!r:>20}", repr(PatientKey(bsn)), repr(query()), "%s" % bsn):  # noqa: UP031
        assert "999911120" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(bsn)
    with pytest.raises(ValueError, match="nine digits") as caught:
        Bsn("99991112X")
    assert "99991112X" not in str(caught.value)
    assert Bsn("999911120") == bsn
    assert len({bsn, Bsn("999911120")}) == 1


def test_a_patient_key_prefers_the_id_of_the_source() -> None:
    key = PatientKey(local_ids=(LocalId(None, "any"), LocalId("epd", "7")))
    assert (key.local_id("epd"), key.local_id("lab")) == ("7", "any")
    with pytest.raises(ValueError, match="a BSN or a local id"):
        PatientKey()


def test_a_moment_of_fetching_has_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Batch("s", (), datetime(2026, 1, 1))  # noqa: DTZ001


def test_the_most_precise_coverage_counts() -> None:
    found = Capabilities(
        rows={("bgz-3", "problem"): Coverage(CoverageLevel.PARTLY, "no site")},
        types={(FhirVersion.STU3, "Condition"): Coverage(CoverageLevel.DELIVERABLE)},
    )
    levels = [
        found.of("bgz-3", "problem", FhirVersion.STU3, "Condition").level,
        found.of("ggz-2", "problem", FhirVersion.STU3, "Condition").level,
        found.of("ggz-2", "problem", FhirVersion.R4, "Condition").level,
    ]
    assert levels == [CoverageLevel.PARTLY, CoverageLevel.DELIVERABLE, CoverageLevel.NO]


def test_an_error_becomes_a_gap_with_its_public_text_only() -> None:
    gap = AdapterDown("the source is not available", cause="password=x", retry_after=30).gap("Condition")
    assert (gap.what, gap.reason, gap.text, gap.retry_after) == (
        "Condition",
        Reason.SOURCE_DOWN,
        "the source is not available",
        30,
    )
    assert "password" not in str(AdapterDown("x", cause="password=x"))


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("https://ehr.test/fhir/Condition?page=2", True),
        ("https://ehr.test/fhir?page=2", True),
        ("https://ehr.test:443/fhir/x", True),
        ("https://ehr.test/fhirx/Condition", False),
        ("https://ehr.test/fhir/../admin", False),
        ("https://ehr.test/fhir/%2e%2E/admin", False),
        ("https://ehr.test/fhir/..%2fadmin", False),
        ("https://user@ehr.test/fhir/x", False),
        ("https://ehr.test.evil.test/fhir/x", False),
        ("http://ehr.test/fhir/x", False),
        ("https://ehr.test:8443/fhir/x", False),
        ("https://ehr.test:99999999/fhir/x", False),
        ("file:///etc/passwd", False),
    ],
)
def test_only_links_below_the_base_are_followed(url: str, inside: bool) -> None:
    base = "https://ehr.test/fhir"
    assert (origin(url) == origin(base) and under(url, base)) is inside


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("application/fhir+json; charset=UTF-8; fhirVersion=3.0", "json"),
        ('application/fhir+xml;fhirVersion="3.0"', "xml"),
        ("application/json+fhir", "json"),
        ("application/json", "json"),
        ("application/fhir+json; fhirVersion=4.0", None),
        ("text/html", None),
        ("", None),
        (None, None),
    ],
)
def test_the_format_of_an_answer(header: str | None, kind: str | None) -> None:
    if kind is None:
        with pytest.raises(AdapterGarbage):
            read_kind(header, FhirVersion.STU3)
    else:
        assert read_kind(header, FhirVersion.STU3) == kind


@pytest.mark.parametrize("url", ["ftp://x/fhir", "https://user:pw@x/fhir", "https://x/fhir?a=b", "x", "https:///fhir"])
def test_an_address_that_cannot_be_a_base_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        FhirSettings(name="x", url=url, version=FhirVersion.STU3)
