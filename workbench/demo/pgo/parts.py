"""What was collected, arranged for the page: a part per data service, and what each section shows."""

from collections.abc import Iterable
from dataclasses import dataclass

from profiles.fhir.tree import Resource
from workbench.demo.pgo import words
from workbench.demo.pgo.collect import Section
from workbench.demo.pgo.tables import Table, Verdict, tables
from workbench.demo.pgo.validity import check


@dataclass(frozen=True, slots=True)
class Shown:
    """A section as the page shows it."""

    section: Section
    tables: tuple[Table, ...]
    count: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Part:
    """The sections of one data service."""

    name: str
    full: tuple[Shown, ...]
    empty: tuple[Section, ...]
    missing: tuple[Section, ...]


def parts_of(sections: Iterable[Section]) -> list[Part]:
    """The sections by data service: with data, empty, and missing."""
    by_service: dict[str, list[Section]] = {}
    for section in sections:
        by_service.setdefault(section.ask.service.name, []).append(section)
    return [
        Part(
            name,
            tuple(_shown(one) for one in found if one.matches),
            tuple(one for one in found if not one.matches and one.complete),
            tuple(one for one in found if not one.complete),
        )
        for name, found in by_service.items()
    ]


def _shown(section: Section) -> Shown:
    version = section.ask.standard.fhir

    def verdict(resource: Resource) -> Verdict:
        return check(version, resource)

    # Panel members and the like come along as includes of the same type: they are part of what was asked.
    resources = [*section.matches, *(one for one in section.included if one["resourceType"] == section.ask.rule.type)]
    made = tuple(tables(resources, verdict))
    wrong = sum(row.verdict.kind == "wrong" for table in made for row in table.rows)
    return Shown(section, made, len(resources), wrong)


def person_of(sections: Iterable[Section]) -> str:
    """The name of the patient; empty when no Patient was collected."""
    patients = (one for section in sections for one in section.matches if one["resourceType"] == "Patient")
    return next((words.text_of(name, {}) for patient in patients for name in patient.get("name", [])[:1]), "")
