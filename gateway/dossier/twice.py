"""What two sources tell the same is shown once, with both (rules: `profiles.record.same`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gateway.dossier.answer import DossierAnswer
from gateway.dossier.tables import Origins
from profiles.fhir.tree import Resource
from profiles.record.same import Told, facts_of
from profiles.record.whose import patient_of, subjects


def told_once(answers: Sequence[DossierAnswer]) -> tuple[list[DossierAnswer], Origins]:
    """The answers with every fact in each of them once, and who tells a fact that more than one source tells."""
    persons = _persons(answers)
    also: dict[int, tuple[str, ...]] = {}
    made = []
    for answer in answers:
        told = []
        for resource in answer.resources:
            source = answer.source_of(resource)
            told.append(Told(resource, source, persons.get(source, "")))
        again: set[int] = set()
        for fact in facts_of(told):
            if fact.rule:
                also[id(fact.tellers[0].resource)] = fact.origins
                again |= {id(one.resource) for one in fact.tellers[1:]}
        made.append(_without(answer, again))
    return made, lambda resource: also.get(id(resource), ())


def _without(answer: DossierAnswer, again: set[int]) -> DossierAnswer:
    if not again:
        return answer
    return replace(
        answer,
        matches=tuple(one for one in answer.matches if id(one) not in again),
        included=tuple(one for one in answer.included if id(one) not in again),
    )


def _persons(answers: Iterable[DossierAnswer]) -> Mapping[str, str]:
    """By source, a token of the one person that it tells about: the birth date of its patient.

    A source that tells about more than one person (mother and child), or does not say when its patient was born, has
    none: nothing of it is taken for the same.
    """
    about: dict[str, set[str]] = {}
    born: dict[tuple[str, str], str] = {}
    for answer in answers:
        for resource in (*answer.matches, *answer.included):
            source = answer.source_of(resource)
            if resource["resourceType"] == "Patient":
                born[source, str(resource.get("id"))] = str(resource.get("birthDate") or "")
                about.setdefault(source, set()).add(str(resource.get("id")))
            else:
                about.setdefault(source, set()).update(_patients(resource))
    return {
        source: born.get((source, next(iter(patients))), "")
        for source, patients in about.items()
        if source and len(patients) == 1
    }


def _patients(resource: Resource) -> set[str]:
    return {str(found) for node in subjects(resource) if (found := patient_of(node)) is not None}
