"""What stands on top of a dossier: what matters most, what is missing, and where the record contradicts itself."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.dossier.answer import DossierAnswer
from gateway.dossier.moments import in_order, is_past
from gateway.dossier.record import dossier_of, missing_of
from gateway.dossier.summary import Summary, summary_of
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

TODAY = date(2026, 11, 30)
PERMITTED = "http://nictiz.nl/fhir/StructureDefinition/zib-TreatmentDirective-TreatmentPermitted"
TREATMENT = "http://nictiz.nl/fhir/StructureDefinition/zib-TreatmentDirective-Treatment"


def coded(text: str, code: str = "1") -> dict[str, Any]:
    return {"coding": [{"code": code, "display": text}]}


def answered(type_: str, *resources: Resource, problems: tuple[str, ...] = (), service: str = "48") -> DossierAnswer:
    return DossierAnswer(f"{service}-{type_}", service, "Deel", type_, type_, FhirVersion.STU3, resources, (), problems)


def person(id_: str, born: str = "1970-01-31") -> Resource:
    return {"resourceType": "Patient", "id": id_, "birthDate": born}


def penicillin(id_: str, whose: str) -> Resource:
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "91936005", "display": "Penicilline"}]}
    return allergy(id_, "", "active", patient={"reference": f"Patient/{whose}"}) | {"code": code}


def by_source(answer: DossierAnswer) -> DossierAnswer:
    """As the gateway serves several sources: the id begins with the name of the source."""
    names = {f"{one['resourceType']}/{one['id']}": str(one["id"]).split("-")[0] for one in answer.matches}
    return replace(answer, sources=names)


def dossier(*answers: DossierAnswer) -> list[tuple[str, tuple[str, ...]]]:
    (part,) = dossier_of([by_source(one) for one in answers], TODAY).parts
    shown = next(one for one in part.full if one.answer.type == "AllergyIntolerance")
    return [(row.title, row.origins) for group in shown.groups for table in group.tables for row in table.rows]


def test_what_two_sources_tell_the_same_stands_once_with_both() -> None:
    """Store and live, or two live: one line, both sources named; also on top of the dossier."""
    people = answered("Patient", person("epd-1"), person("lab-7"))
    allergies = answered("AllergyIntolerance", penicillin("epd-a", "epd-1"), penicillin("lab-b", "lab-7"))
    assert dossier(people, allergies) == [("Penicilline", ("epd", "lab"))]
    top = dossier_of([by_source(people), by_source(allergies)], TODAY).summary
    assert [item.title for line in top.lines for item in line.items].count("Penicilline") == 1


@pytest.mark.parametrize(
    "people",
    [
        [person("epd-1"), person("lab-7", "2026-01-01")],
        [person("epd-1"), person("lab-7", "")],
        [person("epd-1")],
        [person("epd-1"), person("lab-7"), person("lab-8", "2026-01-01")],
    ],
)
def test_facts_of_who_may_be_another_person_stay_apart(people: list[Resource]) -> None:
    """Another birth date, an unknown one, a patient that did not come, a source that tells of mother and child."""
    allergies = answered("AllergyIntolerance", penicillin("epd-a", "epd-1"), penicillin("lab-b", "lab-7"))
    assert dossier(answered("Patient", *people), allergies) == [("Penicilline", ()), ("Penicilline", ())]


def summary(*answers: DossierAnswer) -> Summary:
    return summary_of(answers, TODAY)


def allergy(id_: str, what: str, status: str, code: str = "1", **more: Any) -> Resource:
    return {
        "resourceType": "AllergyIntolerance",
        "id": id_,
        "code": coded(what, code),
        "clinicalStatus": status,
        **more,
    }


def directive(id_: str, *permitted: str, start: str = "2026-01-01", status: str = "active") -> Resource:
    said = [{"url": PERMITTED, "valueCodeableConcept": coded(one)} for one in permitted]
    return {
        "resourceType": "Consent",
        "id": id_,
        "status": status,
        "extension": [{"url": TREATMENT, "valueCodeableConcept": coded("Reanimatie")}],
        "modifierExtension": said,
        "period": {"start": start},
    }


@pytest.mark.parametrize(
    "resources",
    [
        (directive("a", "Nee"), directive("b", "Ja", start="2026-03-01")),
        (directive("a", "Nee", "Ja"),),
    ],
)
def test_yes_and_no_to_resuscitation_is_said_before_everything(resources: Sequence[Resource]) -> None:
    (said,) = summary(answered("Consent", *resources)).contradictions
    assert said.startswith("Over ‘Reanimatie’ staan afspraken die elkaar tegenspreken: ‘Nee’")
    assert "‘Ja’" in said
    assert "Vraag uw behandelaar" in said


@pytest.mark.parametrize("ended", [{"status": "inactive"}, {"status": "entered-in-error"}])
def test_a_directive_that_was_taken_back_contradicts_nothing(ended: dict[str, str]) -> None:
    found = summary(answered("Consent", directive("a", "Nee"), directive("b", "Ja", **ended)))
    assert found.contradictions == ()
    assert [item.details for line in found.lines for item in line.items] == ["Nee"]


def test_an_allergy_that_is_active_and_not_is_said() -> None:
    (said,) = summary(
        answered("AllergyIntolerance", allergy("a", "Penicilline", "active"), allergy("b", "penicilline", "inactive"))
    ).contradictions
    assert "Houd er rekening mee dat u allergisch bent" in said
    assert "‘actief’ en ‘niet actief’" in said


def test_no_allergies_beside_an_allergy_is_said() -> None:
    none = allergy("a", "Geen bekende allergie", "active", "716186003")
    assert summary(answered("AllergyIntolerance", none)).contradictions == ()
    (said,) = summary(answered("AllergyIntolerance", none, allergy("b", "Noten", "active"))).contradictions
    assert "maar er staan ook allergieën: ‘Noten’" in said


def test_what_no_longer_applies_is_counted_and_what_is_unknown_stays_on_top() -> None:
    (line,) = summary(
        answered(
            "AllergyIntolerance",
            allergy("a", "Noten", "resolved"),
            allergy("b", "Latex", "active", verificationStatus="refuted"),
            {"resourceType": "AllergyIntolerance", "id": "c", "code": coded("Kat")},
        )
    ).lines
    assert ([item.title for item in line.items], line.past) == (["Kat"], 2)


def test_a_status_of_r4_is_read_as_well() -> None:
    resolved = {**allergy("a", "Noten", ""), "clinicalStatus": coded("Resolved", "resolved")}
    (line,) = summary(answered("AllergyIntolerance", resolved)).lines
    assert (line.items, line.past) == ((), 1)


def test_a_part_that_did_not_come_is_missing_and_never_none() -> None:
    (line,) = summary(answered("AllergyIntolerance", problems=("Het bronsysteem antwoordt nu niet.",))).lines
    assert line.missing
    (line,) = summary(answered("AllergyIntolerance")).lines
    assert (line.missing, line.none) == (False, "Er zijn geen allergieën vastgelegd.")
    assert summary(answered("Patient")).lines == ()


def test_the_same_allergy_from_two_services_is_one_line() -> None:
    one = allergy("a", "Noten", "active")
    (line,) = summary(answered("AllergyIntolerance", one), answered("AllergyIntolerance", one, service="47")).lines
    assert len(line.items) == 1


def appointment(id_: str, start: str, status: str = "booked") -> Resource:
    return {"resourceType": "Appointment", "id": id_, "start": start, "status": status, "description": id_}


def test_the_next_appointment_is_the_first_from_today_on() -> None:
    every = [
        appointment("voorbij", "2026-11-29T09:00:00+01:00"),
        appointment("later", "2027-02-01T09:00:00+01:00"),
        appointment("afgezegd", "2026-12-01T09:00:00+01:00", "cancelled"),
        appointment("straks", "2026-11-30T15:00:00+01:00"),
    ]
    found = summary(answered("Appointment", *every)).appointment
    assert found is not None
    assert found.what == "straks"
    assert [one["id"] for one in in_order(every, TODAY)] == ["straks", "afgezegd", "later", "voorbij"]


@pytest.mark.parametrize(
    ("moment", "past"),
    [("2026", False), ("2025", True), ("2026-11", False), ("2026-11-30", False), ("2026-11-29", True)],
)
def test_a_year_is_past_when_it_is_over(moment: str, past: bool) -> None:
    assert is_past(moment, TODAY) is past


def test_a_source_that_fails_is_said_once_with_everything_that_misses() -> None:
    down = ("Het bronsysteem antwoordt nu niet.",)
    found = missing_of([answered("Flag", problems=down), answered("Condition", problems=down), answered("Patient")])
    assert [(one.problem, one.names) for one in found] == [(down[0], ("Flag", "Condition"))]


def test_two_pregnancies_are_kept_apart_by_the_contact_where_something_was_measured() -> None:
    profile = {"profile": ["http://nictiz.nl/fhir/StructureDefinition/bc-MaternalRecord"]}
    episodes = [
        {"resourceType": "EpisodeOfCare", "id": id_, "meta": profile, "period": {"start": start}}
        for id_, start in (("een", "2023-04-30"), ("twee", "2026-06-29"))
    ]
    contact = {"resourceType": "Encounter", "id": "c", "episodeOfCare": [{"reference": "EpisodeOfCare/een"}]}
    weeks = [
        {"resourceType": "Observation", "id": "x", "context": {"reference": "Encounter/c"}},
        {"resourceType": "Observation", "id": "y", "context": {"reference": "EpisodeOfCare/twee"}},
        {"resourceType": "Observation", "id": "z"},
    ]
    made = dossier_of(
        [answered("EpisodeOfCare", *episodes), answered("Encounter", contact), answered("Observation", *weeks)], TODAY
    )
    shown = made.parts[0].full[-1]
    assert [group.name for group in shown.groups] == [
        "Zwangerschap, sinds 29\u00a0juni\u00a02026",
        "Zwangerschap, sinds 30\u00a0april\u00a02023",
        "Hoort niet bij één zwangerschap",
    ]
