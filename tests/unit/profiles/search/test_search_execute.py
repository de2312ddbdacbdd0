"""A search over what is held: order, includes, `$lastn`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profiles.fhir.search.execute import Found, HeldResource, run
from profiles.fhir.search.search import compile_search, parse_query
from profiles.fhir.version import FhirVersion

STU3, R4 = FhirVersion.STU3, FhirVersion.R4


@dataclass(frozen=True)
class Kept:
    type: str
    id: str
    data: dict[str, Any]


def kept(kind: str, key: str, **elements: Any) -> Kept:
    return Kept(kind, key, {"resourceType": kind, "id": key, **elements})


def ask(
    store: Iterable[Kept], kind: str, query: str, operation: str | None = None, version: FhirVersion = STU3
) -> Found:
    held = {(one.type, one.id): one for one in store}
    search = compile_search(version, kind, parse_query(query), operation)

    def of_type(wanted: str) -> list[HeldResource]:
        return [one for one in held.values() if one.type == wanted]

    return run(search, held.values(), lambda wanted, key: held.get((wanted, key)), of_type)


def ids(found: Iterable[HeldResource]) -> list[str]:
    return [f"{one.type}/{one.id}" for one in found]


def ref(text: str) -> dict[str, str]:
    return {"reference": text}


def code(*codes: str, text: str | None = None) -> dict[str, Any]:
    return {"coding": [{"system": "http://loinc.org", "code": one} for one in codes]} | ({"text": text} if text else {})


def test_newest_first_then_without_date_then_by_id() -> None:
    store = [
        kept("Observation", "c"),
        kept("Observation", "b", effectiveDateTime="2026-01-01"),
        kept("Observation", "a", effectiveDateTime="2026-01-01"),
        kept("Observation", "z", effectivePeriod={"start": "2020-01-01", "end": "2026-02-01"}),
    ]
    assert ids(ask(store, "Observation", "").matches) == [f"Observation/{one}" for one in "zabc"]
    assert ids(ask(reversed(store), "Observation", "").matches) == [f"Observation/{one}" for one in "zabc"]


def test_sort_and_count_give_the_newest_one_only() -> None:
    store = [kept("Observation", day, effectiveDateTime=f"2026-01-{day}") for day in ("02", "09", "05")]
    assert ids(ask(store, "Observation", "_sort=-date&_count=1").matches) == ["Observation/09"]
    assert ids(ask(store, "Observation", "_sort=date&_count=2").matches) == ["Observation/02", "Observation/05"]
    assert ids(ask(store, "Observation", "_sort=-_id").matches) == [
        "Observation/09",
        "Observation/05",
        "Observation/02",
    ]


MEDICAL_DEVICE = "http://nictiz.nl/fhir/StructureDefinition/extension-medicaldevice"
STORE = [
    kept("Patient", "p", generalPractitioner=[ref("Practitioner/1"), ref("Organization/1"), ref("Practitioner/gone")]),
    kept("Practitioner", "1"),
    kept("Practitioner", "2"),
    kept("Organization", "1"),
    kept("Coverage", "c", beneficiary=ref("Patient/p"), payor=[ref("Organization/1"), ref("Patient/p")]),
    kept("Coverage", "d", beneficiary=ref("Patient/p"), payor=[ref("Organization/1")]),
    kept("CarePlan", "k", activity=[{"detail": {"goal": [ref("Goal/g")], "extension": [
        {"url": MEDICAL_DEVICE, "valueReference": ref("DeviceUseStatement/u")},
    ]}, "outcomeReference": [ref("Observation/o"), ref("Goal/other")]}]),
    kept("Goal", "g"),
    kept("Goal", "other"),
    kept("DeviceUseStatement", "u", device=ref("Device/d")),
    kept("Device", "d"),
    kept("Observation", "o"),
    kept("Provenance", "1", target=[ref("Coverage/c")]),
    kept("Provenance", "2", target=[ref("Goal/g")]),
]  # fmt: skip


def test_an_include_brings_what_is_pointed_at_once_and_nothing_else() -> None:
    found = ask(STORE, "Patient", "_include=Patient:general-practitioner")
    assert ids(found.matches) == ["Patient/p"]
    assert ids(found.included) == ["Practitioner/1", "Organization/1"]
    assert ids(ask(STORE, "Patient", "").included) == []


def test_a_target_type_narrows_an_include_and_each_resource_comes_once() -> None:
    assert ids(ask(STORE, "Coverage", "_include=Coverage:payor:Organization").included) == ["Organization/1"]
    both = "_include=Coverage:payor:Patient&_include=Coverage:payor:Organization"
    assert sorted(ids(ask(STORE, "Coverage", both).included)) == ["Organization/1", "Patient/p"]


def test_recurse_goes_on_from_what_came_along_and_a_plain_include_does_not() -> None:
    plan = "_include=CarePlan:activity-goal:Goal&_include=CarePlan:activity-outcomereference:Observation"
    device = "_include=CarePlan:activity-medicaldevice:DeviceUseStatement"
    deep = ask(STORE, "CarePlan", f"{plan}&{device}&_include:recurse=DeviceUseStatement:device:Device")
    assert sorted(ids(deep.included)) == ["Device/d", "DeviceUseStatement/u", "Goal/g", "Observation/o"]
    flat = ask(STORE, "CarePlan", f"{plan}&{device}&_include=DeviceUseStatement:device:Device")
    assert "Device/d" not in ids(flat.included)


def test_iterate_ends_on_a_circle() -> None:
    store = [
        kept("MedicationRequest", "r", requester=ref("PractitionerRole/1")),
        kept("PractitionerRole", "1", practitioner=ref("Practitioner/1"), organization=ref("Organization/1")),
        kept("Practitioner", "1"),
        kept("Organization", "1"),
    ]
    query = "_include=MedicationRequest:requester&_include:iterate=PractitionerRole:organization"
    found = ask(store, "MedicationRequest", query, version=R4)
    assert sorted(ids(found.included)) == ["Organization/1", "PractitionerRole/1"]
    ring = [
        kept("Observation", "a", related=[{"target": ref("Observation/b")}], status="final"),
        kept("Observation", "b", related=[{"target": ref("Observation/a")}], status="amended"),
    ]
    found = ask(ring, "Observation", "status=final&_include:recurse=Observation:related-target")
    assert (ids(found.matches), ids(found.included)) == (["Observation/a"], ["Observation/b"])


def test_a_match_is_never_an_include_as_well() -> None:
    ring = [
        kept("Observation", "a", related=[{"target": ref("Observation/b")}]),
        kept("Observation", "b", related=[{"target": ref("Observation/a")}]),
    ]
    found = ask(ring, "Observation", "_include=Observation:related-target")
    assert sorted(ids(found.matches)) == ["Observation/a", "Observation/b"]
    assert ids(found.included) == []


def test_revinclude_brings_what_points_at_a_match() -> None:
    found = ask(STORE, "Coverage", "_revinclude=Provenance:target")
    assert ids(found.included) == ["Provenance/1"]


def test_candidates_that_come_twice_match_once() -> None:
    one = kept("Condition", "c")
    found = run(compile_search(STU3, "Condition", []), [one, one, kept("Flag", "f")], lambda _kind, _key: None)
    assert ids(found.matches) == ["Condition/c"]


# $lastn (spec/datasets.md section 3)


def test_lastn_gives_the_newest_of_each_code() -> None:
    store = [
        kept("Observation", "old", code=code("29463-7"), effectiveDateTime="2026-01-01"),
        kept("Observation", "new", code=code("29463-7"), effectiveDateTime="2026-01-02"),
        kept("Observation", "other", code=code("85354-9"), effectiveDateTime="2020-01-01"),
    ]
    assert ids(ask(store, "Observation", "", "lastn").matches) == ["Observation/new", "Observation/other"]
    assert len(ask(store, "Observation", "max=2", "lastn").matches) == 3
    assert len(ask(store, "Observation", "code=http://loinc.org|1", "lastn").matches) == 0


def test_lastn_sees_several_codings_as_one_group() -> None:
    store = [
        kept("Observation", "lying", code=code("8302-2", "8306-3"), effectiveDateTime="2026-01-03"),
        kept("Observation", "standing", code=code("8308-9", "8302-2"), effectiveDateTime="2026-01-02"),
        kept("Observation", "only", code=code("8302-2"), effectiveDateTime="2026-01-01"),
    ]
    query = "code=http://loinc.org|8302-2,http://loinc.org|8306-3,http://loinc.org|8308-9"
    assert ids(ask(store, "Observation", query, "lastn").matches) == ["Observation/lying"]


def test_lastn_passes_over_what_was_entered_in_error() -> None:
    store = [
        kept("Observation", "right", code=code("1"), effectiveDateTime="2026-01-01", status="final"),
        kept("Observation", "wrong", code=code("1"), effectiveDateTime="2026-01-02", status="entered-in-error"),
    ]
    assert ids(ask(store, "Observation", "", "lastn").matches) == ["Observation/right"]


def test_lastn_compares_the_end_of_a_period_and_zones_as_instants() -> None:
    store = [
        kept("Observation", "period", code=code("1"), effectivePeriod={"start": "2020-01-01", "end": "2026-01-03"}),
        kept("Observation", "moment", code=code("1"), effectiveDateTime="2026-01-02T10:00:00+01:00"),
    ]
    assert ids(ask(store, "Observation", "", "lastn").matches) == ["Observation/period"]
    zones = [
        kept("Observation", "later", code=code("1"), effectiveDateTime="2026-01-02T10:00:00Z"),
        kept("Observation", "earlier", code=code("1"), effectiveDateTime="2026-01-02T10:30:00+01:00"),
    ]
    assert ids(ask(zones, "Observation", "", "lastn").matches) == ["Observation/later"]


def test_lastn_groups_by_text_without_codings_and_keeps_what_has_no_code() -> None:
    store = [
        kept("Observation", "1", code={"text": "Stemming"}, effectiveDateTime="2026-01-01"),
        kept("Observation", "2", code={"text": "stemming"}, effectiveDateTime="2026-01-02"),
        kept("Observation", "3"),
        kept("Observation", "4"),
    ]
    assert ids(ask(store, "Observation", "", "lastn").matches) == ["Observation/2", "Observation/3", "Observation/4"]


def test_panel_members_come_along_though_they_do_not_match() -> None:
    store = [
        kept(
            "Observation", "panel", code=code("p"), category=[code("lab")], related=[{"target": ref("Observation/m")}]
        ),
        kept("Observation", "m", code=code("m")),
    ]
    found = ask(store, "Observation", "category=http://loinc.org|lab&_include=Observation:related-target", "lastn")
    assert (ids(found.matches), ids(found.included)) == (["Observation/panel"], ["Observation/m"])


@given(
    st.lists(st.tuples(st.lists(st.sampled_from("abcd"), max_size=2), st.integers(1, 28), st.booleans()), max_size=12)
)
def test_lastn_never_returns_two_that_share_a_code_and_never_hides_a_newer_one(
    rows: list[tuple[list[str], int, bool]],
) -> None:
    store = [
        kept("Observation", f"o{n}", code=code(*codes), effectiveDateTime=f"2026-01-{day:02}",
             status="entered-in-error" if wrong else "final")
        for n, (codes, day, wrong) in enumerate(rows)
    ]  # fmt: skip
    found = [one.data for one in ask(store, "Observation", "", "lastn").matches]
    shown: set[str] = set()
    for one in found:
        own = {coding["code"] for coding in one["code"]["coding"]}
        assert not own & shown
        shown |= own
        for other in store:
            same = {coding["code"] for coding in other.data["code"]["coding"]} & own
            if same and other.data["status"] == "final":
                assert other.data["effectiveDateTime"] <= one["effectiveDateTime"]
