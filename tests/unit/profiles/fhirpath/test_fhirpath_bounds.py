"""No expression, pattern or resource takes forever, fills memory or breaks out: it ends with an answer or an error."""

import re
import time
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from profiles import fhirpath
from profiles.fhir.version import FhirVersion
from profiles.fhirpath import FhirPathError
from profiles.fhirpath.automaton import Automaton, NotRegular
from profiles.fhirpath.functions import FUNCTIONS
from profiles.fhirpath.parser import MAX_DEPTH
from profiles.fhirpath.patterns import MAX_LENGTH, guarded

WIDE = {"resourceType": "Patient", "name": [{"given": ["x"] * 300}]}


@pytest.mark.parametrize(
    "text",
    [
        "descendants().select(%resource.descendants().select(%resource.descendants()))",
        "(1|2|3|4|5|6|7|8|9)" + ".select((1|2|3|4|5|6|7|8|9)" * 9 + ")" * 9,
        "name.given" + ".select($this | name.combine(%resource.name.given))" * 40,
        "name.given" + ".combine(%resource.name.given)" * 99 + ".select(%resource.descendants())" * 3,
        "%resource.descendants().repeat(%resource.descendants().select(%resource.descendants()))",
        "name.given.first()" + ".replace('x','xxxxxxxxxx')" * 9,
        "{1}.repeat($this + 1)",
        "{1}.repeat('a' & $this.toString())",
        "2" + ".power(60)" * 3 + ".toString().length() > 100",
        "descendants().where(%resource.name = %resource.name).where(%resource.name ~ %resource.name)",
        f"descendants().where('{'a' * 5000}b'.matches('^(a+)+$').not())",
        f"descendants().where('{'ab' * 5000}'.matches('a.*b.*c'))",
        f"descendants().where('{'a' * 9000}'.replace('a', '{'b' * 100}').replace('b', 'cc').length() > 0)",
        "descendants().aggregate($total & $this.toString() & 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '')",
        "descendants().aggregate($total.combine($total).combine($this), 1)",
    ],
)  # fmt: skip
def test_runaway_expressions_end(text: str) -> None:
    started = time.process_time()
    try:
        found = fhirpath.compile(text).evaluate(WIDE)
    except FhirPathError:
        found = []
    assert len(found) <= 3_000_000
    assert time.process_time() - started < 30


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000 + "1" + ")" * 5_000,
        "not(" * (MAX_DEPTH + 1) + "true" + ")" * (MAX_DEPTH + 1),
        "-" * 5_000 + "1",
        "a" + "[0]" * 5_000,
        "a" + ".b" * 5_000,
        "1" + "+1" * 5_000,
        "{" * 3_000,
        "a is " + "(" * 5_000,
        "true or " * 4_000 + "true",
        "a." + "where(" * 3_000,
    ],
)
def test_what_is_nested_too_deep_or_too_long_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(FhirPathError, match=r"too deep|longer"):
        fhirpath.compile(text)


def test_as_deep_as_is_allowed_is_also_evaluated() -> None:
    deepest = "iif(true, " * (MAX_DEPTH - 2) + "1" + ")" * (MAX_DEPTH - 2)
    assert fhirpath.compile(deepest).evaluate({}) == [1]


def test_deep_data_is_an_error_or_an_answer() -> None:
    deep: dict[str, Any] = {"resourceType": "Patient"}
    for _ in range(100_000):
        deep = {"resourceType": "Patient", "extension": [deep]}
    for text in (
        "descendants().count()",
        "descendants().distinct().count()",
        "extension = extension",
        "extension ~ {}",
    ):
        try:
            fhirpath.compile(text).evaluate(deep)
        except FhirPathError:
            continue


@pytest.mark.parametrize(
    "number", [Decimal("1E+400000000"), Decimal("1E-400000000"), Decimal("NaN"), 10**5000, 1e308], ids=range(5)
)
@pytest.mark.parametrize("name", sorted({*FUNCTIONS, "+ 1", "* 1.5", "div 3", "mod 7", "/ 3", "> 1", "~ 1.2", "& 'x'"}))
def test_a_number_out_of_all_bounds_costs_nothing(number: Any, name: str) -> None:
    text = f"value {name}" if name not in FUNCTIONS else f"value.{name}({', '.join('1' * FUNCTIONS[name].least)})"
    started = time.process_time()
    with suppress(FhirPathError):
        fhirpath.compile(text).evaluate({"value": number})
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"^(a+)+$", "a" * 10_000 + "b", False),
        (r"^(a|a)*$", "a" * 10_000, True),
        (r"(x+x+)+y", "x" * 10_000, False),
        (r".*a.*b.*c.*d", "abc" * 3_000, False),
        (r"^urn:oid:[0-2](\.(0|[1-9]\d*))*$", "urn:oid:2.16.840" + ".1" * 5_000, True),
        (r"^urn:oid:[0-2](\.(0|[1-9]\d*))*$", "urn:oid:2.16." + "1" * 5_000 + "x", False),
        (r"^[A-Za-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*(\[x])?)*$", "Observation.value[x]", True),
    ],
)
def test_a_pattern_that_backtracks_is_answered_all_the_same(pattern: str, text: str, expected: bool) -> None:
    started = time.process_time()
    assert guarded(pattern).matches(text) is expected
    assert time.process_time() - started < 10


@pytest.mark.parametrize("pattern", ["(", "[", "*", "x" * (MAX_LENGTH + 1), r"(?P<a", "a{2000}{2000}" * 90])
def test_what_is_no_pattern_or_too_long_is_refused(pattern: str) -> None:
    with pytest.raises(FhirPathError):
        guarded(pattern).matches("x" * 1_000)


@pytest.mark.parametrize("pattern", [r"(a+)+(?=b)", r"(a+)+\1", r"((?i:a)+)+"])
def test_what_only_backtracking_can_answer_is_refused_where_it_could_take_forever(pattern: str) -> None:
    with pytest.raises(FhirPathError, match="not tried"):
        guarded(pattern).matches("a" * 50)


def test_a_text_of_any_length_is_not_cut_before_it_is_matched() -> None:
    with pytest.raises(FhirPathError, match="not matched"):
        guarded("x$").matches("a" * 30_000 + "x")
    with pytest.raises(FhirPathError, match="replace"):
        guarded("(a+)+").replaced("a" * 50, "b")


REGULAR = st.recursive(
    st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\d", r"\w", "^", "$", r"[\da-b]", "ab"]),
    lambda inner: st.one_of(
        st.builds("({}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])),
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda many: f"({'|'.join(many)})"),
    ),
    max_leaves=8,
)


@given(REGULAR, st.text(alphabet="ab0\n", max_size=7))
@example("^(a|b)*$", "ab\n")
@settings(max_examples=250, deadline=None)
def test_the_automaton_finds_what_python_finds(pattern: str, text: str) -> None:
    from re import _parser

    expected = re.search(pattern, text, re.DOTALL) is not None
    try:
        assert Automaton(_parser.parse(pattern, re.DOTALL)).search(text) is expected  # type: ignore[attr-defined]
    except NotRegular:
        assert len(pattern) > 40


@given(pattern=st.text(alphabet="ab()+*?|[]{}0123,\\d^$.", max_size=20), text=st.text(alphabet="ab0", max_size=30))
@settings(max_examples=300, deadline=10_000)
def test_any_pattern_is_refused_or_ends_in_time(pattern: str, text: str) -> None:
    with suppress(FhirPathError):
        assert guarded(pattern).matches(text * 100) in (True, False)


NAMES = ["name", "given", "value", "extension", "resourceType", "url", "birthDate", "contained", "Patient", "start"]
ATOMS = st.sampled_from([
    *NAMES, "$this", "$index", "$total", "%resource", "%ucum", "{}", "true", "1", "1.50", "'a'", "'2026-01-01'",
    "@2026", "@2026-01-01T10:00:00Z", "@T10:00", "5 'mg'", "3 days", "'^(a|b)*$'", "0", "-1", "{1, 'a'}",
])  # fmt: skip
SIGNS = st.sampled_from([
    "=", "!=", "~", "!~", "<", ">", "<=", ">=", "|", "&", "+", "-", "*", "/", "div", "mod", "in", "contains", "and",
    "or", "xor", "implies",
])  # fmt: skip
KINDS = st.sampled_from(["string", "Quantity", "boolean", "Patient", "System.String", "FHIR.date", "Element", "Other"])


def called(subject: str, name: str, arguments: list[str]) -> str:
    """A call with as many arguments as the function takes."""
    row = FUNCTIONS[name]
    given = [*arguments[: row.most], *["1"] * (row.least - len(arguments))]
    return f"{subject}.{name}({', '.join(given)})"


EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, SIGNS, inner),
        st.builds("{}.{}".format, inner, st.sampled_from(NAMES)),
        st.builds(called, inner, st.sampled_from(sorted(FUNCTIONS)), st.lists(inner, max_size=3)),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["is", "as"]), KINDS),
        st.builds("{}.{}({})".format, inner, st.sampled_from(["is", "as", "ofType"]), KINDS),
        st.builds("-{}".format, inner),
    ),
    max_leaves=10,
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    # Not the signalling kind: no reader gives it, and it cannot even be compared with itself.
    st.decimals(allow_nan=None).filter(lambda number: not number.is_snan()),
    st.floats(),
    st.sampled_from(["Patient", "2026", "2026-02-30", "10:30", "a", "#a", "Patient/1", "", "\x00"]),
)
KEYS = st.sampled_from([*NAMES, "_value", "_given", "valueString", "valueQuantity", "_valueString", "fhir_comments"])
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=15,
)


def fault_of(text: str, *data: Any) -> FhirPathError | None:
    """Evaluate an expression in every way; the error with which it ends, if it does."""
    try:
        expression = fhirpath.Expression(text)
        found = expression.evaluate(*data)
        assert all(isinstance(fhirpath.as_text(one), str) for one in found)
        assert expression.truth(*data) in (True, False)
        assert isinstance(expression.blame(*data), list)
    except FhirPathError as error:
        return error
    return None


@given(text=EXPRESSIONS, data=JSON, version=st.sampled_from(FhirVersion))
@settings(max_examples=600, deadline=None)
def test_any_expression_over_any_data_gives_values_or_says_why_not(text: str, data: Any, version: FhirVersion) -> None:
    """A fault of our own would be told as "failed" with the name of the exception: there is none."""
    error = fault_of(text, data, version)
    assert error is None or "evaluation failed" not in str(error), (text, data, error.__cause__)


@given(text=st.one_of(st.text(max_size=40), st.text(alphabet="abc().'=|&<> where$this[]0,%{}\\@T-`\"/*", max_size=60)))
@settings(max_examples=300, deadline=None)
def test_any_text_is_an_expression_or_refused_with_the_place_of_the_fault(text: str) -> None:
    error = fault_of(text, {"resourceType": "Patient", "name": [{"given": ["a"]}]})
    assert error is None or error.position is None or 0 <= error.position <= len(text)
