"""Trends and ranges: drawn without script, told in words, and never saying more than was measured."""

from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dossier.plots import range_plot, trend_plot, trend_title
from gateway.dossier.readings import NormalRange, readings, trends
from gateway.dossier.tables import once
from profiles.fhir.tree import Resource


def observation(day: str, value: str, what: str = "Kreatinine", **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "code": {"text": what},
        "effectiveDateTime": day,
        "valueQuantity": {"value": Decimal(value), "unit": "µmol/L", "code": "umol/L", **more.pop("quantity", {})},
        **more,
    }


def test_two_days_make_a_trend_that_says_its_numbers_with_their_own_digits() -> None:
    range_ = [{"low": {"value": Decimal("45")}, "high": {"value": Decimal("84")}}]
    (trend,) = trends([observation("2026-11-05", "81.0", referenceRange=range_), observation("2025-09-30", "76")])
    assert trend.normal == NormalRange(Decimal("45"), Decimal("84"))
    assert "van 76 (30\u00a0september\u00a02025) naar 81,0 (5\u00a0november\u00a02026)" in trend_title(trend)
    drawn = ElementTree.fromstring(str(trend_plot(trend)))
    assert len(drawn.findall("circle")) == 2
    assert drawn.find("rect[@class='band']") is not None


def test_one_day_units_that_differ_and_words_make_no_trend() -> None:
    assert trends([observation("2026-11-05", "81"), observation("2026-11-05T12:00:00Z", "82")]) == []
    assert trends([observation("2026-11-05", "8"), observation("2026-11-06", "8", quantity={"unit": "mmol/L"})]) == []
    assert list(readings({"resourceType": "Observation", "effectiveDateTime": "2026-11-05", "valueString": "8"})) == []
    assert list(readings(observation("2026", "8"))) == []


def test_less_than_is_no_point() -> None:
    less = observation("2026-11-07", "5", quantity={"comparator": "<"})
    (trend,) = trends([observation("2026-11-05", "8"), observation("2026-11-06", "7"), less])
    assert (len(trend.readings), trend.inexact) == (2, 1)


def test_blood_pressure_is_one_plot_with_two_lines() -> None:
    def pressure(day: str) -> Resource:
        parts = [
            {"code": {"text": name}, "valueQuantity": {"value": number, "unit": "mmHg"}}
            for name, number in (("boven", 130), ("onder", 80))
        ]
        return {"resourceType": "Observation", "code": {"text": "RR"}, "effectiveDateTime": day, "component": parts}

    (trend,) = trends([pressure("2026-01-01"), pressure("2026-02-01")])
    assert list(trend.lines) == ["boven", "onder"]
    assert str(trend_plot(trend)).count("<polyline") == 2


@pytest.mark.parametrize(
    ("number", "low", "high", "said"),
    [
        ("5", "4", "6", "normaal"),
        ("6", "4", "6", "normaal"),
        ("6.1", "4", "6", "boven normaal"),
        ("3.9", "4", "6", "onder normaal"),
        ("5", None, "6", "normaal"),
        ("7", None, "6", "boven normaal"),
        ("3", "4", None, "onder normaal"),
        ("99999999", "4", "6", "boven normaal"),
    ],
)
def test_a_result_stands_inside_or_outside_what_is_normal(
    number: str, low: str | None, high: str | None, said: str
) -> None:
    normal = NormalRange(Decimal(low) if low else None, Decimal(high) if high else None)
    assert f"Hb: {said}</title>" in str(range_plot(Decimal(number), normal, "Hb"))


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=2), min_size=2, max_size=9), st.text())
def test_whatever_was_measured_the_plot_is_well_formed_and_holds_no_markup(numbers: list[Decimal], what: str) -> None:
    made = [observation(f"2026-01-{place + 1:02}", str(one), f"<b>{what}") for place, one in enumerate(numbers)]
    for trend in trends(made):
        drawn = str(trend_plot(trend))
        assert "<b>" not in drawn
        assert "<script" not in drawn


def test_a_weight_in_grams_and_in_kilograms_is_said_once_and_another_one_is_not() -> None:
    kilos = observation("2026-11-05", "3.42", "Gewicht", quantity={"unit": "kg", "code": "kg"})
    grams = observation("2026-11-05", "3420", "Gewicht", quantity={"unit": "g", "code": "g"})
    other = observation("2026-11-05", "3421", "Gewicht", quantity={"unit": "g", "code": "g"})
    later = observation("2026-11-06", "3420", "Gewicht", quantity={"unit": "g", "code": "g"})
    assert once([kilos, grams, other, later]) == [kilos, other, later]
