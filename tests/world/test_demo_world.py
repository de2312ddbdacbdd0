"""The people of the demo world: are they who they say, do they hang together, and is there something of everything?"""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from shared import shared

from profiles.fhir.search.execute import Found, run
from profiles.fhir.search.search import compile_search
from profiles.fhir.tree import Resource, local_reference
from profiles.record.walk import references
from profiles.standards.load import catalogue
from profiles.standards.model import RequestRule, Standard
from workbench.demo.world import FOLDER, WorldRecord, load

DAY = date(2026, 3, 31)
WORLD = load(DAY)
BSN = "http://fhir.nl/fhir/NamingSystem/bsn"
RICH = {
    "bgz-3": ("ziekenhuiszandoord", "joke"),
    "pdfa-3": ("ziekenhuiszandoord", "joke"),
    "ggz-2": ("ggzmerwerand", "ruben"),
    "geboortezorg-1": ("geboortepraktijkdelinde", "sanne"),
    "geboortezorg-2": ("geboortepraktijkdelinde", "sanne"),
    "gp-2": ("huisartsenhetveer", "hanna"),
    "allergy-3": ("huisartsenhetveer", "hanna"),
    "eappointment-2": ("huisartsenhetveer", "hanna"),
    "selfmeasurements-2": ("huisartsenhetveer", "hanna"),
    "questionnaires-2": ("huisartsenhetveer", "hanna"),
    "lab-2": ("laboratoriumdelta", "hanna"),
    "medication-9.0.7": ("apotheekdevijzel", "hanna"),
    "mp9-3": ("apotheekdevijzel", "hanna"),
    "bglz-3": ("woonzorgduinroos", "coba"),
    "immunization-2": ("ggdmerwestreek", "jasmijn"),
    "medmij-core-stu3": ("woonzorgduinroos", "coba"),
    "long-term-healthcare-1": ("woonzorgduinroos", "coba"),
    "medmij-core-r4": ("tandartsdekies", "lieke"),
    "dental-care-1": ("tandartsdekies", "lieke"),
}
"""The provider and the person with the full record, per standard."""
DANGLING = {
    ("gerda-ma-furosemide", "Medication/furosemide-40"),
    ("karel-behandelteam", "Practitioner/spv-onbekend"),
    ("wiebe-lab-panel", "Observation/wiebe-lab-weg"),
    ("wiebe-menacwy", "Medication/vaccin-weg"),
}
NO_DISPLAY = {
    ("gerda-verzekering", "Organization/verzekeraar-duinzicht"),
    ("trui-team", "Practitioner/so-hagen"),
}
HELD = [(provider, version) for provider in WORLD.providers for version in provider.versions]


@dataclass(frozen=True)
class Item:
    """A resource as the search wants to hold it."""

    data: Resource

    @property
    def type(self) -> str:
        return str(self.data["resourceType"])

    @property
    def id(self) -> str:
        return str(self.data["id"])


def answer(record: WorldRecord, standard: Standard, rule: RequestRule) -> Found:
    """What a search of this row finds in a record, with every episode of the record filled in."""
    items = {(item.type, item.id): item for item in map(Item, (*record.resources, *record.pointed_at))}
    episodes = ",".join(f"EpisodeOfCare/{id_}" for type_, id_ in items if type_ == "EpisodeOfCare")
    fills = {
        "EpisodeOfCare/{episode}": episodes,
        "{episode}": episodes,
        "ge{date}": "ge2000-01-01",
        "{code}": "29463-7",
        "{vitalsigns}": "vital-signs",
    }
    filled = []
    for one in rule.required:
        value = one.value
        for placeholder, known in fills.items():
            value = value.replace(placeholder, known)
        filled.append((one.name, value))
    assert rule.type is not None
    search = compile_search(standard.fhir, rule.type, filled, rule.operation)
    return run(search, items.values(), lambda type_, id_: items.get((type_, id_)))


def eleven(number: str) -> bool:
    """The eleven test of a BSN."""
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    return (
        len(number) == 9 and sum(int(digit) * weight for digit, weight in zip(number, weights, strict=True)) % 11 == 0
    )


def strings(node: Any) -> list[str]:
    """Every string in a tree."""
    if isinstance(node, dict):
        return [text for value in node.values() for text in strings(value)]
    if isinstance(node, list):
        return [text for value in node for text in strings(value)]
    return [node] if isinstance(node, str) else []


SEARCHES = [
    pytest.param(standard, rule, id=f"{standard.id}-{rule.id}")
    for standard in map(catalogue().standards.__getitem__, RICH)
    for rule in standard.rules
    if rule.method == "GET" and rule.answer in ("all", "last", "one") and not rule.on_instance
]


@pytest.mark.parametrize(("standard", "rule"), SEARCHES)
def test_the_rich_person_has_something_for_every_search(standard: Standard, rule: RequestRule) -> None:
    record = WORLD.record(*RICH[standard.id], standard.fhir)
    assert record is not None
    found = answer(record, standard, rule)
    assert found.matches
    asked = {one.value for one in rule.required if one.is_include}
    if asked:
        assert found.included or asked == {"Coverage:payor:Patient"}
    for item in found.matches:
        claimed = set(item.data["meta"]["profile"])
        assert not rule.profiles or claimed & set(rule.profiles), f"{item.id} claims none of the profiles of the row"


def test_there_is_something_for_the_filters_to_leave_out() -> None:
    standard = catalogue().standards["bgz-3"]
    record = WORLD.record("ziekenhuiszandoord", "joke")
    assert record is not None
    for rule_id, left_out in {
        "encounter": "joke-poli-long",
        "procedure": "joke-longfunctie",
        "plannedAppointment": "joke-afspraak-geweest",
        "plannedProcedure": "joke-longfoto",
        "vaccination": "joke-foutieve-invoer",
        "laboratoryTestResult": "joke-hemoglobine",
        "bloodPressure": "joke-bloeddruk-1",
        "functionalOrMentalStatus": "joke-mobiliteit-oud",
    }.items():
        found = answer(record, standard, standard.rule(rule_id))
        assert left_out not in {item.id for item in (*found.matches, *found.included)}
        assert left_out in {resource["id"] for resource in record.resources}


def test_every_person_is_on_one_patient_resource_with_the_same_name_birth_date_and_bsn() -> None:
    for record in WORLD.records:
        person = WORLD.person(record.person)
        patients = [resource for resource in record.resources if resource["resourceType"] == "Patient"]
        if not record.resources:
            assert person.id in ("noor", "ties")
            continue
        (patient,) = patients
        assert patient["birthDate"] == person.born.isoformat()
        assert patient["name"][0]["text"] == person.name
        assert [one["value"] for one in patient["identifier"] if one["system"] == BSN] == [person.bsn]


def test_bsns_are_test_numbers_and_stand_in_the_identifier_only() -> None:
    numbers = [person.bsn for person in WORLD.persons]
    assert len(set(numbers)) == len(numbers)
    assert all(eleven(number) and number.startswith("999") for number in numbers)
    for provider, version in HELD:
        for resource in WORLD.resources_of(provider.name, version):
            found = [text for text in strings(resource) for number in numbers if number in text]
            assert len(found) == (resource["resourceType"] == "Patient")


def test_bsns_are_not_those_of_the_qualification_sets() -> None:
    table = "".join(path.read_text() for path in shared("qualification", "Configuration").glob("*.json"))
    taken = set(re.findall(r"\b\d{9}\b", table))
    assert taken
    assert not taken & {person.bsn for person in WORLD.persons}


def test_ages_follow_the_day_of_loading() -> None:
    for day in (date(2026, 3, 31), date(2028, 2, 29), date(2031, 12, 31)):
        world = load(day)
        daan, fleur = world.person("daan"), world.person("fleur")
        assert (day.year - fleur.born.year, fleur.born.month) == (16, day.month)
        assert 15 * 365 < (day - daan.born).days < 16 * 365


def test_every_reference_resolves_at_its_provider_and_has_a_display_except_where_that_is_the_defect() -> None:
    dangling, silent = set(), set()
    for provider, version in HELD:
        resources = WORLD.resources_of(provider.name, version)
        keys = {(resource["resourceType"], resource["id"]) for resource in resources}
        for resource in resources:
            for reference in references(resource):
                where = (resource["id"], reference["reference"])
                if local_reference(reference["reference"]) not in keys:
                    dangling.add(where)
                if not reference.get("display"):
                    silent.add(where)
    assert dangling == DANGLING
    assert silent == NO_DISPLAY


def test_a_record_with_what_it_points_at_is_complete() -> None:
    for record in WORLD.records:
        resources = (*record.resources, *record.pointed_at)
        keys = {(resource["resourceType"], resource["id"]) for resource in resources}
        for resource in resources:
            for reference in references(resource):
                known = local_reference(reference["reference"]) in keys
                assert known or (resource["id"], reference["reference"]) in DANGLING


def test_ids_are_unique_in_the_world_and_short() -> None:
    keys = Counter(
        (resource["resourceType"], resource["id"])
        for provider, version in HELD
        for resource in WORLD.resources_of(provider.name, version)
    )
    assert [key for key, count in keys.items() if count > 1 and key[0] != "Patient"] == []
    assert all(re.fullmatch(r"[a-z0-9\-]{1,64}", id_) for _, id_ in keys)


def test_no_record_points_at_another_person() -> None:
    for record in WORLD.records:
        for resource in record.resources:
            patients = {ref["reference"] for ref in references(resource) if ref["reference"].startswith("Patient/")}
            assert patients <= {f"Patient/{record.person}"}


def test_every_resource_claims_a_profile_except_where_that_is_the_defect() -> None:
    without = {
        resource["id"]
        for provider, version in HELD
        for resource in WORLD.resources_of(provider.name, version)
        if resource["resourceType"] != "Binary" and not resource.get("meta", {}).get("profile")
    }
    assert without == {"gerda-alcohol"}


def test_every_dataset_has_a_rich_a_sparse_and_a_defective_person() -> None:
    for standard, (provider, rich) in RICH.items():
        assert standard in WORLD.provider(provider).standards
        version = catalogue().standards[standard].fhir
        held = [record for record in WORLD.records if (record.provider, record.version) == (provider, version)]
        counts = {record.person: len(record.resources) for record in held}
        assert counts[rich] == max(counts.values())
        assert any(0 < count < 8 and not WORLD.person(id_).defects for id_, count in counts.items())
        assert any(WORLD.person(id_).defects for id_ in counts)


def test_defects_are_documented_by_the_id_of_the_resource() -> None:
    text = (FOLDER / "defects.md").read_text("utf-8")
    named = set(re.findall(r"^\| `([a-z0-9\-]+)` ", text, re.MULTILINE))
    defective = [record for record in WORLD.records if WORLD.person(record.person).defects]
    for record in defective:
        assert named & {resource["id"] for resource in record.resources}
    assert named <= {resource["id"] for record in defective for resource in record.resources}


def test_providers_show_a_name_a_telephone_number_a_privacy_page_and_a_small_logo() -> None:
    for provider in WORLD.providers:
        assert provider.privacy.startswith("https://")
        assert provider.phone
        assert provider.display in provider.logo.read_text("utf-8")
        assert provider.logo.stat().st_size < 2000
