"""Which elements a dossier shows, and that its table fits the data."""

import tomllib
from datetime import date
from typing import Any

import pytest

from gateway.dossier import validity
from gateway.dossier.paths import values
from gateway.dossier.tables import TABLE, RowVerdict, shape_of, tables
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from workbench.demo.world import load

WORLD = load(date(2026, 3, 31))
RESOURCES = [
    resource
    for provider in WORLD.providers
    for version in provider.versions
    for resource in WORLD.resources_of(provider.name, version)
]
SHAPES = {name: given for name, given in tomllib.loads(TABLE.read_text("utf-8")).items() if name != "words"}
OK = RowVerdict("ok")


def fine(_resource: Resource) -> RowVerdict:
    return OK


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("code", ["c"]),
        ("a.b", [1, 2]),
        ("value[x]", [True]),
        ("extension(Comment).value[x]", ["let op"]),
        ("component(code=8480-6).value[x]", [120]),
        ("component(8462-4).value[x]", [80]),
        ("participant(PRF).actor", ["arts"]),
        ("missing|code", ["c"]),
        ("missing", []),
        ("code.deeper", []),
    ],
)
def test_a_path_points_at_what_it_says(path: str, found: list[Any]) -> None:
    resource = {
        "code": "c",
        "a": [{"b": 1}, {"b": 2}],
        "valueBoolean": True,
        "value": "not the choice",
        "extension": [
            {"url": "http://x/Comment", "valueString": "let op"},
            {"url": "http://x/Other", "valueString": "-"},
        ],
        "component": [
            {"code": {"coding": [{"code": "8480-6"}]}, "valueInteger": 120},
            {"code": {"coding": [{"code": "8462-4"}]}, "valueInteger": 80},
        ],
        "participant": [{"actor": "patient"}, {"type": [{"coding": [{"code": "PRF"}]}], "actor": "arts"}],
    }
    assert values(resource, path) == found


@pytest.mark.parametrize("wrong", ["", "a..b", "a[0]", "a b"])
def test_a_path_that_cannot_be_read_is_a_mistake_in_the_table(wrong: str) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        values({}, wrong)


@pytest.mark.parametrize("name", sorted(set(SHAPES) - {"Observation", "Procedure", "Resource"}))
def test_every_column_is_filled_by_somebody(name: str) -> None:
    claiming = {"resourceType": "Basic", "meta": {"profile": [f"http://x/{name}"]}}
    mine = [resource for resource in RESOURCES if shape_of(resource) == shape_of(claiming)]
    assert mine, f"nobody in the world has {name}"
    (table,) = tables(mine, fine)
    assert set(table.columns) == {column["label"] for column in SHAPES[name]["columns"]}


def test_every_resource_of_the_world_has_a_title_to_show() -> None:
    shown = [resource for resource in RESOURCES if resource["resourceType"] not in ("Binary", "PractitionerRole")]
    nameless = {one["id"] for one in shown if tables([one], fine)[0].rows[0].title == "niet ingevuld"}
    # Those miss the very element that would be their title.
    assert nameless == {
        "gerda-probleem-zonder-code",
        "karel-behandelteam",
        "trui-reanimatie",
        "trui-team",
        "trui-doel",
        "wiebe-hpv",
        "wiebe-lab-natrium",
        "wiebe-r4-mve",
    }


def test_the_last_profile_that_we_know_decides_and_an_unknown_one_does_no_harm() -> None:
    claimed = {"resourceType": "Encounter", "meta": {"profile": ["http://x/zib-Encounter", "http://x/bc-Encounter"]}}
    assert "Toelichting" in {column.label for column in shape_of(claimed).columns}
    unknown = {"resourceType": "Basic", "meta": {"profile": ["http://x/onbekend"]}, "code": {"text": "iets"}}
    (table,) = tables([unknown], fine)
    assert table.rows[0].title == "iets"


def test_columns_that_nothing_fills_are_left_out() -> None:
    condition = {"resourceType": "Condition", "meta": {"profile": ["http://x/zib-Problem"]}, "code": {"text": "hoest"}}
    (table,) = tables([condition], fine)
    assert table.columns == ()


def test_a_verdict_is_in_words() -> None:
    """Findings are sentences: a path of FHIR says nothing to who reads a record."""
    found = validity.check(FhirVersion.STU3, {"resourceType": "Patient", "gender": "man"})
    assert found.kind == "wrong"
    assert not any(finding.startswith("Patient.gender:") for finding in found.findings)
    assert any("man" in finding for finding in found.findings)


def pressure(upper: dict[str, Any] | None, lower: dict[str, Any] | None) -> Resource:
    parts = [("8480-6", upper), ("8462-4", lower)]
    return {
        "resourceType": "Observation",
        "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-BloodPressure"]},
        "component": [{"code": {"coding": [{"code": code}]}, "valueQuantity": one} for code, one in parts if one],
    }


@pytest.mark.parametrize(
    ("upper", "lower", "title"),
    [
        ({"value": 138, "unit": "mmHg"}, {"value": 83, "unit": "mmHg"}, "138 over 83 mmHg"),
        ({"value": 138, "unit": "mmHg"}, None, "bovendruk 138 mmHg"),
        (None, {"value": 83, "unit": "mmHg"}, "onderdruk 83 mmHg"),
        ({"value": 138, "unit": "mmHg"}, {"value": 11, "unit": "kPa"}, "bovendruk 138 mmHg, onderdruk 11 kPa"),
        (
            {"value": 138, "unit": "mmHg", "comparator": ">"},
            {"value": 83, "unit": "mmHg"},
            "bovendruk > 138 mmHg, onderdruk 83 mmHg",
        ),
        (None, None, "niet ingevuld"),
    ],
)
def test_a_blood_pressure_is_never_half_of_one(
    upper: dict[str, Any] | None, lower: dict[str, Any] | None, title: str
) -> None:
    """APP-05: upper over lower, and what is there alone is called by its name."""
    (table,) = tables([pressure(upper, lower)], fine)
    assert [row.title for row in table.rows] == [title]
