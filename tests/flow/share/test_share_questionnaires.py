"""Questionnaires from the offer to the answers: one Task, its states, and answers that fit the questions."""

import copy
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS
from world.intake_house import pushing, source
from world.share_forms import BAD, GOOD, QUESTIONS, FormHouse, given
from world.share_house import (
    BRAM,
    FORM,
    PROVIDER,
    bundle,
    entry,
    now,
    share_house,
    urn,
)  # fmt: skip

from gateway.documents.pdfa import check
from gateway.intake.settings import IntakeSettings
from gateway.share.inbox import Inbox
from gateway.share.offers import Offers
from gateway.share.readable import pdf_of, readable
from gateway.share.settings import ShareSettings
from gateway.share.states import NotAllowed


@pytest.fixture(scope="module", params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FormHouse]:
    with share_house(request.param, tmp_path_factory.mktemp("forms")) as house:
        section = IntakeSettings(sources={"epd": source()})
        with pushing(house.settings.database_url, section) as intake:
            assert intake.send("PUT", "/intake/epd/Questionnaire/slaap", QUESTIONS).is_success
        yield FormHouse(house)


@pytest.fixture
def forms(hospital: FormHouse) -> FormHouse:
    hospital.house.forget()
    return hospital


def test_from_the_offer_to_the_answers(forms: FormHouse) -> None:
    """DL-C15, DL-C16, DL-C20, DL-55, DL-57: found, read, accepted, completed once; the output is what is kept."""
    forms.offer()
    (task,) = forms.found()
    assert forms.house.call("GET", "Questionnaire/slaap", FORM).status_code == 200
    accepted = forms.put(task, status="accepted")
    assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted")
    assert forms.offers()[0].status == "accepted"
    assert forms.found() == []
    answer = forms.answers(accepted.json(), BAD)
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["entry"]
    assert first["response"]["status"].startswith("200")
    assert second["response"]["status"].startswith("201")
    assert (
        first["resource"]["output"][0]["valueReference"]["reference"]
        == f"QuestionnaireResponse/{second['resource']['id']}"
    )
    line = forms.house.lines()[0]
    assert line.states == {"inbox": 1}
    again = forms.answers(accepted.json(), BAD)
    assert again.status_code == 409
    assert len(forms.house.lines()) == 1


@pytest.mark.parametrize("status", ["rejected", "failed"])
def test_a_task_may_be_turned_down(forms: FormHouse, status: str) -> None:
    """DL-52: requested to rejected or failed, and no further."""
    forms.offer()
    (task,) = forms.found()
    assert forms.put(task, status=status).json()["status"] == status
    assert forms.put(task, status="accepted").status_code == 422


def test_completed_without_answers_is_refused(forms: FormHouse) -> None:
    """DL-C17, DL-53: 400, and the Task stays as it was."""
    forms.offer()
    (task,) = forms.found()
    task = forms.put(task, status="accepted").json()
    assert forms.put(task, status="completed").status_code == 400
    done = entry(urn(), task | {"status": "completed"}, "PUT", f"Task/{task['id']}")
    assert forms.house.send(bundle("transaction", done), service=FORM).status_code == 400
    assert forms.offers()[0].status == "accepted"


@pytest.mark.parametrize(
    ("items", "link"),
    [
        ([given("vrij", valueString="x")], "hoe"),
        ([given("hoe", valueCoding={"code": "slecht"})], "uren"),
        ([given("hoe", valueCoding={"code": "geheim-antwoord"})], "hoe"),
        ([given("hoe", valueString="geheim-antwoord")], "hoe"),
        ([*GOOD, given("vrij", valueString="geheim-antwoord dat te lang is")], "vrij"),
        ([*GOOD, given("onbekend", valueString="geheim-antwoord")], "onbekend"),
        ([{"linkId": "hoe", "answer": [{"valueCoding": {"code": "goed"}}] * 2}], "hoe"),
    ],
)
def test_answers_that_do_not_fit_the_questions(forms: FormHouse, items: list[Any], link: str) -> None:
    """DL-C18, DL-54: 422 that names the question, and repeats no answer; nothing is stored."""
    forms.offer()
    task = forms.put(forms.found()[0], status="accepted").json()
    answer = forms.answers(task, items)
    assert answer.status_code == 422
    assert f"linkId='{link}'" in answer.text
    assert "geheim" not in answer.text
    assert forms.offers()[0].status == "accepted"
    assert forms.house.count() == (0, 0)


def test_what_is_not_asked_need_not_be_answered(forms: FormHouse) -> None:
    """DL-C19: a required question in a group that is not put."""
    forms.offer()
    task = forms.put(forms.found()[0], status="accepted").json()
    assert forms.answers(task, GOOD).status_code == 200


@pytest.mark.parametrize("name", ["owner", "input", "code", "intent"])
def test_only_the_state_of_a_task_may_change(forms: FormHouse, name: str) -> None:
    """DL-C21: another owner, input, code or intent is 422."""
    forms.offer()
    task = copy.deepcopy(forms.found()[0])
    other = {
        "owner": {"reference": "Patient/bram"},
        "input": task["input"][:1],
        "code": {"text": "x"},
        "intent": "plan",
    }
    assert forms.put(task, status="accepted", **{name: other[name]}).status_code == 422
    assert forms.offers()[0].status == "requested"


def test_the_task_of_somebody_else_does_not_exist(forms: FormHouse) -> None:
    """DL-C22, ERR-44: 404, as for one that is not there; and no client makes one."""
    forms.offer()
    (task,) = forms.found()
    theirs = forms.put(task, BRAM, status="accepted")
    nobodys = forms.put(task | {"id": "niet-hier"}, BRAM, status="accepted")
    assert (theirs.status_code, theirs.json()) == (404, nobodys.json())
    assert forms.found(BRAM) == []


def test_an_offer_is_withdrawn(forms: FormHouse) -> None:
    """DL-C23: what the institution cancelled cannot be completed."""
    id_ = forms.offer()
    task = forms.put(forms.found()[0], status="accepted").json()
    with forms.house.engine.begin() as connection:
        Offers(connection, forms.keys, PROVIDER).withdraw(id_, "Niet meer nodig.")
    assert forms.answers(task, GOOD).status_code == 422
    assert (forms.offers()[0].status, forms.offers()[0].reason) == ("cancelled", "Niet meer nodig.")
    with forms.house.engine.begin() as connection, pytest.raises(NotAllowed):
        Offers(connection, forms.keys, PROVIDER).withdraw(id_, "nog eens")


def test_an_offer_ends_when_its_time_is_over(forms: FormHouse) -> None:
    """DL-52: and the one that waited for its turn is put."""
    forms.offer(until=now() - timedelta(minutes=1))
    second = forms.offer(in_turn=True)
    assert [one["id"] for one in forms.found()] != [second]
    with forms.house.engine.begin() as connection:
        assert Offers(connection, forms.keys, PROVIDER).expire(now()) == 1
    assert [one["id"] for one in forms.found()] == [second]


def test_nothing_is_offered_to_who_is_not_known(forms: FormHouse) -> None:
    with pytest.raises(NotAllowed):
        forms.offer("niemand")


def test_answers_to_another_questionnaire_are_refused(forms: FormHouse) -> None:
    """DL-54: the Task says which."""
    forms.offer()
    task = forms.put(forms.found()[0], status="accepted").json()
    other = {"reference": "https://example.org/Questionnaire/other", "display": "x"}
    assert forms.answers(task, GOOD, questionnaire=other).status_code == 422


def test_the_staff_reads_what_was_answered(forms: FormHouse) -> None:
    """A readable form, also as PDF/A: questions as they were put, answers in words."""
    forms.offer()
    task = forms.put(forms.found()[0], status="accepted").json()
    forms.answers(task, [*BAD, given("vrij", valueString="<b>moe</b>")])
    with forms.house.engine.connect() as connection:
        opened = Inbox(connection).open(forms.house.lines()[0].id)
        response = next(one.resource for one in opened.items if one.type == "QuestionnaireResponse")
    shown = readable(response, QUESTIONS)
    assert ("Hoeveel uur?", ("4",)) in [(line.text, line.answers) for line in shown.lines]
    assert ("<b>moe</b>",) in [line.answers for line in shown.lines]
    font = Path(ShareSettings().font)
    if font.is_file():
        paper = pdf_of(shown, "Ziekenhuis Zandoord", now(), font)
        assert [one.rule for one in check(paper, "Binary") if one.severity == "error"] == []
