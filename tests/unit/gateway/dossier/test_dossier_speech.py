"""A dossier in two languages: what is ours is said in both, what a source wrote stays as it is (UI-14)."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import gateway.dossier
from gateway.dossier import speech
from gateway.dossier.plots import trend_title
from gateway.dossier.readings import trends
from gateway.dossier.summary import summary_of
from gateway.dossier.tables import RowVerdict, tables
from gateway.dossier.words import moment, text_of
from gateway.ownrecord.texts import OWN_TEXTS

HERE = Path(gateway.dossier.__file__).parent


def table(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text("utf-8"))


def test_every_text_is_there_in_both_languages_with_the_same_names() -> None:
    for catalogue in (speech.CATALOGUE, OWN_TEXTS):
        dutch, english = catalogue["nl"], catalogue["en"]
        assert dutch.keys() == english.keys()
        for section, texts in dutch.items():
            assert texts.keys() == english[section].keys()
            for key, text in texts.items():
                if text and english[section][key]:
                    assert text.count("{") == english[section][key].count("{"), key


def test_every_label_has_english() -> None:
    shapes, english = table("zibs.toml"), table("english.toml")
    codes = shapes.pop("words")
    labels = {column["label"] for shape in shapes.values() for column in shape["columns"]}
    labels |= {
        word for shape in shapes.values() for word in (shape.get("title_label"), *shape.get("alone", ())) if word
    }
    summary = table("summary.toml")
    labels |= {line[key] for line in summary["line"] for key in ("title", "none", "unnamed") if key in line}
    labels |= {before for line in summary["line"] for before, _ in line["details"] if before}
    labels |= {one["text"] for one in summary["contradiction"]}
    assert labels - english["labels"].keys() == set()
    assert codes.keys() - english["codes"].keys() == set()
    # A symbol (µmol/L) is the same in any language; a word has only letters and spaces.
    units = {word for forms in table("units.toml")["words"].values() for word in forms}
    words = {one for one in units if len(one) > 2 and one.replace(" ", "").isalpha()} - {"mmHg"}
    assert words - english["units"].keys() == set()


def test_dates_numbers_and_codes_are_said_in_the_language_of_the_page() -> None:
    said = [
        ({"start": "2026-03-01T08:30:00+01:00", "end": "2026-03-01T09:00:00+01:00"},
         "1\u00a0maart\u00a02026 om 08:30 tot 09:00", "1\u00a0March\u00a02026 at 08:30 to 09:00"),
        ({"value": "7.5", "unit": "10*9/L"}, "7.5 miljard per liter", "7.5 billion per litre"),
        ({"low": {"value": 1}, "high": {"value": 2}}, "1 tot 2", "1 to 2"),
        (True, "ja", "yes"),
    ]  # fmt: skip
    for value, dutch, english in said:
        assert text_of(value, {}) == dutch
        with speech.speaking("en"):
            assert text_of(value, {}) == english
    assert moment("2026-05") == "mei\u00a02026"


def weight(day: str, number: float) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "code": {"text": "Gewicht"},
        "effectiveDateTime": day,
        "status": "final",
        "valueQuantity": {"value": number, "unit": "kg", "code": "kg"},
    }


def test_a_page_in_english_says_what_the_source_wrote_in_its_own_words() -> None:
    weights = [weight("2026-01-01", 79.5), weight("2026-02-01", 78)]
    with speech.speaking("en"):
        assert trend_title(trends(weights)[0]) == (
            "Gewicht, 2 readings. In kg. from 79.5 (1\u00a0January\u00a02026) to 78 (1\u00a0February\u00a02026)."
        )
        made = tables(weights, lambda _one: RowVerdict("ok"))
        assert made[0].columns == ("Value", "Date")
        assert summary_of([], date(2026, 3, 1)).lines == ()
    assert speech.in_dutch()
