"""There and back over official material: STU3 to R4 to STU3 loses only what the list says, and stays right.

Needs the shared examples and packages. `LISTED` is the list, as far as these examples meet it: what each missing value
is explained by. An id or kind must have been told of that very resource; a word names a choice in docs/conversion.md.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from conformance.test_conversion_examples import EXAMPLES, PERSON, resources
from conformance.validation_data import ZIB2017, official, read
from shared import shared

from profiles.conversion import Converted, convert
from profiles.conversion.back import convert_back
from profiles.conversion.back.inverse import zib_of as zib_of_r4
from profiles.conversion.convert import zib_of
from profiles.conversion.judge import judge
from profiles.conversion.ways import WAYS
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

DAY = dt.date(2026, 1, 15)
WORDS: Final = "the words beside a code or reference that changes"
LISTED: Final[Mapping[str, str]] = {
    "Appointment.meta.profile": "unmapped",
    "Condition.abatementDateTime": "unmapped",
    "Condition.note.text": "unmapped",  # The end stands in the note, behind what stood there.
    "Consent.status": "ended by its date",
    "Immunization.practitioner.actor.reference": "assumed",
    "Immunization.practitioner.role": "LL-28",
    "ImmunizationRecommendation.extension": "LL-04",
    "ImmunizationRecommendation.recommendation.dateCriterion": "LL-29",
    "MedicationDispense.category.text": WORDS,
    "MedicationDispense.extension": "LL-14",
    "MedicationDispense.note.text": "LL-14",
    "MedicationStatement.category.text": WORDS,
    "MedicationStatement.taken": "LB-05",
    "NutritionOrder.oralDiet.texture.foodType": "LL-26",
    "zib-BloodPressure-medmij-bgz-test-patA-bloodpressure1 Observation.component": "the same component twice",
    "Organization.address.use": "no home of an organisation",
    "Patient.address._line.extension": "letter and addition in one",
    "Patient.address.type": "the type of the zib decides",
    "Patient.contact.address.type": "the type of the zib decides",
    "Patient.maritalStatus.coding.system": "an oid is an address",
    "Specimen.contained.meta.profile": "what is contained claims nothing",
    "Specimen.container.identifier": "LL-27",
    "Specimen.meta.profile": "an isolate is a specimen",
}
OFFICIAL_ADDRESS: Final = "address.extension"
"""nl-core-address-official has no home in R4."""


def leaves(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every value, with its path."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}")
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value, path)
    else:
        yield path, str(node)


def content(resource: Resource) -> Counter[tuple[str, str]]:
    """What a resource says, without what is made anew: narrative, and the number of a version."""
    rest = {key: value for key, value in resource.items() if key not in ("text", "resourceType")}
    rows = Counter(leaves(rest, str(resource["resourceType"])))
    return Counter({row: number for row, number in rows.items() if not row[0].endswith(".meta.versionId")})


def unexplained(source: Resource, again: Resource, told: set[str]) -> list[tuple[str, str]]:
    """What is missing after the way back, and not by the list."""
    missing = content(source) - content(again)
    rows = [row for row in missing if not row[0].endswith((".display", f"{OFFICIAL_ADDRESS}.url"))]
    rows = [row for row in rows if not row[0].endswith(f"{OFFICIAL_ADDRESS}.valueBoolean")]
    reasons = [(row, _why(str(source["id"]), row[0])) for row in rows]
    ids = ("LL-", "LB-", "unmapped", "assumed")
    return [row for row, why in reasons if not why or (why.startswith(ids) and why not in told)]


def _why(ident: str, path: str) -> str:
    return next((why for key, why in LISTED.items() if f"{ident} {path}".startswith(key) or path.startswith(key)), "")


def told_of(*results: Converted) -> Mapping[str, set[str]]:
    """The ids and kinds of losses, by the id of a resource."""
    made: dict[str, set[str]] = {}
    for loss in (loss for result in results for loss in result.losses):
        made.setdefault(loss.resource.partition("/")[2], set()).update((loss.id, loss.kind))
    return made


def there_and_back(sources: list[Resource]) -> Converted:
    """Convert to R4 and back; whatever is missing is on the list, nothing is added, the same gives the same."""
    there = convert(sources, DAY)
    again = convert_back(there.resources, DAY)
    twice = convert_back(there.resources, DAY)
    assert [jsonio.dump(one) for one in again.resources] == [jsonio.dump(one) for one in twice.resources]
    made = {(one["resourceType"], one["id"]): one for one in again.resources}
    assert set(made) == {(one["resourceType"], one["id"]) for one in sources}, "what was split off came together"
    told = told_of(there, again)
    for source in sources:
        key = (source["resourceType"], source["id"])
        assert unexplained(source, made[key], told.get(source["id"], set())) == [], key
    return again


def wrong(result: Converted) -> list[tuple[str, str]]:
    """What is wrong by the official packages of STU3, in resources as they are delivered."""
    judged = judge(result, official(FhirVersion.STU3, (ZIB2017,)).validate, WAYS[FhirVersion.STU3].outside)
    return [
        (str(one.resource["id"]), finding.text("en"))
        for one in judged
        for finding in one.report.findings
        if finding.severity == "error"
    ]


def test_the_official_examples_lose_on_the_way_and_back_only_what_the_list_says() -> None:
    again = there_and_back([one for one in resources(*EXAMPLES) if zib_of(one) is not None])
    assert len(again.resources) > 65


def test_the_bgz_test_person_loses_on_the_way_and_back_only_what_the_list_says() -> None:
    assert len(there_and_back(list(resources(*PERSON))).resources) == 60


def test_all_that_came_back_is_right_by_the_official_packages_and_keeps_its_claim() -> None:
    for sources in ([one for one in resources(*EXAMPLES) if zib_of(one) is not None], list(resources(*PERSON))):
        again = there_and_back(sources)
        claims = Counter(one["resourceType"] for one in again.resources if "profile" in one.get("meta", {}))
        assert wrong(again) == []
        kept = Counter(one["resourceType"] for one in again.resources if "profile" in one.get("meta", {}))
        assert kept == claims


def test_official_examples_of_2020_go_back_to_2017() -> None:
    """Of those of zibs in our tables: all are right, and 14 of 78 lose their claim by rules of 2017."""
    paths = sorted(shared("examples", "zib2020", "json").glob("*.json"))
    sources = [one for one in (read(path, FhirVersion.R4) for path in paths) if isinstance(one, dict)]
    result = convert_back([one for one in sources if zib_of_r4(one) is not None], DAY)
    assert wrong(result) == []
    without = [one for one in result.resources if "profile" not in one.get("meta", {})]
    assert (len(result.resources), len(without)) == (78, 14)
