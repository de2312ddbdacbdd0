"""Whatever comes in: nothing breaks the conversion, nothing changes the source, nothing disappears without a word."""

import copy
import datetime as dt
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profiles.conversion import convert
from profiles.conversion.back import convert_back
from profiles.conversion.losses import texts
from profiles.conversion.special import SPECIAL
from profiles.conversion.tables import Call, Drop, First, Move, tables
from profiles.fhir.basetypes import facts
from profiles.fhir.codec import jsonio
from profiles.fhir.version import FhirVersion

DAY = dt.date(2026, 1, 15)
STU3 = facts(FhirVersion.STU3)
R4 = facts(FhirVersion.R4)
WORDS = st.sampled_from(
    ["active", "unknown", "http://snomed.info/sct", "Patient/1", "JA_MAAR", "CL", "2020-01", "", "a",
     "http://nictiz.nl/fhir/StructureDefinition/zib-TreatmentDirective-Verification"]
)  # fmt: skip
SCALARS = WORDS | st.integers(-3, 3) | st.booleans() | st.none()
ZIBS = [(zib.type, source) for zib in tables().zib for source in zib.source]


@cache
def _values(kind: str, depth: int, version: FhirVersion = FhirVersion.STU3) -> st.SearchStrategy[Any]:
    types = facts(version).types
    known = types[kind].properties if kind in types else {}
    if not known or depth > 3:
        return SCALARS
    rows = {name: _values(below, depth + 1, version) for name, (_, below) in list(known.items()) if name != "contained"}
    shaped = st.fixed_dictionaries({}, optional=rows)
    return st.deferred(lambda: shaped) | SCALARS | st.lists(shaped | st.none(), max_size=2)


@st.composite
def resources(draw: st.DrawFn) -> dict[str, Any]:
    kind, source = draw(st.sampled_from(ZIBS))
    kind = {"ServiceRequest": "ProcedureRequest"}.get(kind, kind)
    names = sorted(STU3.types[kind].properties)
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=6))
    made = {name: draw(_values(STU3.types[kind].properties[name][1], 1)) for name in chosen}
    return {**made, "resourceType": kind, "id": "x", "meta": {"profile": [f"http://x/{source}"]}}


@given(resources())
def test_no_resource_breaks_the_conversion_or_is_changed_by_it(resource: dict[str, Any]) -> None:
    before = copy.deepcopy(resource)
    result = convert([resource], DAY)
    assert resource == before
    again = convert([resource], DAY)
    assert jsonio.dump(result.resources[0]) == jsonio.dump(again.resources[0]), "the same in gives the same out (ZC-01)"
    known = facts(FhirVersion.R4)
    for one in result.resources:
        assert set(one) - {"resourceType"} <= {
            key for name in known.types[one["resourceType"]].properties for key in (name, f"_{name}")
        }


@st.composite
def resources_of_r4(draw: st.DrawFn) -> dict[str, Any]:
    zib = draw(st.sampled_from(tables().zib))
    chosen = draw(st.lists(st.sampled_from(sorted(R4.types[zib.type].properties)), unique=True, max_size=6))
    made = {name: draw(_values(R4.types[zib.type].properties[name][1], 1, FhirVersion.R4)) for name in chosen}
    return {**made, "resourceType": zib.type, "id": "x", "meta": {"profile": [f"http://x/{zib.target}"]}}


@given(resources_of_r4())
def test_no_resource_breaks_the_way_back_or_is_changed_by_it(resource: dict[str, Any]) -> None:
    before = copy.deepcopy(resource)
    result = convert_back([resource], DAY)
    assert resource == before
    again = convert_back([resource], DAY)
    assert [jsonio.dump(one) for one in result.resources] == [jsonio.dump(one) for one in again.resources]
    assert result.resources or any(loss.whole for loss in result.losses)
    for one in result.resources:
        names = STU3.types[one["resourceType"]].properties
        assert set(one) - {"resourceType"} <= {key for name in names for key in (name, f"_{name}")}


def test_what_is_no_resource_of_stu3_is_told() -> None:
    result = convert([{"resourceType": "ServiceRequest", "id": "1"}, {}, {"resourceType": ["x"]}], DAY)
    assert result.resources == []
    assert [loss.kind for loss in result.losses] == ["unmapped"] * 3


def test_every_row_names_losses_and_functions_that_exist() -> None:
    """ZC-C40: only known losses; ZC-C39, as far as our rows go: each path begins with an element of the type."""
    steps = [(kind, step) for kind, rows in tables().type.items() for step in rows]
    for zib in tables().zib:
        assert set(zib.losses) <= set(texts().loss), zib.name
        kind = {"ServiceRequest": "ProcedureRequest"}.get(zib.type, zib.type)
        steps += [(kind, step) for step in zib.steps]
    for kind, step in steps:
        if isinstance(step, Call):
            assert step.name in SPECIAL
        elif isinstance(step, (Move, First, Drop)):
            assert not step.loss or step.loss in texts().loss
            first = step.at.partition(".")[0]
            assert not first or first in STU3.types[kind].properties, (kind, step)
    assert {step.name for _, step in steps if isinstance(step, Call)} == set(SPECIAL)
