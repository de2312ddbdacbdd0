"""A response answers its questionnaire: what was asked, in its order, with answers of its kinds."""

from typing import Any

import pytest
from unit.profiles.validation.small_definitions import knowing, rules, value_set

from profiles.fhir.version import FhirVersion

FORM = "http://example.org/Questionnaire/form"
COLOURS = value_set("colours", "urn:colours", "red", "blue")


def question(name: str, type_: str = "string", *below: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"linkId": name, "text": name, "type": type_, **({"item": list(below)} if below else {}), **parts}


def said(name: str, *values: dict[str, Any], item: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """An item of a response with these answers, or with items below it."""
    return {"linkId": name, **({"answer": list(values)} if values else {}), **({"item": item} if item else {})}


YES, NO, TEXT = {"valueBoolean": True}, {"valueBoolean": False}, {"valueString": "x"}
IF_SMOKER = [{"question": "smoker", "operator": "=", "answerBoolean": True}]
QUESTIONS = [
    question("smoker", "boolean", required=True),
    question("packs", "integer", enableWhen=IF_SMOKER, required=True),
    question("name", "string", maxLength=3),
    question("colour", "choice", answerValueSet=COLOURS["url"]),
    question("size", "choice", answerOption=[{"valueCoding": {"system": "urn:s", "code": "L"}}, {"valueString": "x"}]),
    question("visits", "group", question("day", "date", question("why", required=True)), repeats=True),
    question("note", "display"),
]
SMOKES, PACKS, NOT = said("smoker", YES), said("packs", {"valueInteger": 2}), said("smoker", NO)


def errors(
    *answers: dict[str, Any], version: FhirVersion = FhirVersion.R4, status: str = "completed", **parts: Any
) -> list[str]:
    """The messages and places of what is wrong with a response to the form."""
    form = {"resourceType": "Questionnaire", "url": FORM, "status": "active", "item": QUESTIONS}
    response = {"resourceType": "QuestionnaireResponse", "status": status, "questionnaire": FORM, **parts}
    response["item"] = list(answers)
    found = rules(knowing(form, COLOURS, version=version).validate(response))
    return [place.removeprefix("QuestionnaireResponse.") for _, place in found]


@pytest.mark.parametrize(
    "answers",
    [
        (NOT,),
        (SMOKES, PACKS),
        (NOT, said("name", TEXT), said("colour", {"valueCoding": {"system": "urn:colours", "code": "red"}})),
        (NOT, said("size", {"valueCoding": {"system": "urn:s", "code": "L", "display": "Large"}})),
        (NOT, said("size", TEXT), said("note")),
        (
            NOT,
            said("visits", item=[said("day", {"valueDate": "2026-11-01", "item": [said("why", TEXT)]})]),
            said("visits", item=[said("day", {"valueDate": "2026-11-02", "item": [said("why", TEXT)]})]),
        ),
    ],
)
def test_what_was_asked_and_answered_is_right(answers: tuple[dict[str, Any], ...]) -> None:
    assert errors(*answers) == []


@pytest.mark.parametrize(
    ("answers", "place"),
    [
        ((SMOKES,), "QuestionnaireResponse"),
        ((NOT, PACKS), "item[1]"),
        ((SMOKES, PACKS, said("unknown", TEXT)), "item[2]"),
        ((NOT, said("day", {"valueDate": "2026-11-01"})), "item[1]"),
        ((said("name", TEXT), NOT), "item[1]"),
        ((NOT, said("name", TEXT, TEXT)), "item[1].answer[1]"),
        ((NOT, said("name", TEXT), said("name", TEXT)), "item[2]"),
        ((NOT, said("name", {"valueInteger": 1})), "item[1].answer[0]"),
        ((NOT, said("name", {"valueString": "long"})), "item[1].answer[0].value"),
        ((NOT, said("colour", {"valueCoding": {"system": "urn:colours", "code": "pink"}})), "item[1].answer[0].value"),
        ((NOT, said("size", {"valueString": "y"})), "item[1].answer[0].value"),
        ((NOT, said("size", {"valueDate": "2026"})), "item[1].answer[0]"),
        ((NOT, said("note", TEXT)), "item[1].answer[0]"),
        ((NOT, said("visits", item=[said("day", {"valueDate": "2026-11-01"})])), "item[1].item[0].answer[0]"),
    ],
)
def test_what_was_not_asked_so_is_wrong(answers: tuple[dict[str, Any], ...], place: str) -> None:
    assert errors(*answers) == [place]


def test_who_is_still_busy_need_not_have_answered_all() -> None:
    assert errors(SMOKES, status="in-progress") == []


def test_a_form_that_is_not_here_asks_nothing() -> None:
    assert errors(said("unknown", TEXT), questionnaire="http://example.org/Questionnaire/other") == []


def test_a_form_travels_with_its_response() -> None:
    form = {"resourceType": "Questionnaire", "id": "f", "status": "active", "item": [question("a")]}
    assert errors(said("b", TEXT), questionnaire="#f", contained=[form]) == ["item[0]"]
    reference = {"reference": "#f"}
    assert errors(said("b", TEXT), version=FhirVersion.STU3, questionnaire=reference, contained=[form]) == ["item[0]"]


@pytest.mark.parametrize(
    ("condition", "given", "asked"),
    [
        ({"operator": "exists", "answerBoolean": True}, {"valueInteger": 1}, True),
        ({"operator": "exists", "answerBoolean": False}, {"valueInteger": 1}, False),
        ({"operator": ">", "answerInteger": 1}, {"valueInteger": 1}, False),
        ({"operator": ">=", "answerInteger": 1}, {"valueInteger": 1}, True),
        ({"operator": "!=", "answerInteger": 1}, {"valueInteger": 1}, False),
        ({"operator": "<", "answerInteger": 1}, {"valueInteger": 0}, True),
    ],
)
def test_a_question_is_asked_by_the_answers_to_another(condition: Any, given: Any, asked: bool) -> None:
    rows = [question("a", "integer"), question("b", enableWhen=[{"question": "a", **condition}])]
    form = {"resourceType": "Questionnaire", "id": "f", "status": "active", "item": rows}
    found = errors(said("a", given), said("b", TEXT), questionnaire="#f", contained=[form])
    assert found == ([] if asked else ["item[1]"])


def test_every_or_any_condition_counts_as_the_form_says() -> None:
    conditions = [{"question": "a", "operator": "=", "answerInteger": number} for number in (1, 2)]
    for behaviour, asked in (("any", True), ("all", False)):
        rows = [question("a", "integer"), question("b", enableWhen=conditions, enableBehavior=behaviour)]
        form = {"resourceType": "Questionnaire", "id": "f", "status": "active", "item": rows}
        found = errors(said("a", {"valueInteger": 1}), said("b", TEXT), questionnaire="#f", contained=[form])
        assert (found == []) is asked


def test_a_condition_asks_about_a_question_of_the_form() -> None:
    for asked, right in (("a", True), ("c", False)):
        rows = [
            question("a", "boolean"),
            question("b", enableWhen=[{"question": asked, "operator": "exists", "answerBoolean": True}]),
        ]
        form = {"resourceType": "Questionnaire", "url": FORM, "status": "active", "item": rows}
        place = ("questionnaire", "Questionnaire.item[1].enableWhen[0].question")
        assert rules(knowing().validate(form)) == ([] if right else [place])


def test_nonsense_in_a_form_or_response_stops_nothing() -> None:
    for nonsense in (None, 3, "x", [None], [{"linkId": {}}], {"item": []}, [{"linkId": "a", "item": 4}]):
        form = {"resourceType": "Questionnaire", "id": "f", "status": "active", "item": nonsense}
        assert errors(said("a", TEXT), questionnaire="#f", contained=[form])
        response = {
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "questionnaire": FORM,
            "item": nonsense,
        }
        form = {"resourceType": "Questionnaire", "url": FORM, "status": "active", "item": QUESTIONS}
        assert knowing(form).validate(response).verdict == "wrong"
