"""The mapping language: formulas, functions and templates, as docs/mapping.md describes them."""

import contextlib
import inspect
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world.mapping_files import read_mapping

from adapters.mapping import formula
from adapters.mapping.compiled import CompiledSection, UnmappedTally, compile_mapping
from adapters.mapping.faults import MappingFaults
from adapters.mapping.file import MappingFile
from adapters.mapping.formula import FormulaError
from adapters.mapping.functions import functions
from adapters.mapping.template import RecordError, TemplateCompiler, TemplateError
from adapters.mapping.terms import TermMap, Terms
from adapters.port import AdapterMisconfigured, WrongPatient

PAGE = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text("utf-8")

TERMS = Terms(
    {
        "state": TermMap(map={"A": "active"}),
        "known": TermMap(system="urn:s", map={"1": {"code": "one", "display": "Eén"}}, otherwise="text"),
        "rest": TermMap(map={"A": "active"}, otherwise="unknown"),
        "gone": TermMap(map={"A": "active"}, otherwise="omit"),
    },
    {"snomed": "http://snomed.info/sct"},
)


def compute(source: Any, **row: Any) -> Any:
    compiler = TemplateCompiler(functions(TERMS), frozenset(TERMS.maps), frozenset({"children"}))
    return compiler.part(source, "here").compute(row)


@pytest.mark.parametrize(
    ("source", "row", "expected"),
    [
        ("=a", {"a": " x "}, "x"),
        ("='it''s'", {}, "it's"),
        ("=concat('a', b, 3)", {"b": None}, "a3"),
        ("=join(' ', a, b, c)", {"a": "x", "b": None, "c": "z"}, "x z"),
        ("=default(a, b, 'c')", {"a": None, "b": ""}, "c"),
        ("=if(equals(a, 'J', 'Y'), 1, 2)", {"a": "Y"}, 1),
        ("=if(not(present(a)), 'x')", {"a": "  "}, "x"),
        ("=all(present(a), present(b))", {"a": 1, "b": None}, False),
        ("=any(present(a), present(b))", {"a": 1, "b": None}, True),
        ("=before(a, '2026-01-01')", {"a": date(2025, 12, 31)}, True),
        ("=before(a, 3)", {"a": "2.50"}, True),
        ("=date(a)", {"a": "2026-03-01 10:00:00"}, "2026-03-01"),
        ("=date(a)", {"a": "2026-03"}, "2026-03"),
        ("=date(a, 'dd-mm-yyyy')", {"a": "01-03-2026"}, "2026-03-01"),
        ("=date(a, 'yyyymmdd')", {"a": "20260301"}, "2026-03-01"),
        ("=datetime(a)", {"a": "2026-07-01 10:00:00"}, "2026-07-01T10:00:00+02:00"),
        ("=datetime(a)", {"a": datetime(2026, 1, 1, 9, tzinfo=UTC)}, "2026-01-01T10:00:00+01:00"),
        ("=datetime(a)", {"a": date(2026, 1, 1)}, "2026-01-01"),
        ("=datetime(a, 'UTC', 'yyyymmddhhmmss')", {"a": "20260301101500"}, "2026-03-01T10:15:00+00:00"),
        ("=decimal(a)", {"a": "1.50"}, Decimal("1.50")),
        ("=decimal(a, ',')", {"a": "1.234,50"}, Decimal("1234.50")),
        ("=integer(a)", {"a": "3.0"}, 3),
        ("=boolean(a, 'J', 'N')", {"a": "N"}, False),
        ("=boolean(a)", {"a": 1}, True),
        ("=code(a, 'state')", {"a": "A"}, "active"),
        ("=code(a, 'rest')", {"a": "Z"}, "unknown"),
        ("=code(a, 'gone')", {"a": "Z"}, None),
        ("=coding(a, 'known')", {"a": 1}, {"system": "urn:s", "code": "one", "display": "Eén"}),
        ("=concept(a, 'known')", {"a": "9"}, {"text": "9"}),
        (
            "=coded(a, 'snomed', 'x')",
            {"a": "1"},
            {"coding": [{"system": "http://snomed.info/sct", "code": "1", "display": "x"}]},
        ),
        ("=coded(a, 'snomed', b, b)", {"a": None, "b": "vrij"}, {"text": "vrij"}),
        ("=plaincoding(a, 'urn:x')", {"a": "1"}, {"system": "urn:x", "code": "1"}),
        ("=identifier(a, 'snomed')", {"a": "7"}, {"system": "http://snomed.info/sct", "value": "7"}),
        ("=reference('Medication', a, 'M')", {"a": "x/1"}, {"reference": "Medication/x-1", "display": "M"}),
        ("=link('Patient', a)", {"a": None}, None),
        ("=id('lab', a)", {"a": 12}, "lab-12"),
        ("=base64(a)", {"a": b"%PDF"}, "JVBERg=="),
        ("=text(a)", {"a": True}, "true"),
        (
            "=quantity(a, 'mmHg', 'mm[Hg]')",
            {"a": "120"},
            {"value": Decimal(120), "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
        ),
    ],
)
def test_functions(source: str, row: dict[str, Any], expected: Any) -> None:
    found = compute(source, **row)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("source", "row", "words"),
    [
        ("=date(a)", {"a": "31-31-2026"}, "not a date"),
        ("=datetime(a)", {"a": "2026-01-01 99:00"}, "not a moment"),
        ("=decimal(a)", {"a": "3,5 mg"}, "not a number"),
        ("=decimal(a)", {"a": "1e999999999"}, "not a number"),
        ("=decimal(a)", {"a": "NaN"}, "not a number"),
        ("=integer(a)", {"a": "3.5"}, "not a whole number"),
        ("=boolean(a, 'J', 'N')", {"a": "?"}, "neither yes nor no"),
        ("=code(a, 'state')", {"a": "Geheim"}, "not in the terminology map"),
        ("=id(a)", {"a": "x" * 65}, "more than 64"),
        ("=a", {"a": 1.5}, "decimal()"),
        ("=a", {"a": date(2026, 1, 1)}, "date()"),
        ("=b", {"a": 1}, "unexpected kind"),
        ("=datetime(a, 'Mars/Crater')", {"a": "2026-01-01 10:00:00"}, "not a time zone"),
    ],
)
def test_a_value_that_does_not_fit_is_named_by_its_place_and_never_shown(
    source: str, row: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecordError) as caught:
        compute({"x": source}, **row)
    assert words in str(caught.value)
    assert str(caught.value).startswith("here.x: ")
    assert "Geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("=nonsense(a)", "there is no function nonsense()"),
        ("=date()", "cannot take 0 values"),
        ("=code(a, 'nowhere')", "needs the name of a terminology map"),
        ("=code(a, b)", "needs the name of a terminology map"),
        ("=coded(a, b)", "code system as a fixed text"),
        ("=concat('a'", "a comma or ) is missing"),
        ("=", "missing at the end"),
        ("=a b", "unexpected 'b'"),
        ("=a; drop", "cannot read"),
        ("=" + "text(" * 30 + "a" + ")" * 30, "nested too deep"),
    ],
)
def test_a_mistake_in_a_formula_is_found_when_the_mapping_is_compiled(source: str, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compute({"x": source})
    assert words in str(caught.value)


@given(st.text(alphabet="abc()',= 12._\"\n", max_size=40))
def test_any_text_is_a_formula_or_a_formula_error(source: str) -> None:
    with contextlib.suppress(FormulaError):
        formula.parse(source)


def test_an_object_whose_formulas_give_nothing_is_left_out_with_its_constants() -> None:
    template = {"keep": "x", "gone": {"value": "=a", "unit": "kg"}, "list": [{"system": "s", "value": "=a"}]}
    assert compute(template, a=None) is None
    assert compute({**template, "live": "=b"}, a=None, b="1") == {"keep": "x", "live": "1"}
    assert compute({"only": "constants"}) == {"only": "constants"}


def test_a_condition_keeps_or_drops_an_object_of_constants() -> None:
    template = [{"$if": "=equals(a, 'J')", "code": "x"}, {"code": "y"}]
    assert compute(template, a="J") == [{"code": "x"}, {"code": "y"}]


def test_child_rows_see_their_parent() -> None:
    row = {"name": "p", "$children": {"children": [{"kind": "a"}, {"kind": None}, {"kind": "b", "name": "own"}]}}
    found = compute([{"$each": "children", "value": "=kind", "of": "=if(present(kind), name)"}], **row)
    assert found == [{"value": "a", "of": "p"}, {"value": "b", "of": "own"}]


# -- whole mappings ----------------------------------------------------------------------------------------------------

SECTION: dict[str, Any] = {
    "type": "Condition",
    "query": "select * from problem where patient_id = :patient",
    "resource": {"id": "=id(problem_id)", "subject": "=reference('Patient', patient_id)", "code": {"text": "=name"}},
}


def section(**changes: Any) -> CompiledSection:
    made = {
        "mapping": "m",
        "version": "stu3",
        "patient": {"query": "select patient_id from patient where bsn = :bsn"},
        "sections": {"problem": {**SECTION, **changes}},
    }
    return compile_mapping(MappingFile.model_validate(made)).sections[0]


def test_rows_become_resources_as_they_stream() -> None:
    def endless() -> Any:
        number = 0
        while True:
            number += 1
            yield {"patient_id": 7, "problem_id": number, "name": "x"}

    made = section().run(endless(), "7", {}, UnmappedTally())
    assert next(made) == {
        "resourceType": "Condition",
        "id": "1",
        "subject": {"reference": "Patient/7"},
        "code": {"text": "x"},
    }
    assert next(made)["id"] == "2"


def test_a_row_of_another_patient_is_an_incident() -> None:
    rows = [{"patient_id": "8", "problem_id": 1, "name": "x"}]
    with pytest.raises(WrongPatient):
        list(section().run(rows, "7", {}, UnmappedTally()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resource": {"code": {"text": "x"}, "subject": "=a"}}, "a resource needs an id"),
        ({"resource": {"id": "=a", "code": {"text": "x"}}}, "does not say whose it is"),
        ({"shared": True}, "is about a patient and cannot be shared"),
        ({"zib": {"name": "P", "elements": {"Naam": "code.coding.code"}}}, "there is no code.coding.code"),
        ({"resource": {"id": "=a", "subject": "=a", "x": {"$each": "gone"}}}, "no child rows called 'gone'"),
        ({"resource": {"id": "=a", "subject": "=a", "x": {"$wat": 1}}}, "unknown instruction $wat"),
    ],
)
def test_a_section_that_cannot_work_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(MappingFaults) as caught:
        section(**changes)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mapping: a\nmapping: b\n", "at line"),
        ("mapping: [", "cannot be read"),
        ("mapping: a\nversion: r9\n", "version"),
        ("colour: blue\n", "colour"),
    ],
)
def test_a_file_that_cannot_be_read_names_the_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(AdapterMisconfigured) as caught:
        read_mapping(path)
    assert "m.yaml" in caught.value.text
    if words != "colour":
        assert words in caught.value.text


def test_yaml_does_not_turn_codes_into_something_else(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        "mapping: m\nversion: stu3\nterms: {t: {map: {N: no, Y: yes, D: 2026-01-01}}}\n"
        "patient: {query: select patient_id from p where bsn = :bsn}\nsections: {}\n",
        "utf-8",
    )
    found = {key: term.code for key, term in read_mapping(path).terms["t"].map.items()}
    assert found == {"N": "no", "Y": "yes", "D": "2026-01-01"}


# -- the page ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(functions(TERMS)))
def test_the_page_documents_the_function_word_for_word(name: str) -> None:
    described = " ".join((inspect.getdoc(functions(TERMS)[name].call) or "").split()).replace("|", "\\|")
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    assert described
    assert described in row


def test_the_page_names_no_function_that_is_not_there_and_its_examples_can_be_read() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| `=(.+)` \|$", PAGE, re.MULTILINE)
    assert {name for name, _ in rows} == set(functions(TERMS))
    for name, example in rows:
        assert f"{name}(" in example
        formula.parse(example)


def test_the_first_section_of_the_page_can_be_compiled(tmp_path: Path) -> None:
    path = tmp_path / "page.yaml"
    path.write_text(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0], "utf-8")
    assert [one.name for one in compile_mapping(read_mapping(path)).sections] == ["problem"]
