"""The questionnaires of a visit in the demo PGO: those that are ready, and one that is filled in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from profiles.fhir.tree import Resource
from workbench.demo.pgo.visits import BrowserVisit, FilledIn
from workbench.pgo.answering import (
    SERVICE,
    FormQuestion,
    asked_by,
    form_of,
    questionnaire_of,
    response_of,
    send_answers,
)
from workbench.pgo.client import PgoClient
from workbench.pgo.oauth import PgoError, Tokens

SILENT = "De zorgaanbieder antwoordt niet. Probeer het later opnieuw."


@dataclass(frozen=True, slots=True)
class ReadyForm:
    """A questionnaire that is ready, as a page shows it."""

    title: str
    about: str
    lines: tuple[FormQuestion, ...]


def ready(visit: BrowserVisit) -> list[tuple[str, str]]:
    """The questionnaires that were ready when the visit collected, and are not filled in yet: Task and title."""
    return [(str(task["id"]), _title(task)) for task in _tasks(visit) if task["id"] not in visit.filled_in]


async def opened(pgo: Callable[[], PgoClient], visit: BrowserVisit, id_: str) -> ReadyForm | None:
    """The form of a Task; None when it is not one of this visit. Raises PgoError."""
    task, tokens = _of(visit, id_)
    if task is None or tokens is None:
        return None
    questionnaire = await _asked(pgo(), tokens, task)
    return ReadyForm(_title(task), str(questionnaire.get("description", "")), tuple(form_of(questionnaire)))


async def filled_in(
    pgo: Callable[[], PgoClient], visit: BrowserVisit, id_: str, answers: Mapping[str, str]
) -> FilledIn | None:
    """Send the answers, and keep what became of it; None when the Task is not one of this visit.

    Raises UnfitAnswer and PgoError.
    """
    task, tokens = _of(visit, id_)
    if task is None or tokens is None:
        return None
    client = pgo()
    response = response_of(await _asked(client, tokens, task), task, answers)
    try:
        answer = await send_answers(client, tokens, task, response)
    except httpx.HTTPError as fault:
        raise PgoError(SILENT, "unreachable") from fault
    visit.filled_in[id_] = FilledIn(_title(task), answer)
    return visit.filled_in[id_]


async def _asked(client: PgoClient, tokens: Tokens, task: Resource) -> Resource:
    try:
        return await questionnaire_of(client, tokens, task)
    except httpx.HTTPError as fault:
        raise PgoError(SILENT, "unreachable") from fault


def _of(visit: BrowserVisit, id_: str) -> tuple[Resource | None, Tokens | None]:
    return next((task for task in _tasks(visit) if task["id"] == id_), None), visit.tokens


def _tasks(visit: BrowserVisit) -> list[Resource]:
    mine = (answer for answer in visit.answers if answer.search.service.id == SERVICE)
    return [one for answer in mine for one in answer.matches if one["resourceType"] == "Task"]


def _title(task: Resource) -> str:
    return str(asked_by(task).get("display", "")).removeprefix("Vragenlijst: ") or "Vragenlijst"
