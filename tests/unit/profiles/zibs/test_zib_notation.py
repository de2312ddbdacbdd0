"""The notation of the tables reads what it writes, and says no to what is not in it."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.zibs.notation import TableError, cardinality, read, types
from profiles.zibs.writer import write

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufeff"))
SCALAR = st.one_of(
    TEXT,
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.decimals(-(10**6), 10**6, places=2, allow_nan=False).map(abs),
)
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)


@given(st.dictionaries(TEXT.filter(lambda key: key not in ("include", "codes")), VALUE, max_size=4))
def test_what_is_written_reads_back(row: dict[str, Any]) -> None:
    table = {"structure": "http://example.org/one", "elements": {"Patient.name": row}}
    assert read(write(table), "one.yaml") == table


def test_text_that_yaml_might_take_for_something_else_stays_text() -> None:
    found = read(
        'card: 1..1\ncodes: [NO, on, 010, 12:30, 2017-12-31, 1_000, ~, 1e3, "7"]\nleast: 0.50\nmost: 10\n', "x"
    )
    assert found == {
        "card": "1..1",
        "codes": ["NO", "on", "010", "12:30", "2017-12-31", "1_000", "~", "1e3", "7"],
        "least": Decimal("0.50"),
        "most": 10,
    }
    assert str(found["least"]) == "0.50"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("structure: [", "line 2"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 3: the key 'c' stands twice"),
        ("- a\n- b\n", "holds no mapping"),
        ("a: !!python/object:os.system x\n", "line 1"),
        ("a: \x00\n", "is not readable as YAML text"),
    ],
)
def test_text_that_is_no_table_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(TableError) as caught:
        read(text, "zib-Problem.yaml")
    assert str(caught.value).startswith("zib-Problem.yaml: ")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"), [("1..1", (1, "1")), ("0..*", (0, "*")), ("1..", (1, None)), ("..0", (None, "0"))]
)
def test_cardinalities(text: str, found: tuple[int | None, str | None]) -> None:
    assert cardinality(text) == found


@pytest.mark.parametrize("text", ["", "..", "1", "2..1", "*..1", "1...1", "-1..1", "one..many"])
def test_what_is_no_cardinality_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cardinality|highest"):
        cardinality(text)


def test_types_with_their_targets() -> None:
    assert types("dateTime, Reference(nl-core-patient, zib-Problem), Extension(http://example.org/x)") == [
        ("dateTime", []),
        ("Reference", ["nl-core-patient", "zib-Problem"]),
        ("Extension", ["http://example.org/x"]),
    ]


@pytest.mark.parametrize("text", ["Reference(", "Reference nl-core-patient", "dateTime; Period", "(x)", "a,,b"])
def test_what_is_no_list_of_types_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="list of types"):
        types(text)
