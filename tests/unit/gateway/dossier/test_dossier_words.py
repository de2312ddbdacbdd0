"""FHIR values as a person reads them in Dutch."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dossier.words import moment, text_of

WORDS = {"active": "actief", "F": "vrouw"}


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (True, "ja"),
        (False, "nee"),
        ("active", "actief"),
        ("2026-03-01", "1 maart 2026"),
        ("2026-03", "maart 2026"),
        ("2026", "2026"),
        ("2026-03-01T08:05:00+01:00", "1 maart 2026 om 08:05"),
        ("2026-03-01T00:00:00+01:00", "1 maart 2026"),
        ({"value": Decimal("4.10"), "unit": "mmol/L"}, "4,10 mmol/L"),
        ({"value": Decimal("2"), "unit": "1", "code": "1"}, "2"),
        ({"value": 5, "comparator": "<", "code": "mg"}, "< 5 mg"),
        ({"value": Decimal("11.20"), "unit": "10*9/L", "code": "10*9/L"}, "11,20 miljard per liter"),
        ({"value": Decimal("5"), "code": "10^12/L"}, "5 biljoen per liter"),
        ({"value": 1, "unit": "dag", "code": "d"}, "1 dag"),
        ({"value": 3, "unit": "dag", "code": "d"}, "3 dagen"),
        ({"value": 3, "unit": "scheppen", "code": "{schep}"}, "3 scheppen"),
        ({"value": 120, "unit": "mm[Hg]", "code": "mm[Hg]"}, "120 mmHg"),
        ({"coding": [{"code": "1", "display": "Hoog"}, {"code": "2", "display": "Hoog"}]}, "Hoog"),
        ({"coding": [{"code": "1", "display": "Hoog"}], "text": "Te hoog"}, "Te hoog"),
        ({"system": "s", "code": "F"}, "vrouw"),
        ({"reference": "Patient/1", "display": "Joke"}, "Joke"),
        ({"reference": "Patient/1"}, "niet ingevuld"),
        ({"start": "2026-03-01"}, "sinds 1 maart 2026"),
        ({"start": "2026-03-01", "end": "2026-03-01"}, "1 maart 2026"),
        ({"start": "2026-03-01", "end": "2026-04-02"}, "1 maart 2026 tot 2 april 2026"),
        ({"start": "2026-03-01T08:00:00Z", "end": "2026-03-01T09:30:00Z"}, "1 maart 2026 om 08:00 tot 09:30"),
        ({"end": "2026-03-01"}, "tot 1 maart 2026"),
        ({"low": {"value": Decimal("3.5")}, "high": {"value": Decimal("5.0"), "unit": "mmol/L"}}, "3,5 tot 5,0 mmol/L"),
        ({"high": {"value": 10, "unit": "mg/L"}}, "tot 10 mg/L"),
        ({"family": "Vliet", "given": ["Peter", "P."]}, "Peter Vliet"),
        ({"line": ["Brink 14"], "postalCode": "9998ZB", "city": "Zandoord"}, "Brink 14, 9998ZB Zandoord"),
        ({"system": "email", "value": "joke@veldhuizen.example"}, "joke@veldhuizen.example"),
        ({"text": "Let op"}, "Let op"),
        ({}, "niet ingevuld"),
    ],
)
def test_what_is_recorded_and_what_is_read(value: Any, read: str) -> None:
    assert text_of(value, WORDS).replace("\u00a0", " ") == read


@given(st.text(max_size=30))
def test_a_text_that_is_no_date_is_left_alone(text: str) -> None:
    if not moment(text):
        assert text_of(text, {}) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_no_digit_of_a_quantity_is_lost(number: Decimal) -> None:
    assert text_of({"value": number, "unit": "mg"}, {}).removesuffix(" mg").replace(",", ".") == str(number)
