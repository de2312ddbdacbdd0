"""Invariants as closures: the part of FHIRPath that constraints use."""

from decimal import Decimal
from typing import Any

import pytest

from profiles.validation.expressions import compile_expression
from profiles.validation.items import BudgetExceeded, Env, Unsupported

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "birthDate": "1970-01-31",
    "_birthDate": {"extension": [{"url": "urn:time", "valueDateTime": "1970-01-31T10:00:00Z"}]},
    "name": [{"family": "Jansen", "given": ["Jan", "Piet"]}, {"text": "x"}],
    "multipleBirthInteger": 2,
    "generalPractitioner": [{"reference": "Practitioner/1"}, {"reference": "#o"}],
    "contained": [{"resourceType": "Organization", "id": "o"}],
    "extension": [{"url": "urn:weight", "valueQuantity": {"value": Decimal("70.50"), "code": "kg"}}],
}


def evaluate(text: str, focus: Any = PATIENT, **env: Any) -> list[Any]:
    return compile_expression(text)([focus], Env(PATIENT, PATIENT, **env))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name.family = 'Jansen'", [True]),
        ("name.given.count() = 2", [True]),
        ("name.where(family.exists()).given.first()", ["Jan"]),
        ("name.given[1]", ["Piet"]),
        ("name.all(family.exists() or text.exists())", [True]),
        ("name.select(family | text).count()", [2]),
        ("multipleBirth", [2]),
        ("multipleBirth is integer", [True]),
        ("multipleBirth is boolean", [False]),
        ("(multipleBirth as integer) > 1", [True]),
        ("deceased.empty()", [True]),
        ("deceased = true", []),
        ("deceased = true and active", []),
        ("deceased = true or active", [True]),
        ("deceased.exists() implies active.not()", [True]),
        ("active xor deceased.exists()", [True]),
        ("birthDate.extension('urn:time').value.exists()", [True]),
        ("birthDate.hasValue() and name.hasValue().not()", [True]),
        ("birthDate < '1980-01-01'", [True]),
        ("birthDate <= @1970-01-31", [True]),
        ("extension.value.value >= 70.5", [True]),
        ("extension('urn:weight').value.ofType(Quantity).code", ["kg"]),
        ("generalPractitioner.resolve().where($this is Practitioner).count()", [1]),
        ("generalPractitioner[1].resolve() is Organization", [True]),
        ("'urn:weight' in extension.url", [True]),
        ("extension.url contains 'urn:weight'", [True]),
        ("name.family.startsWith('Jan') and name.family.matches('^J.*n$')", [True]),
        ("name.family.substring(1, 3)", ["ans"]),
        ("name.family & ', ' & name.given.first()", ["Jansen, Jan"]),
        ("name.family.length() + 1", [7]),
        ("('a' | 'b' | 'a').count()", [2]),
        ("('1' | '2').select(toInteger()).where($this > 1)", [2]),
        ("name.given.isDistinct()", [True]),
        ("descendants().where(resourceType = 'x').empty()", [True]),
        ("{}.exists()", [False]),
        ("%resource.id = 'p' and %ucum = 'http://unitsofmeasure.org'", [True]),
        ("iif(active, 'ja', 'nee')", ["ja"]),
        ("name.given.subsetOf('Jan' | 'Piet')", [True]),
        ("name.given.intersect({'Jan', 'Kees'})", ["Jan"]),
        ("name.`family`", ["Jansen"]),
        ("-1 < 0", [True]),
        ("'it\\'s' = 'it\\u0027s'", [True]),
    ],
)
def test_expressions_of_constraints(text: str, expected: list[Any]) -> None:
    found = evaluate(text, resolve=lambda url: PATIENT["contained"][0] if url == "#o" else None)
    assert found == expected


@pytest.mark.parametrize(
    "text", ["", "name.", "name.nonsense()", "(name", "'open", "name where", "%unknown", "a" * 30_000]
)
def test_what_is_not_covered_is_refused_when_compiled(text: str) -> None:
    with pytest.raises(Unsupported):
        compile_expression(text)


def test_work_is_bounded() -> None:
    deep: dict[str, Any] = {}
    for _ in range(50):
        deep = {"a": [deep] * 3}
    with pytest.raises(BudgetExceeded):
        evaluate("descendants().descendants().exists()", deep, steps=1_000)
