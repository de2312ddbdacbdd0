"""What was collected, arranged for the page: a part per data service, and what each answer shows."""

from collections.abc import Iterable
from dataclasses import dataclass

from profiles.fhir.tree import Resource
from workbench.demo.pgo import words
from workbench.demo.pgo.tables import RowVerdict, Table, tables
from workbench.demo.pgo.validity import check
from workbench.pgo.answers import SearchAnswer


@dataclass(frozen=True, slots=True)
class Shown:
    """A answer as the page shows it."""

    answer: SearchAnswer
    tables: tuple[Table, ...]
    count: int
    wrong: int


@dataclass(frozen=True, slots=True)
class ShownPart:
    """The answers of one data service."""

    name: str
    full: tuple[Shown, ...]
    empty: tuple[SearchAnswer, ...]
    missing: tuple[SearchAnswer, ...]


def parts_of(answers: Iterable[SearchAnswer]) -> list[ShownPart]:
    """The answers by data service: with data, empty, and missing."""
    by_service: dict[str, list[SearchAnswer]] = {}
    for answer in answers:
        by_service.setdefault(answer.search.service.name, []).append(answer)
    return [
        ShownPart(
            name,
            tuple(_shown(one) for one in found if one.matches),
            tuple(one for one in found if not one.matches and one.complete),
            tuple(one for one in found if not one.complete),
        )
        for name, found in by_service.items()
    ]


def _shown(answer: SearchAnswer) -> Shown:
    version = answer.search.standard.fhir

    def verdict(resource: Resource) -> RowVerdict:
        return check(version, resource)

    # Panel members and the like come along as includes of the same type: they are part of what was asked.
    resources = [*answer.matches, *(one for one in answer.included if one["resourceType"] == answer.search.rule.type)]
    made = tuple(tables(resources, verdict))
    wrong = sum(row.verdict.kind == "wrong" for table in made for row in table.rows)
    return Shown(answer, made, len(resources), wrong)


def person_of(answers: Iterable[SearchAnswer]) -> str:
    """The name of the patient; empty when no Patient was collected."""
    patients = (one for answer in answers for one in answer.matches if one["resourceType"] == "Patient")
    return next((words.text_of(name, {}) for patient in patients for name in patient.get("name", [])[:1]), "")
