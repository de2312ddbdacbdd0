"""Terminology, messages, positions, repairs and limits."""

import json
import re
import string
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.profiles.validation.small_definitions import TEST, element, knowing, observation, profile, rules, value_set

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.version import FhirVersion
from profiles.validation.rules.formats import FORMATS
from profiles.validation.rules.systems import systems
from profiles.validation.run.evaluate import Validator
from profiles.validation.run.findings import as_outcome
from profiles.validation.run.htmlreport import as_html
from profiles.validation.run.messages import catalogue, entry
from profiles.validation.run.positions import located
from profiles.validation.schema.definitions import Definitions
from profiles.validation.schema.repairs import repaired, table
from profiles.validation.schema.terminology import Terminology

SOURCE = Path(__file__).parents[4] / "profiles" / "validation"
CODES = "http://example.org/codes"


def code_system(*concepts: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"resourceType": "CodeSystem", "url": CODES, "content": "complete", "concept": list(concepts), **parts}


def composed(name: str, *include: dict[str, Any], exclude: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    found = {"resourceType": "ValueSet", "url": "http://example.org/ValueSet/" + name}
    return found | {"compose": {"include": list(include), "exclude": list(exclude)}}


TREE = code_system(
    {"code": "animal", "concept": [{"code": "dog", "concept": [{"code": "poodle"}]}, {"code": "cat"}]},
    {"code": "plant"},
    {"code": "pup", "property": [{"code": "subsumedBy", "valueCode": "dog"}]},
)


class TestTerminology:
    @pytest.mark.parametrize(
        ("include", "inside", "outside"),
        [
            ({"system": CODES}, {"dog", "plant"}, {"fish"}),
            ({"system": CODES, "concept": [{"code": "dog"}]}, {"dog"}, {"cat", "poodle"}),
            (
                {"system": CODES, "filter": [{"property": "concept", "op": "is-a", "value": "dog"}]},
                {"dog", "poodle", "pup"},
                {"cat"},
            ),
            (
                {"system": CODES, "filter": [{"property": "concept", "op": "descendent-of", "value": "dog"}]},
                {"poodle"},
                {"dog"},
            ),
            ({"system": CODES, "filter": [{"property": "concept", "op": "=", "value": "cat"}]}, {"cat"}, {"dog"}),
        ],
    )
    def test_what_a_package_tells_is_decided(
        self, include: dict[str, Any], inside: set[str], outside: set[str]
    ) -> None:
        found = Terminology(Definitions(extra=[TREE, composed("v", include)])).value_set(
            "http://example.org/ValueSet/v"
        )
        assert found is not None
        assert {code for code in inside | outside if found.has(CODES, code)} == inside
        assert all(found.has(CODES, code) is False for code in outside)
        assert found.codes() is not None

    def test_what_it_does_not_tell_is_left_open(self) -> None:
        rows = [
            composed("regex", {"system": CODES, "filter": [{"property": "code", "op": "regex", "value": ".*"}]}),
            composed("unknown", {"system": "http://snomed.info/sct"}),
            composed("import", {"valueSet": ["http://example.org/ValueSet/absent"]}),
        ]
        terminology = Terminology(Definitions(extra=[TREE, *rows]))
        for name, system in (("regex", CODES), ("unknown", "http://snomed.info/sct"), ("import", "urn:any")):
            found = terminology.value_set("http://example.org/ValueSet/" + name)
            assert found is not None
            assert found.has(system, "1") is None
            assert found.codes() is None
        assert terminology.value_set("http://example.org/ValueSet/none") is None

    def test_imports_exclusions_and_circles(self) -> None:
        rows = [
            composed("dogs", {"system": CODES, "concept": [{"code": "dog"}, {"code": "pup"}]}),
            composed(
                "some",
                {"valueSet": "http://example.org/ValueSet/dogs"},
                exclude=({"system": CODES, "concept": [{"code": "pup"}]},),
            ),
            composed("both", {"system": CODES, "valueSet": ["http://example.org/ValueSet/dogs"]}),
            composed("circle", {"valueSet": ["http://example.org/ValueSet/circle"]}),
            {**composed("broken"), "compose": {"include": [7]}},
        ]
        terminology = Terminology(Definitions(extra=[TREE, *rows]))
        some = terminology.value_set("http://example.org/ValueSet/some|1.0")
        both = terminology.value_set("http://example.org/ValueSet/both")
        assert some is not None
        assert both is not None
        assert (some.has(CODES, "dog"), some.has(CODES, "pup")) == (True, False)
        assert (both.has(CODES, "pup"), both.has(CODES, "cat")) == (True, False)
        circle = terminology.value_set("http://example.org/ValueSet/circle")
        assert circle is not None
        assert circle.has(CODES, "x") is None
        assert terminology.value_set("http://example.org/ValueSet/broken") is None

    def test_canonicals_match_with_and_without_the_date_suffix(self, tmp_path: Path) -> None:
        from profiles.validation.schema.packages import Package

        dated = value_set("x", CODES, "a") | {"url": "http://example.org/ValueSet/x--20171231000000", "id": "x"}
        (tmp_path / "x.json").write_text(json.dumps(dated))
        package = Package("p", "1.0.0", ("4.0.1",), {}, tmp_path)
        for url in ("x", "x--20171231000000", "x--20200901000000", "x|2"):
            assert Definitions([package]).find("ValueSet", "http://example.org/ValueSet/" + url) is not None

    def test_a_terminology_service_is_asked_last(self) -> None:
        asked: list[tuple[str, str, str]] = []

        def server(url: str, system: str, code: str) -> bool | None:
            asked.append((url, system, code))
            return {"1": True, "2": False}.get(code)

        open_set = composed("open", {"system": "http://snomed.info/sct", "filter": [{"property": "x", "op": "y"}]})
        bound = element("Observation.method", binding={"strength": "required", "valueSet": open_set["url"]})
        validator = Validator(FhirVersion.R4, Definitions(extra=[profile("p", "Observation", bound), open_set]), server)

        def verdict(code: str) -> str:
            coding = {"coding": [{"system": "http://snomed.info/sct", "code": code}]}
            return validator.validate(observation(method=coding), [TEST + "p"]).verdict

        assert [verdict(code) for code in "123"] == ["ok", "wrong", "unchecked"]
        assert asked[0] == (open_set["url"], "http://snomed.info/sct", "1")

    def test_a_code_that_its_code_system_does_not_have(self) -> None:
        validator = knowing(TREE)
        right = observation(method={"coding": [{"system": CODES, "code": "pup"}]})
        assert validator.validate(right).verdict == "ok"
        wrong = observation(method={"coding": [{"system": CODES, "code": "fish"}]})
        assert rules(validator.validate(wrong)) == [("code", "Observation.method.coding[0].code")]


def test_every_message_is_there_in_both_languages_with_the_same_particulars() -> None:
    for key, row in catalogue().items():
        assert {"nl", "en"} <= row.keys(), key
        names = [{name for _, name, _, _ in string.Formatter().parse(row[part]) if name} for part in ("nl", "en")]
        assert {name.replace("_nl", "") for name in names[0]} == {name.replace("_en", "") for name in names[1]}, key
        assert ("do_nl" in row) == ("do_en" in row), key


def test_every_hit_in_the_code_has_words() -> None:
    keys = set()
    for path in SOURCE.rglob("*.py"):
        keys |= set(re.findall(r'Hit\(\s*"([a-z.]+)"', path.read_text()))
    assert len(keys) > 30
    assert [key for key in keys if entry(key) is catalogue()["other"]] == []


def test_every_repair_names_its_fault_and_source() -> None:
    for rows in table().values():
        for row in rows:
            assert row.fault
            assert row.source
            assert row.release


def test_a_foreign_postal_code_is_none_of_our_business() -> None:
    url = "http://fhir.nl/fhir/StructureDefinition/nl-core-address"
    published = {
        "key": "nl-postal-code-pattern",
        "severity": "error",
        "human": "x",
        "expression": "(country in 'nl').not() or matches('^\\\\d{4}[A-Z]{2}$')",
    }
    address = profile("a", "Address", element("Address.postalCode", constraint=[published]), fhirVersion="3.0.2") | {
        "url": url
    }
    validator = knowing(address, version=FhirVersion.STU3)

    def check(**parts: str) -> list[str]:
        patient = profile("p", "Patient", element("Patient.address", type=[{"code": "Address", "profile": url}]))
        known = Validator(FhirVersion.STU3, Definitions(extra=[json.loads(json.dumps(address)), patient]))
        return [
            rule for rule, _ in rules(known.validate({"resourceType": "Patient", "address": [parts]}, [TEST + "p"]))
        ]

    assert validator.knows(url)
    assert check(postalCode="1234AB") == []
    assert check(postalCode="1234 ab") == ["invariant:nl-postal-code-pattern"]
    assert check(postalCode="1234 ab", country="NL") == ["invariant:nl-postal-code-pattern"]
    assert check(postalCode="2000", country="BE") == []
    assert repaired({"url": url, "fhirVersion": "4.0.1"}) == {"url": url, "fhirVersion": "4.0.1"}


def test_lengths_and_bounds() -> None:
    definition = profile(
        "limits",
        "Observation",
        element(
            "Observation.value[x]",
            minValueQuantity={"value": 0, "code": "kg"},
            maxValueQuantity={"value": 500, "code": "kg"},
        ),
        element("Observation.note.text", maxLength=3),
        element("Observation.issued", maxValueInstant="2026-01-01T00:00:00Z"),
    )
    validator = knowing(definition)

    def check(**parts: Any) -> list[tuple[str, str]]:
        return rules(validator.validate(observation(**parts), [TEST + "limits"]))

    assert check(valueQuantity={"value": Decimal("70.5"), "code": "kg", "system": "urn:u"}) == []
    assert check(valueQuantity={"value": 501, "code": "kg", "system": "urn:u"}) == [("bounds", "Observation.value")]
    assert check(valueQuantity={"value": -1, "code": "kg", "system": "urn:u"}) == [("bounds", "Observation.value")]
    assert check(valueQuantity={"value": 501, "code": "g", "system": "urn:u"}) == []
    assert check(note=[{"text": "lang"}]) == [("length", "Observation.note[0].text")]
    assert check(issued="2026-01-01T01:00:00+01:00") == []
    assert check(issued="2026-01-02T00:00:00Z") == [("bounds", "Observation.issued")]


@pytest.mark.parametrize(
    ("code", "right", "wrong"),
    [
        ("date", ["2020", "2020-02", "2020-02-29"], ["20", "2021-02-29", "2020-13", "2020-1-1", "0000", "2020-01-01T"]),
        (
            "dateTime",
            ["2020-01-01T23:59:60Z", "2020-01-01T00:00:00.123+14:00"],
            ["2020-01-01T24:00:00Z", "2020-01-01T10:00Z"],
        ),
        ("time", ["10:00:00", "10:00:00.5"], ["10:00", "25:00:00"]),
        ("code", ["a b"], ["", " a", "a  b", "a\tb"]),
        ("oid", ["urn:oid:2.16.840"], ["2.16", "urn:oid:2.016", "urn:oid:3.1"]),
        ("uri", ["urn:oid:1.2", "http://x", "x"], ["a b", "", "urn:uuid:x", "urn:oid:1..2"]),
        ("base64Binary", ["QUJD", "QUI=", "QU\nJD"], ["QUJ", "Q=JD", "é==="]),
        ("positiveInt", [1, 2147483647], [0, True, Decimal("1.0"), "1", 2147483648]),
        ("decimal", [1, Decimal("1.50"), Decimal("-0")], ["1", True, None, Decimal("NaN")]),
        ("string", ["a", "a\nb", "  a"], ["", "   ", "a\x00", 1]),
        ("id", ["A-1."], ["", "a_b", "x" * 65]),
        ("xhtml", ["<div>x</div>"], [7, ["<div>x</div>"]]),
    ],
)
def test_forms_of_primitives(code: str, right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not FORMATS[code](value)] == []
    assert [value for value in wrong if FORMATS[code](value)] == []


@given(st.integers(0, 999_999_999))
@settings(deadline=None)
def test_the_eleven_test_accepts_one_last_digit_at_most(number: int) -> None:
    """A mistyped last digit is always found."""
    bsn = systems("identifier")["http://fhir.nl/fhir/NamingSystem/bsn"]
    text = f"{number:09d}"
    others = [text[:8] + str(last) for last in range(10)]
    assert sum(bsn.accepts(other) for other in others) <= 1


def test_findings_have_line_and_column_in_json_and_xml() -> None:
    validator = knowing()
    text = (
        b'{"resourceType": "Observation",\n  "status": "final",\n  "code": {"text": "a \\" , { x"},\n'
        b'  "component": [\n    {"code": {"text": "a"}},\n    {"code": {"text": "b"}, "foo": [1, {"a": 2}]}\n  ]\n}'
    )
    report = located(validator.validate(jsonio.parse(text)), text)
    assert [(one.expression, one.line, one.column) for one in report.findings] == [
        ("Observation.component[1].foo", 6, 29)
    ]
    assert "line 6, column 29" in as_outcome(report, "en")["issue"][0]["diagnostics"]
    resource = {"resourceType": "Observation", "status": "x", "code": {"text": "a"}}
    data = xmlio.dump(resource, FhirVersion.R4).replace(b"<status", b"\n\n<status")
    report = located(validator.validate(resource), data)
    assert report.findings[0].line == 3


def test_a_missing_element_is_placed_at_its_parent() -> None:
    head = b'{"resourceType": "Observation", "status": "final", "code": {"text": "x"},'
    text = head + b'\n "component": [{"valueString": "x"}]}'
    report = located(knowing().validate(jsonio.parse(text)), text)
    assert [(one.expression, one.line) for one in report.findings] == [("Observation.component[0].code", 2)]


@given(
    st.recursive(
        st.one_of(st.none(), st.text(), st.integers()),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
        max_leaves=12,
    )
)
@settings(deadline=None)
def test_places_are_found_in_any_json(value: Any) -> None:
    resource = {"resourceType": "Observation", "vreemd": value, "status": "x"}
    text = json.dumps(resource, indent=1).encode()
    report = located(knowing_nothing().validate(resource), text)
    placed = next(one for one in report.findings if one.expression == "Observation.status" and one.rule == "binding")
    assert text.decode().splitlines()[(placed.line or 0) - 1].lstrip().startswith('"status"')


def knowing_nothing(kept: list[Validator] = []) -> Validator:  # noqa: B006 (made once for all examples)
    """A validator with base facts only."""
    if not kept:
        kept.append(knowing())
    return kept[0]


def test_the_page_escapes_what_it_shows() -> None:
    report = knowing().validate(observation(**{"<script>alert(1)</script>": 1}))
    page = as_html([("<b>x</b>", report)], "en")
    assert "<script" not in page
    assert "<b>x" not in page
    assert "&lt;script&gt;" in page
