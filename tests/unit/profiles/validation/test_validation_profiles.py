"""What profiles add: merged by element id, with slices, bindings, fixed values and references."""

import time
from typing import Any

import pytest
from unit.profiles.validation.small_definitions import (
    HL7,
    TEST,
    element,
    extension,
    knowing,
    observation,
    profile,
    rules,
    value_set,
)

CODE = "http://example.org/codes"


def coding(code: str, system: str = CODE) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def pressure() -> dict[str, Any]:
    return profile(
        "pressure",
        "Observation",
        element(
            "Observation.code.coding", slicing={"discriminator": [{"type": "value", "path": "code"}], "rules": "open"}
        ),
        element("Observation.code.coding:loinc", min=1, max="1"),
        element("Observation.code.coding:loinc.code", min=1, fixedCode="8480-6"),
        element(
            "Observation.component", slicing={"discriminator": [{"type": "pattern", "path": "code"}], "rules": "open"}
        ),
        element("Observation.component:top", min=1, max="1", short="Systolic"),
        element("Observation.component:top.code", patternCodeableConcept=coding("top")),
        {
            "id": "Observation.component:top.value[x]:valueQuantity",
            "path": "Observation.component.valueQuantity",
            "sliceName": "valueQuantity",
            "min": 1,
        },
        {
            "id": "Observation.component:top.value[x]:valueQuantity.code",
            "path": "Observation.component.valueQuantity.code",
            "fixedCode": "mm[Hg]",
        },
    )


def component(code: str, **value: Any) -> dict[str, Any]:
    return {"code": coding(code), **(value or {"valueQuantity": {"value": 120, "code": "mm[Hg]", "system": "urn:u"}})}


class TestSlices:
    validator = knowing(pressure())

    def check(self, **parts: Any) -> list[tuple[str, str]]:
        return rules(self.validator.validate(observation(**parts), [TEST + "pressure"]))

    def test_items_are_held_against_their_slice(self) -> None:
        assert self.check(component=[component("top"), component("iets anders", valueString="x")]) == []

    def test_a_missing_slice_tells_which_item_comes_nearest(self) -> None:
        report = self.validator.validate(observation(component=[component("tap")]), [TEST + "pressure"])
        assert rules(report) == [("slicing", "Observation.component")]
        assert "Item 0" in report.findings[0].text_en
        assert "http://example.org/codes|top" in report.findings[0].text_en

    def test_too_many_of_a_slice(self) -> None:
        assert self.check(component=[component("top"), component("top")]) == [("slicing", "Observation.component")]

    def test_a_shortcut_is_a_type_slice(self) -> None:
        wrong = component("top", valueQuantity={"value": 1, "code": "kPa", "system": "urn:u"})
        assert self.check(component=[wrong]) == [("fixed", "Observation.component[0].value.code")]
        other = component("top", valueString="120")
        assert self.check(component=[other]) == [("type", "Observation.component[0].value")]
        assert self.check(component=[{"code": coding("top")}]) == [("cardinality", "Observation.component[0].value")]

    def test_required_slice_of_a_list_that_is_absent_altogether(self) -> None:
        assert self.check() == [("slicing", "Observation.component")]

    def test_fixed_values_decide_membership(self) -> None:
        wrong = coding("1234-5", "http://loinc.org")
        assert ("slicing", "Observation.code.coding") in self.check(code=wrong, component=[component("top")])


def test_derived_profiles_refine_the_slices_of_their_parent() -> None:
    child = profile(
        "child",
        "Observation",
        element("Observation.component:top.interpretation", min=1),
        element("Observation.component.dataAbsentReason", max="0"),
        base=TEST + "pressure",
    )
    validator = knowing(pressure(), child)
    found = rules(validator.validate(observation(component=[component("top")]), [TEST + "child"]))
    assert found == [("cardinality", "Observation.component[0].interpretation")]
    absent = component("top") | {"interpretation": [coding("x")], "dataAbsentReason": coding("y")}
    found = rules(validator.validate(observation(component=[absent]), [TEST + "child"]))
    assert found == [("cardinality", "Observation.component[0].dataAbsentReason")]


@pytest.mark.parametrize(
    ("rules_of", "items", "expected"),
    [
        ("closed", ["a", "x"], [("slicing", "Observation.category[1]")]),
        ("closed", ["a", "b"], []),
        ("openAtEnd", ["a", "x"], []),
        ("openAtEnd", ["x", "a"], [("slicing", "Observation.category")]),
        ("open", ["x", "a"], []),
    ],
)
def test_closed_and_open_at_end(rules_of: str, items: list[str], expected: list[tuple[str, str]]) -> None:
    definition = profile(
        "sliced",
        "Observation",
        element(
            "Observation.category", slicing={"discriminator": [{"type": "value", "path": "$this"}], "rules": rules_of}
        ),
        element("Observation.category:a", patternCodeableConcept=coding("a")),
        element("Observation.category:b", patternCodeableConcept=coding("b")),
    )
    found = knowing(definition).validate(observation(category=[coding(one) for one in items]), [TEST + "sliced"])
    assert rules(found) == expected


def test_ordered_slices_keep_their_order() -> None:
    slicing = {"discriminator": [{"type": "value", "path": "$this"}], "rules": "open", "ordered": True}
    definition = profile(
        "ordered",
        "Observation",
        element("Observation.category", slicing=slicing),
        element("Observation.category:a", patternCodeableConcept=coding("a")),
        element("Observation.category:b", patternCodeableConcept=coding("b")),
    )
    validator = knowing(definition)
    assert rules(validator.validate(observation(category=[coding("a"), coding("b")]), [TEST + "ordered"])) == []
    found = rules(validator.validate(observation(category=[coding("b"), coding("a")]), [TEST + "ordered"]))
    assert found == [("slicing", "Observation.category")]


def test_slices_within_slices() -> None:
    by_use = {"discriminator": [{"type": "value", "path": "use"}], "rules": "open"}
    by_system = {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}
    definition = profile(
        "resliced",
        "Patient",
        element("Patient.identifier", slicing=by_use),
        element("Patient.identifier:official", slicing=by_system),
        element("Patient.identifier:official.use", fixedCode="official", min=1),
        element("Patient.identifier:official/x", min=1),
        element("Patient.identifier:official/x.system", fixedUri="urn:x", min=1),
    )
    validator = knowing(definition)
    patient = {"resourceType": "Patient", "identifier": [{"use": "official", "system": "urn:x", "value": "1"}]}
    assert rules(validator.validate(patient, [TEST + "resliced"])) == []
    patient["identifier"] = [{"use": "official", "system": "urn:y", "value": "1"}]
    assert rules(validator.validate(patient, [TEST + "resliced"])) == [("slicing", "Patient.identifier")]


def test_slices_by_existence() -> None:
    slicing = {"discriminator": [{"type": "exists", "path": "text"}], "rules": "open"}
    definition = profile(
        "exists",
        "Observation",
        element("Observation.category", slicing=slicing),
        element("Observation.category:spoken", max="1"),
        element("Observation.category:spoken.text", min=1),
        element("Observation.category:coded", max="1"),
        element("Observation.category:coded.text", max="0"),
    )
    validator = knowing(definition)
    spoken = {"text": "x"}
    assert rules(validator.validate(observation(category=[spoken, coding("a")]), [TEST + "exists"])) == []
    found = rules(validator.validate(observation(category=[spoken, spoken]), [TEST + "exists"]))
    assert found == [("slicing", "Observation.category")]


def test_slices_by_the_profile_of_a_reference() -> None:
    """An item whose target cannot be reached may belong to the slice: its minimum is then not enforced."""
    female = profile("female", "Patient", element("Patient.gender", min=1, fixedCode="female"))
    slicing = {"discriminator": [{"type": "profile", "path": "resolve()"}], "rules": "open"}
    definition = profile(
        "focused",
        "Observation",
        element("Observation.focus", slicing=slicing),
        element("Observation.focus:her", min=1, type=[{"code": "Reference", "targetProfile": [TEST + "female"]}]),
    )
    validator = knowing(female, definition)

    def check(reference: str, gender: str) -> list[tuple[str, str]]:
        contained = [{"resourceType": "Patient", "id": "p", "gender": gender}]
        parts: dict[str, Any] = {"focus": [{"reference": reference}]}
        if reference == "#p":
            parts["contained"] = contained
        return rules(validator.validate(observation(**parts), [TEST + "focused"]))

    assert check("Patient/far", "male") == []
    assert check("#p", "female") == []
    assert check("#p", "male") == [("slicing", "Observation.focus")]
    assert check("Device/far", "") == [("slicing", "Observation.focus")]


class TestExtensions:
    definitions = (
        extension(
            "colour",
            "string",
            element("Extension.value[x]", maxLength=5),
            context=[{"type": "element", "expression": "Patient"}],
        ),
        profile(
            "coloured",
            "Patient",
            element(
                "Patient.extension", slicing={"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
            ),
            element("Patient.extension:colour", max="1", type=[{"code": "Extension", "profile": [TEST + "colour"]}]),
        ),
    )
    validator = knowing(*definitions)

    def check(self, *extensions: dict[str, Any], profiles: tuple[str, ...] = (), **parts: Any) -> list[tuple[str, str]]:
        patient = {"resourceType": "Patient", "active": True, "extension": list(extensions), **parts}
        if not extensions:
            del patient["extension"]
        return rules(self.validator.validate(patient, profiles))

    def test_a_known_extension_is_checked_without_any_profile(self) -> None:
        assert self.check({"url": TEST + "colour", "valueString": "blauw"}) == []
        found = self.check({"url": TEST + "colour", "valueBoolean": True})
        assert ("type", "Patient.extension[0].value") in found
        assert ("cardinality", "Patient.extension[0].value") in found
        assert self.check({"url": TEST + "colour", "valueString": "turquoise"}) == [
            ("length", "Patient.extension[0].value")
        ]

    def test_an_unknown_extension_is_left_alone(self) -> None:
        assert self.check({"url": "http://example.org/unknown", "valueString": "x"}) == []

    def test_an_extension_slice_matches_on_the_url_of_its_profile(self) -> None:
        one = {"url": TEST + "colour", "valueString": "rood"}
        assert self.check(one, one, profiles=(TEST + "coloured",)) == [("slicing", "Patient.extension")]

    def test_an_extension_stands_where_it_may(self) -> None:
        name = [{"family": "X", "extension": [{"url": TEST + "colour", "valueString": "rood"}]}]
        assert self.check(name=name) == [("extension", "Patient.name[0].extension[0]")]

    def test_an_unknown_modifier_extension_makes_the_resource_not_checkable(self) -> None:
        patient = {"resourceType": "Patient", "modifierExtension": [{"url": "http://example.org/x", "valueCode": "y"}]}
        assert self.validator.validate(patient).verdict == "unchecked"


class TestBindings:
    codes = value_set("colours", CODE, "rood", "blauw")

    def check(self, strength: str, concept: dict[str, Any], extra: tuple[dict[str, Any], ...] = ()) -> Any:
        bound = element("Observation.method", binding={"strength": strength, "valueSet": self.codes["url"]})
        validator = knowing(profile("bound", "Observation", bound), *(extra or (self.codes,)))
        return validator.validate(observation(method=concept), [TEST + "bound"])

    def test_required(self) -> None:
        assert self.check("required", coding("rood")).verdict == "ok"
        report = self.check("required", coding("groen"))
        assert rules(report) == [("binding", "Observation.method")]
        assert "groen" in report.findings[0].text_nl
        assert "blauw, rood" in report.findings[0].text_nl
        assert rules(self.check("required", {"text": "rood"})) == [("binding", "Observation.method")]

    def test_one_code_in_the_set_is_enough(self) -> None:
        both = {"coding": [{"system": "http://snomed.info/sct", "code": "386713009"}, *coding("rood")["coding"]]}
        assert self.check("required", both).verdict == "ok"

    def test_extensible_is_advice(self) -> None:
        report = self.check("extensible", coding("groen"))
        assert report.verdict == "ok"
        assert rules(report, "warning") == [("binding", "Observation.method")]

    def test_what_nobody_here_can_tell_is_not_checkable(self) -> None:
        """SC: a SNOMED code that no local source knows is never an error."""
        include = {"system": "http://snomed.info/sct", "filter": [{"property": "concept", "op": "is-a", "value": "1"}]}
        hierarchy = {"resourceType": "ValueSet", "url": self.codes["url"], "compose": {"include": [include]}}
        report = self.check("required", coding("386713009", "http://snomed.info/sct"), (hierarchy,))
        assert report.verdict == "unchecked"
        other = self.check("required", coding("386713009", "http://loinc.org"), (hierarchy,))
        assert rules(other) == [("binding", "Observation.method")]
        absent = profile("other", "Patient")
        assert self.check("required", coding("rood"), (absent,)).verdict == "unchecked"


def test_choices_are_narrowed_and_closed() -> None:
    definition = profile("narrow", "Observation", element("Observation.value[x]", type=[{"code": "Quantity"}]))
    report = knowing(definition).validate(observation(valueString="x"), [TEST + "narrow"])
    assert rules(report) == [("type", "Observation.value")]


def test_targets_of_references_are_types_and_profiles() -> None:
    named = profile("named", "Patient", element("Patient.name", min=1))
    target = [{"code": "Reference", "targetProfile": [TEST + "named"]}]
    definition = profile("about", "Observation", element("Observation.subject", type=target))
    validator = knowing(named, definition)

    def check(patient: dict[str, Any]) -> list[tuple[str, str]]:
        whole = observation(contained=[{"resourceType": "Patient", "id": "p", **patient}], subject={"reference": "#p"})
        return rules(validator.validate(whole, [TEST + "about"]))

    assert check({"name": [{"family": "X"}]}) == []
    assert check({}) == [("reference", "Observation.subject")]
    far = validator.validate(observation(subject={"reference": "Group/1"}), [TEST + "about"])
    assert rules(far) == [("reference", "Observation.subject")]


def test_invariants_of_profiles() -> None:
    rule = {
        "key": "t-1",
        "severity": "error",
        "human": "x",
        "expression": "component.where(code.text = 'x').count() <= 1",
    }
    advice = {"key": "t-2", "severity": "warning", "human": "y", "expression": "note.exists()"}
    endless = {"key": "t-3", "severity": "error", "human": "z", "expression": "descendants().descendants().nonsense("}
    definition = profile("ruled", "Observation", {**element("Observation"), "constraint": [rule, advice, endless]})
    report = knowing(definition).validate(observation(component=[{"code": {"text": "x"}}] * 2), [TEST + "ruled"])
    assert rules(report) == [("invariant:t-1", "Observation")]
    assert rules(report, "warning") == [("invariant:t-2", "Observation")]
    assert rules(report, "information") == [("invariant:t-3", "Observation")]


def test_every_claimed_profile_counts_and_ancestors_only_once() -> None:
    one = profile("one", "Observation", element("Observation.method", min=1))
    two = profile("two", "Observation", element("Observation.device", min=1), base=TEST + "one")
    three = profile("three", "Observation", element("Observation.issued", min=1))
    validator = knowing(one, two, three)
    claims = {"profile": [TEST + "one", TEST + "two", TEST + "three"]}
    report = validator.validate(observation(meta=claims))
    assert [place for _, place in rules(report)] == ["Observation.method", "Observation.device", "Observation.issued"]
    assert report.profiles == (TEST + "two", TEST + "three")
    assert rules(validator.validate({"resourceType": "Patient", "meta": claims}))[0][0] == "profile"


class TestBrokenDefinitions:
    @pytest.mark.parametrize(
        "definition",
        [
            profile("broken", "Observation", base=TEST + "broken"),
            profile("broken", "Observation", base=TEST + "absent"),
            {**profile("broken", "Observation"), "differential": {"element": "x"}},
            {
                **profile("broken", "Observation"),
                "differential": {"element": [{"id": "Observation", "type": [{"code": 1}]}]},
            },
            {
                **profile("broken", "Observation"),
                "differential": {"element": [{"id": "Observation", "slicing": {"discriminator": 7}}]},
            },
        ],
    )
    def test_a_broken_profile_is_a_finding_on_it(self, definition: dict[str, Any]) -> None:
        report = knowing(definition).validate(observation(), [TEST + "broken"])
        assert report.verdict in ("wrong", "ok")
        assert {finding.rule for finding in report.findings} <= {"profile"}

    def test_an_element_that_has_no_place_is_left_out_and_named(self) -> None:
        definition = profile("odd", "Observation", element("Observation.nowhere.text", min=1))
        validator = knowing(definition)
        assert validator.faults(TEST + "odd") == ["Observation.nowhere.text"]
        assert validator.faults(TEST + "none") == []
        assert validator.validate(observation(), [TEST + "odd"]).verdict == "ok"

    def test_circular_parents(self) -> None:
        one = profile("one", "Observation", base=TEST + "two")
        two = profile("two", "Observation", base=TEST + "one")
        report = knowing(one, two).validate(observation(status="x"), [TEST + "one"])
        assert {rule for rule, _ in rules(report)} == {"profile", "binding"}

    def test_an_extension_that_contains_itself(self) -> None:
        inner = [{"code": "Extension", "profile": [TEST + "loop"]}]
        loop = profile(
            "loop",
            "Extension",
            element("Extension.url", fixedUri=TEST + "loop"),
            element("Extension.extension:loop", type=inner),
        )
        nested: dict[str, Any] = {"url": TEST + "loop", "valueString": "x"}
        for _ in range(5):
            nested = {"url": TEST + "loop", "extension": [nested]}
        assert knowing(loop).validate(observation(extension=[nested])).verdict == "ok"

    def test_hostile_patterns_take_no_time(self) -> None:
        rule = {"key": "t-1", "severity": "error", "human": "x", "expression": "status.matches('^(a+)+$')"}
        definition = profile("hostile", "Observation", {**element("Observation"), "constraint": [rule]})
        started = time.process_time()
        report = knowing(definition).validate(observation(status="a" * 5_000 + "b"), [TEST + "hostile"])
        assert ("invariant:t-1", "Observation") in rules(report)
        assert time.process_time() - started < 10

    def test_patterns_that_cannot_be_bounded_are_not_run(self) -> None:
        rule = {"key": "t-1", "severity": "error", "human": "x", "expression": "status.matches('^(a+)+(?=b)$')"}
        definition = profile("hostile", "Observation", {**element("Observation"), "constraint": [rule]})
        report = knowing(definition).validate(observation(), [TEST + "hostile"])
        assert rules(report, "information") == [("invariant:t-1", "Observation")]
        assert report.verdict == "unchecked"


def test_the_zib_element_is_named_from_the_mappings() -> None:
    mapping = [
        {"identity": "hcim-basicelements-v1.0-2017EN", "map": "NL-CM:0.0.14", "comment": "DateTime"},
        {"identity": "hcim-problem-v4.1-2017EN", "map": "NL-CM:5.1.6", "comment": "ProblemStartDate"},
    ]
    root = [{"identity": "hcim-problem-v4.1-2017EN", "map": "NL-CM:5.1.1", "comment": "Problem"}]
    definition = profile(
        "problem",
        "Condition",
        {**element("Condition"), "alias": ["Probleem"], "mapping": root},
        element("Condition.onset[x]", alias=["ProbleemBeginDatum"], mapping=mapping, min=1),
    )
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}
    finding = knowing(definition).validate(condition, [TEST + "problem"]).findings[0]
    assert finding.zib == "Probleem, ProbleemBeginDatum, NL-CM 5.1.6"
    assert finding.concept == "5.1.6"
    assert "ProbleemBeginDatum (onset) ontbreekt" in finding.text_nl
    assert "ProblemStartDate (onset) is missing" in finding.text_en
    assert finding.definition == "Condition.onset[x]"
    assert finding.profile == TEST + "problem"
    assert HL7 not in finding.zib
