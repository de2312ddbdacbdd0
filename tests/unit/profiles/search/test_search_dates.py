"""Days, prefixes, periods and time zones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.fhir.search.dates import interval, latest, span
from profiles.fhir.search.search import compile_search
from profiles.fhir.version import FhirVersion

NICTIZ = "http://nictiz.nl/fhir/StructureDefinition/"


def at(asked: str, **elements: Any) -> bool:
    search = compile_search(FhirVersion.STU3, "Observation", [("date", asked)])
    return search.matches({"resourceType": "Observation", **elements})


@pytest.mark.parametrize(
    ("asked", "stored", "expected"),
    [
        # A day covers 00:00 to 24:00.
        ("le2026-01-05", "2026-01-05T23:59:59+01:00", True),
        ("le2026-01-05", "2026-01-06T00:00:00+01:00", False),
        ("ge2026-01-05", "2026-01-05T00:00:00+01:00", True),
        ("ge2026-01-05", "2026-01-04T23:59:59+01:00", False),
        ("gt2026-01-05", "2026-01-05T23:59:59+01:00", False),
        ("gt2026-01-05", "2026-01-06T00:00:00+01:00", True),
        ("lt2026-01-05", "2026-01-05T00:00:00+01:00", False),
        ("lt2026-01-05", "2026-01-04T23:59:59+01:00", True),
        ("2026-01-05", "2026-01-05T12:00:00+01:00", True),
        ("eq2026-01", "2026-01-05", True),
        ("2026", "2026-01-05", True),
        ("2026-01-05", "2026-01", False),
        ("ne2026-01-05", "2026-01-06", True),
        ("sa2026-01-05", "2026-01-06", True),
        ("sa2026-01-05", "2026-01-05", False),
        ("eb2026-01-05", "2026-01-04", True),
        # In the zone of the stored value: half past midnight here is the day before in UTC.
        ("2026-01-05", "2026-01-05T00:30:00+01:00", True),
        ("2026-01-04", "2026-01-05T00:30:00+01:00", False),
        ("2026-01-05", "2026-01-05T23:30:00Z", True),
        # An instant with a zone is compared as an instant.
        ("ge2026-01-04T23:30:00Z", "2026-01-05T00:30:00+01:00", True),
        ("gt2026-01-04T23:30:00Z", "2026-01-05T00:30:00+01:00", False),
        ("lt2026-01-05T00:00:00+01:00", "2026-01-04T23:30:00Z", False),
        ("ge2026-01-05T10:00:00+01:00", "2026-01-05", True),
        # A choice inside one parameter.
        ("2026-01-05,2026-01-07", "2026-01-07", True),
        ("2026-01-05,2026-01-07", "2026-01-06", False),
        ("ge2026-01-05", "rubbish", False),
    ],
)
def test_dates_and_prefixes(asked: str, stored: str, expected: bool) -> None:
    assert at(asked, effectiveDateTime=stored) is expected


@pytest.mark.parametrize(
    ("asked", "period", "expected"),
    [
        ("ge2026-01-05", {"start": "2026-01-01", "end": "2026-01-05"}, True),
        ("ge2026-01-06", {"start": "2026-01-01", "end": "2026-01-05"}, False),
        ("le2026-01-01", {"start": "2026-01-01", "end": "2026-01-05"}, True),
        ("lt2026-01-01", {"start": "2026-01-01", "end": "2026-01-05"}, False),
        ("gt2026-01-04", {"start": "2026-01-01", "end": "2026-01-05"}, True),
        ("ge2099-01-01", {"start": "2026-01-01"}, True),
        ("2026-01-01", {"start": "2026-01-01"}, False),
        ("le1900-01-01", {"end": "2026-01-01"}, True),
        ("ge2026-01-01", {}, False),
        ("ge2026-01-01", {"start": "2025-01-01", "end": "rubbish"}, False),
    ],
)
def test_periods(asked: str, period: dict[str, str], expected: bool) -> None:
    assert at(asked, effectivePeriod=period) is expected


def test_two_dates_make_a_closed_period() -> None:
    search = compile_search(FhirVersion.STU3, "Observation", [("date", "ge2026-01-01"), ("date", "le2026-01-31")])
    days = ["2025-12-31", "2026-01-01", "2026-01-31T23:59:59+01:00", "2026-02-01"]
    found = [search.matches({"resourceType": "Observation", "effectiveDateTime": day}) for day in days]
    assert found == [False, True, True, False]


def duration(value: int, code: str = "d", url: str = "zib-MedicationUse-Duration") -> dict[str, Any]:
    return {"url": NICTIZ + url, "valueDuration": {"value": value, "system": "http://unitsofmeasure.org", "code": code}}


def period_of_use(asked: str, period: dict[str, Any], *extensions: dict[str, Any]) -> bool:
    request = {
        "resourceType": "MedicationRequest",
        "extension": [{"url": NICTIZ + "zib-Medication-PeriodOfUse", "valuePeriod": period}, *extensions],
    }
    return compile_search(FhirVersion.STU3, "MedicationRequest", [("periodofuse", asked)]).matches(request)


def test_a_period_of_use_without_end_reaches_into_the_future() -> None:
    assert period_of_use("ge2099-01-01", {"start": "2020-01-01"})
    assert not period_of_use("ge2026-01-01", {"start": "2020-01-01", "end": "2020-02-01"})


def test_a_duration_gives_the_end_that_is_missing() -> None:
    start = {"start": "2026-01-01T00:00:00+01:00"}
    assert period_of_use("ge2026-01-07", start, duration(7))
    assert not period_of_use("ge2026-01-08", start, duration(7))
    assert period_of_use("ge2026-01-14", start, duration(2, "wk"))
    assert period_of_use("ge2026-01-08", start, duration(7, "unknown-unit"))


def test_in_r4_the_duration_is_inside_the_period_and_may_give_the_start() -> None:
    inside = duration(7, url="ext-TimeInterval.Duration")
    for period, asked, expected in (
        ({"start": "2026-01-01", "extension": [inside]}, "gt2026-01-07", False),
        ({"start": "2026-01-01", "extension": [inside]}, "ge2026-01-07", True),
        ({"end": "2026-01-07", "extension": [inside]}, "lt2026-01-01", False),
        ({"end": "2026-01-07", "extension": [inside]}, "le2026-01-01", True),
    ):
        request = {
            "resourceType": "MedicationRequest",
            "extension": [{"url": NICTIZ + "ext-TimeInterval.Period", "valuePeriod": period}],
        }
        search = compile_search(FhirVersion.R4, "MedicationRequest", [("period-of-use", asked)])
        assert search.matches(request) is expected, (period, asked)


def test_the_period_of_a_statement_counts_as_its_period_of_use() -> None:
    search = compile_search(FhirVersion.R4, "MedicationStatement", [("period-of-use", "le2026-01-01")])
    assert search.matches({"resourceType": "MedicationStatement", "effectivePeriod": {"start": "2026-01-01"}})


@pytest.mark.parametrize("text", ["", "26", "2026-1-1", "2026-01-01T10", "2026-01-01T24:00:00Z", "2026-00", "٢٠٢٦"])
def test_what_is_no_fhir_date_has_no_span(text: str) -> None:
    assert span(text) is None


FROM, TO = datetime(1900, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 - wall clocks


@given(st.datetimes(FROM, TO), st.integers(-14 * 60, 14 * 60))
def test_a_stored_instant_is_inside_its_own_local_day_and_outside_the_next(moment: datetime, offset: int) -> None:
    sign = "-" if offset < 0 else "+"
    text = f"{moment:%Y-%m-%dT%H:%M:%S}{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    assert at(f"{moment:%Y-%m-%d}", effectiveDateTime=text)
    assert not at(f"gt{moment:%Y-%m-%d}", effectiveDateTime=text)
    assert not at(f"{moment + timedelta(days=1):%Y-%m-%d}", effectiveDateTime=text)


@given(st.text(max_size=30))
def test_any_text_is_a_date_or_it_is_not(text: str) -> None:
    found = span(text)
    assert found is None or found.low < found.high


def test_the_ends_of_time_do_not_overflow() -> None:
    assert interval("9999-12-31T23:59:59-12:00", UTC) is not None
    assert interval("0001-01-01T00:00:00+14:00", UTC) is not None
    for text in ("9999", "9999-12", "9999-12-31", "9999-12-31T23:59:59.999Z"):
        found = span(text)
        assert found is not None
        assert found.low < found.high


def test_the_moment_for_ordering_is_the_end_when_there_is_one() -> None:
    first = latest({"start": "2026-01-01", "end": "2026-03-01"})
    second = latest("2026-02-01T10:00:00+01:00")
    third = latest({"start": "2026-01-15"})
    assert first is not None
    assert second is not None
    assert third is not None
    assert third < second < first
