"""Why a text cannot be read is told in Dutch, with its line and column, for every reason that the codec has."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.profiles.validation.small_definitions import knowing

import profiles.fhir.codec
from profiles.validation.run.inputs import validate_text
from profiles.validation.run.messages import in_dutch

CODEC = Path(profiles.fhir.codec.__file__).parent
READING = ("jsonio.py", "jsonscan.py", "numbers.py", "xmlio.py", "xmlread.py", "xhtml.py")
ELSEWHERE = {"not a fragment", "must be a string"}
"""Reasons of who writes."""


def reasons() -> Iterator[str]:
    """The texts of the refusals of the modules that read, with 7 where a name or number stands."""
    for name in READING:
        for node in ast.walk(ast.parse((CODEC / name).read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            text = node.args[0]
            if called not in ("FormatError", "_fail"):
                continue
            if isinstance(text, ast.Constant):
                yield str(text.value)
            elif isinstance(text, ast.JoinedStr):
                yield "".join(str(one.value) if isinstance(one, ast.Constant) else "7" for one in text.values)


@pytest.mark.parametrize("reason", sorted(set(reasons()) - ELSEWHERE))
def test_every_reason_has_dutch_words(reason: str) -> None:
    assert in_dutch(reason) != reason


@pytest.mark.parametrize(
    ("text", "line", "dutch", "english"),
    [
        ('{\n "resourceType": "Patient",\n "id": }', 3, "hier hoort een waarde te staan", "expected a value"),
        ('{"resourceType": "Patient"\n "id": "p"}', 2, "hier hoort een komma of } te staan", "expected a comma or }"),
        ('{"id": "a", "id": "b"}', 1, "dezelfde naam staat er twee keer", "duplicate key"),
        ('<Patient xmlns="http://hl7.org/fhir">\n<gendr value="x"/></Patient>', 2, "onbekend element gendr",
         "unknown element gendr"),
    ],
    ids=["no value", "no comma", "twice", "xml"],
)  # fmt: skip
def test_what_cannot_be_read_is_told_in_both_languages(text: str, line: int, dutch: str, english: str) -> None:
    (finding,) = validate_text(text.encode(), lambda _version: knowing()).findings
    assert finding.text_nl == f"De tekst is niet te lezen: {dutch}."
    assert finding.text_en == f"The text cannot be read: {english}."
    assert finding.line == line
    assert finding.column


def test_a_reason_that_nobody_translated_stays_as_it_is() -> None:
    assert in_dutch("something of tomorrow") == "something of tomorrow"
