"""A questionnaire as a plain form, and what was filled in as FHIR that the provider takes."""

from decimal import Decimal

import pytest
from world.share_forms import QUESTIONS

from gateway.share.forms import check
from workbench.pgo.answering import UnfitAnswer, example_answers, form_of, response_of

TASK = {"owner": {"reference": "Patient/anna", "display": "A. Lindegaarde"}}
TYPED = {
    "url": "https://example.org/Questionnaire/soorten",
    "title": "Soorten",
    "item": [
        {"linkId": "ja", "text": "Ja of nee?", "type": "boolean", "required": True},
        {"linkId": "dag", "text": "Wanneer?", "type": "date"},
        {"linkId": "maat", "text": "Hoeveel?", "type": "decimal"},
        {"linkId": "foto", "text": "Een foto", "type": "attachment"},
        {"linkId": "uitleg", "text": "Nog iets", "type": "text",
         "enableWhen": [{"question": "ja", "answerBoolean": True}]},
    ],
}  # fmt: skip


def test_every_question_that_a_form_can_ask_is_a_line() -> None:
    assert [(line.link, line.kind) for line in form_of(QUESTIONS)] == [
        ("hoe", "choice"), ("groep", "heading"), ("uren", "number"), ("vrij", "text"),
    ]  # fmt: skip
    assert [line.link for line in form_of(TYPED)] == ["ja", "dag", "maat", "uitleg"]


def test_an_example_is_taken_by_the_provider() -> None:
    """DL-C16, DL-54: whatever the questionnaire; a group that is not put is left out."""
    for questions in (QUESTIONS, TYPED):
        assert check(questions, response_of(questions, TASK, example_answers(questions))) == []
    answers = example_answers(QUESTIONS)
    assert [item["linkId"] for item in response_of(QUESTIONS, TASK, answers)["item"]] == ["hoe", "vrij"]
    bad = response_of(QUESTIONS, TASK, answers | {"hoe": "slecht"})
    assert [item["linkId"] for item in bad["item"]] == ["hoe", "groep", "vrij"]


def test_answers_get_the_type_of_their_question() -> None:
    answers = {"ja": "Nee", "dag": "2026-02-01", "maat": "1,5", "uitleg": "Wordt niet gevraagd."}
    made = {item["linkId"]: item["answer"] for item in response_of(TYPED, TASK, answers)["item"]}
    size = Decimal("1.5")
    assert made == {
        "ja": [{"valueBoolean": False}], "dag": [{"valueDate": "2026-02-01"}], "maat": [{"valueDecimal": size}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("link", "text"),
    [("ja", "misschien"), ("dag", "morgen"), ("maat", "veel"), ("maat", "NaN"), ("maat", "1e999999999")],
)
def test_an_answer_that_is_none_is_told_with_its_question(link: str, text: str) -> None:
    with pytest.raises(UnfitAnswer, match="past niet bij de vraag"):
        response_of(TYPED, TASK, {link: text})
