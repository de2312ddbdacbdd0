"""Search keys: what is kept of a resource for matching must match exactly as the resource itself does."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import shared

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.search.execute import run
from profiles.fhir.search.includes import Include
from profiles.fhir.search.keys import FINGERPRINT, TABLES, keys, opened, stored
from profiles.fhir.search.lastn import last_of_each, moment
from profiles.fhir.search.marks import BITS
from profiles.fhir.search.paths import PERIOD_URLS, alternatives, steps
from profiles.fhir.search.search import SearchError, compile_search
from profiles.fhir.search.searchparams import SearchParam, known_types, parameters
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.walk import references

STU3, R4 = FhirVersion.STU3, FhirVersion.R4
EVERY = [
    pytest.param(version, type_, id=f"{version.value}-{type_}")
    for version in FhirVersion
    for type_ in sorted(known_types(version))
]

words = st.sampled_from(["a", "b", "718-7", "final", "http://loinc.org", "2026-01-05", "urn:oid:1.2", "Ünal", ""])
dates = st.sampled_from(["2026", "2026-01", "2026-01-05", "2026-01-05T10:00:00+01:00", "2025-12-31T23:30:00Z", "x"])
codings = st.dictionaries(st.sampled_from(["system", "code", "display", "version"]), words, max_size=4)
values: st.SearchStrategy[Any] = st.one_of(
    words,
    dates,
    st.booleans(),
    st.none(),
    st.integers(-5, 200),
    st.decimals(-100, 100, places=2),
    codings,
    st.fixed_dictionaries({}, optional={"coding": st.lists(codings, max_size=3), "text": words}),
    st.fixed_dictionaries({}, optional={"system": words, "value": words, "use": words}),
    st.fixed_dictionaries(
        {},
        optional={
            "reference": st.sampled_from(["Patient/p", "Encounter/e1", "#c", "http://x.example/Device/d", "#gone"]),
            "display": words,
        },
    ),
    st.fixed_dictionaries({}, optional={"start": dates, "end": dates, "event": st.lists(dates, max_size=2)}),
    st.fixed_dictionaries({}, optional={"value": st.decimals(0, 9, places=1), "unit": words, "code": words}),
    st.fixed_dictionaries({}, optional={"family": words, "given": st.lists(words, max_size=2), "text": words}),
)


@st.composite
def resources(draw: st.DrawFn, version: FhirVersion, type_: str) -> Resource:
    """Resources with something, right or wrong, at the places that parameters of the type look at."""
    made: Resource = {"resourceType": type_, "id": draw(st.sampled_from(["r1", "r2"])), "note": [{"text": "x"}]}
    for param in parameters(version, type_).values():
        for path in alternatives(param.path):
            if draw(st.booleans()):
                _put(draw, made, list(steps(path)))
    if draw(st.booleans()):
        made["contained"] = [
            {"resourceType": draw(st.sampled_from(["Medication", "Device"])), "id": "c", "code": draw(values)}
        ]
    for name in ("extension", "modifierExtension"):
        if draw(st.booleans()):
            made.setdefault(name, [])
            if isinstance(made[name], list):
                made[name].append(draw(_period()))
    for name in ("status", "effectiveDateTime", "effectiveInstant", "issued"):
        if type_ == "Observation" and draw(st.booleans()):
            made[name] = draw(dates)
    return made


@st.composite
def _period(draw: st.DrawFn) -> Resource:
    url = draw(st.sampled_from(sorted(PERIOD_URLS)))
    duration = {"value": Decimal(draw(st.integers(1, 20))), "code": draw(st.sampled_from(["d", "wk", "?"]))}
    inner = {"url": url, "valueDuration": duration}
    period = {"start": draw(dates), **({"extension": [inner]} if draw(st.booleans()) else {})}
    return {**inner, "valuePeriod": period} if draw(st.booleans()) else inner


def _put(draw: st.DrawFn, node: Resource, path: list[str | tuple[str]]) -> None:
    step, rest = path[0], path[1:]
    if isinstance(step, tuple):
        found: Resource = {"url": step[0]}
        _put(draw, found, rest)
        others = [{"url": "http://other.example", "valueString": "x"}] if draw(st.booleans()) else []
        node["extension"] = [*(node.get("extension") or ()), found, *others]
        return
    if not rest:
        node[step] = draw(st.one_of(values, st.lists(values, max_size=3)))
        return
    below: Resource = {"noise": "x"}
    _put(draw, below, rest)
    held = node.get(step)
    if isinstance(held, dict):
        held.update(below)
    else:
        node[step] = draw(st.sampled_from([below, [below], [below, "text", {"other": 1}]]))


ASKED = {
    "token": ("a", "http://loinc.org|718-7", "http://loinc.org|", "|final", "true"),
    "reference": ("Patient/p", "e1", "http://x.example/Device/d"),
    "date": ("2026", "ge2026-01-05", "lt2026-01-05T10:00:00Z", "ne2026-01"),
    "special": ("2026", "ge2026-01-05"),
    "string": ("u", "a", "b"),
    "quantity": ("5.0", "gt3", "2.0||a"),
    "uri": ("http://loinc.org",),
}
MODIFIERS = {"token": ("", ":not"), "string": ("", ":exact", ":contains")}


def questions(version: FhirVersion, param: SearchParam) -> Iterator[tuple[str, str]]:
    """Queries on one parameter: each kind of value and modifier, presence, and chains."""
    for modifier in MODIFIERS.get(param.kind, ("",)):
        for value in ASKED[param.kind]:
            yield param.name + modifier, value
    yield param.name + ":missing", "true"
    for target in sorted(param.targets)[:2]:
        if "code" in parameters(version, target):
            yield f"{param.name}:{target}.code", "a"


def same(version: FhirVersion, type_: str, resource: Resource) -> None:
    """Everything that search asks of a resource has the same answer from its keys, also once they were stored."""
    made = stored(version, resource)
    kept = opened(made.search)
    assert kept is not None
    assert kept == keys(version, resource)
    assert made.marks >> BITS == TABLES
    held = {"Patient": {"resourceType": "Patient", "id": "p", "code": "a"}}
    for param in parameters(version, type_).values():
        assert bool(param.extract(kept)) == bool(param.extract(resource)), param.name
        for name, value in questions(version, param):
            try:
                search = compile_search(version, type_, [(name, value)])
            except SearchError:
                continue
            resolve = lambda kind, _id: held.get(kind)  # noqa: E731
            found = search.matches(resource, resolve)
            assert search.matches(kept, resolve) == found, (name, value)
            if search.marks and found:
                # A database that looks for them passes over nothing that matches.
                assert search.marks & made.marks, (name, value)
        if param.kind == "reference":
            for target in (None, "Patient", "Device"):
                one = Include(type_, param, target, False, False)
                assert list(one.targets(kept)) == list(one.targets(resource)), param.name


@pytest.mark.parametrize(("version", "type_"), EVERY)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_keys_answer_every_parameter_as_the_resource_does(
    data: st.DataObject, version: FhirVersion, type_: str
) -> None:
    same(version, type_, data.draw(resources(version, type_)))


def test_marks_are_asked_only_where_they_can_tell() -> None:
    def marks(name: str, value: str) -> int:
        return compile_search(STU3, "Observation", [(name, value)]).marks.bit_count()

    assert marks("code", "http://loinc.org|718-7,a") == 2
    assert marks("code", r"a\,b") == 1
    # Every code of a system, the absence of a code, and what is no code.
    assert marks("code", "http://loinc.org|") == marks("code:not", "a") == marks("date", "2026") == 0


class One:
    """A resource as search holds it."""

    def __init__(self, data: Resource, id_: str) -> None:
        self.type, self.id, self.data = str(data["resourceType"]), id_, data


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_order_and_lastn_come_out_the_same(data: st.DataObject) -> None:
    found = data.draw(st.lists(resources(STU3, "Observation"), max_size=6))
    for number, one in enumerate(found):
        one["id"] = f"o{number}"
    whole = [One(one, one["id"]) for one in found]
    kept = [One(keys(STU3, one), one["id"]) for one in found]
    assert [one.id for one in last_of_each(kept, 1)] == [one.id for one in last_of_each(whole, 1)]
    assert [moment(one.data) for one in kept] == [moment(one.data) for one in whole]
    for query in ([], [("_sort", "date")], [("_sort", "-date")]):
        search = compile_search(STU3, "Observation", query)
        ordered = [[one.id for one in run(search, given, lambda _type, _id: None).matches] for given in (whole, kept)]
        assert ordered[0] == ordered[1]


def _official() -> Iterator[tuple[FhirVersion, Resource]]:
    for folder, version in (("examples/zib2017", STU3), ("examples/geboortezorg", STU3), ("examples", R4)):
        for path in sorted(shared(folder).rglob("*")):
            if path.suffix not in (".json", ".xml") or (version is R4 and "r4" not in str(path).lower()):
                continue
            try:
                content = path.read_bytes()
                found = jsonio.parse(content) if path.suffix == ".json" else xmlio.parse(content, version)
            except FormatError:
                continue
            if str(found.get("resourceType")) in known_types(version):
                yield version, found


def test_keys_of_the_official_examples_answer_as_they_do() -> None:
    sizes = []
    for version, resource in _official():
        same(version, str(resource["resourceType"]), resource)
        for one in resource.get("contained", ()):
            assert keys(version, one).get("id") == one.get("id")
        sizes.append((len(stored(version, resource).search), len(jsonio.dump(resource))))
    assert len(sizes) > 100
    # They have to be small, or nothing is won.
    assert sum(small for small, _ in sizes) < sum(whole for _, whole in sizes) / 2


def test_keys_hold_no_text_for_people() -> None:
    resource = {
        "resourceType": "Observation", "id": "o", "text": {"div": "<div>lang</div>"}, "comment": "iets",
        "code": {"coding": [{"system": "s", "code": "c", "display": "Glucose"}]},
        "subject": {"reference": "Patient/p", "display": "J. de Boer"},
    }  # fmt: skip
    kept = keys(STU3, resource)
    assert kept["code"] == {"coding": [{"system": "s", "code": "c"}]}
    assert kept["subject"] == {"reference": "Patient/p"}
    assert "text" not in kept
    assert "comment" not in kept
    assert [one["reference"] for one in references(kept)] == ["Patient/p"]


@pytest.mark.parametrize("kept", [None, b"", b"old!" + b'{"resourceType":"Flag"}', FINGERPRINT + b"[]"])
def test_keys_of_other_tables_are_not_believed(kept: bytes | None) -> None:
    assert opened(kept) is None


def test_a_number_keeps_its_digits_in_keys() -> None:
    resource = jsonio.load(b'{"resourceType":"Observation","valueQuantity":{"value":5.40,"unit":"mmol/L"}}')
    kept = opened(stored(STU3, resource).search)
    assert kept is not None
    assert str(kept["valueQuantity"]["value"]) == "5.40"
