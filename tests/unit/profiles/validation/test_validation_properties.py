"""Properties: whatever comes in, a report comes out; what is broken is found."""

import copy
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.profiles.validation.small_definitions import (
    TEST,
    element,
    extension,
    knowing,
    observation,
    profile,
    value_set,
)

from profiles.validation.run.findings import as_outcome, as_text
from profiles.validation.run.htmlreport import as_html

NAMES = st.sampled_from(
    [
        *(
            "resourceType",
            "id",
            "meta",
            "profile",
            "status",
            "_status",
            "code",
            "coding",
            "system",
            "value",
            "valueString",
        ),
        *("valueQuantity", "component", "extension", "modifierExtension", "url", "contained", "subject", "reference"),
        *("text", "div", "entry", "resource", "fullUrl", "type", "identifier", "category", "name", "given", "_given"),
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["Observation", "Patient", "Bundle", "#", "#a", "final", TEST + "mixed", "Patient/1", "2020", "\x00"]
    ),
    st.text(max_size=8),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(NAMES, st.text(max_size=4)), inner, max_size=5)
    ),
    max_leaves=25,
)
KINDS = st.sampled_from(["Observation", "Patient", "Bundle", "Condition", "Parameters", "Questionnaire", "Binary"])

SLICED = {"discriminator": [{"type": "value", "path": "coding.code"}], "rules": "closed"}
MIXED = profile(
    "mixed",
    "Observation",
    element("Observation.category", slicing=SLICED, min=1),
    element("Observation.category:a", patternCodeableConcept={"coding": [{"system": "urn:a", "code": "a"}]}),
    element("Observation.category:b.coding.code", fixedCode="b", min=1),
    element("Observation.subject", type=[{"code": "Reference", "targetProfile": [TEST + "named"]}]),
    element("Observation.method", binding={"strength": "required", "valueSet": "http://example.org/ValueSet/v"}),
)
VALIDATOR = knowing(
    MIXED,
    profile("named", "Patient", element("Patient.name", min=1)),
    extension("e", "string"),
    value_set("v", "urn:v", "x"),
)


@given(kind=KINDS, body=st.dictionaries(NAMES, JSON, max_size=8), asked=st.sampled_from([(), (TEST + "mixed",)]))
@settings(max_examples=400, deadline=None)
def test_any_json_gives_a_report_that_can_be_shown(kind: str, body: dict[str, Any], asked: tuple[str, ...]) -> None:
    body = {**body, "resourceType": kind}
    before = copy.deepcopy(body)
    report = VALIDATOR.validate(body, asked)
    assert not any("fault in the validator" in finding.text_en for finding in report.findings)
    assert body == before
    assert as_text(report, "x", "nl")
    assert as_outcome(report, "en")["issue"]
    assert "<html" in as_html([("x", report)])


@given(value=JSON)
@settings(max_examples=100, deadline=None)
def test_anything_at_all_may_be_offered(value: Any) -> None:
    assert VALIDATOR.validate(value).verdict in ("ok", "wrong", "unchecked")


RIGHT = observation(
    category=[{"coding": [{"system": "urn:a", "code": "a"}]}],
    component=[{"code": {"text": "x"}, "valueQuantity": {"value": Decimal("1.50")}}],
    subject={"reference": "#p", "identifier": {"system": "urn:x", "value": "1"}},
    contained=[
        {
            "resourceType": "Patient",
            "id": "p",
            "name": [{"family": "X"}],
            "link": [{"other": {"reference": "Patient/2"}, "type": "seealso"}],
        }
    ],
)


def places(value: Any, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The pointers of all objects in a resource."""
    found = [here] if isinstance(value, dict) else []
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found.extend(places(child, (*here, key)))
    return found


@given(place=st.sampled_from(places(RIGHT)), name=st.from_regex(r"\A[a-z]{3,12}Xyz\Z"), value=JSON)
@settings(max_examples=200, deadline=None)
def test_an_unknown_element_is_always_found(place: tuple[str | int, ...], name: str, value: Any) -> None:
    assert VALIDATOR.validate(RIGHT, [TEST + "mixed"]).verdict == "ok"
    broken = copy.deepcopy(RIGHT)
    target: Any = broken
    for step in place:
        target = target[step]
    target[name] = value
    findings = VALIDATOR.validate(broken, [TEST + "mixed"]).findings
    assert any(finding.rule == "unknown" and finding.expression.endswith("." + name) for finding in findings)


@given(
    place=st.sampled_from(
        [("status",), ("code",), ("category",), ("component", 0, "code"), ("contained", 0, "link", 0, "other")]
    )
)
@settings(deadline=None)
def test_a_required_element_that_is_gone_is_always_found(place: tuple[str | int, ...]) -> None:
    broken = copy.deepcopy(RIGHT)
    target: Any = broken
    for step in place[:-1]:
        target = target[step]
    del target[place[-1]]
    findings = VALIDATOR.validate(broken, [TEST + "mixed"]).findings
    assert any(finding.rule == "cardinality" and finding.expression.endswith(f".{place[-1]}") for finding in findings)
