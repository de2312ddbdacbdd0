"""The BSN: what can be one, how it is written, and that nothing of it is left after masking (IDN-06, IDN-07)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth import crypto
from profiles.record.bsn import bsn_of, find_bsn, is_bsn_system, may_stand_in, pattern_of, plain_bsn, starred, valid_bsn
from profiles.record.repair import mask_bsn, may_hold_bsn

BSN = "999990019"
SYSTEM = "http://fhir.nl/fhir/NamingSystem/bsn"
WRITTEN = [
    "999990019", "999 990 019", "999.990.019", "999-990-019", "9999 90 019", "999\u00a0990\u00a0019",
    "999\u2011990\u2011019",
    "&#57;99990019", "999&#x39;90019", "999&nbsp;990&nbsp;019", "999&#160;990&#xA0;019",
    "999 &shy;990019", "999/990/019",
]  # fmt: skip


@given(st.integers(0, 10**9 - 1).map("{:09d}".format) | st.text(max_size=12))
def test_both_eleven_tests_are_equal(text: str) -> None:
    """``auth`` may import nothing of ours, so it has its own."""
    assert valid_bsn(text) is crypto.valid_bsn(text)


@pytest.mark.parametrize("text", WRITTEN)
def test_a_number_is_recognised_however_it_is_written(text: str) -> None:
    assert plain_bsn(text) == BSN
    assert find_bsn({"identifier": [{"system": SYSTEM, "value": text}]}) == BSN
    note: dict[str, Any] = {"resourceType": "Flag", "text": {"div": f"<div>nr. {text}, gezien</div>"}}
    assert may_hold_bsn(json.dumps(note, ensure_ascii=False).encode(), BSN)
    assert [repair.rule for repair in mask_bsn(note, [BSN])] == ["bsn-masked"]
    assert note["text"]["div"].startswith("<div>nr. *")
    assert note["text"]["div"].endswith("*, gezien</div>")
    assert not any(figure.isdigit() for figure in note["text"]["div"])


def test_the_zero_that_was_left_off() -> None:
    assert plain_bsn("12345672") == "012345672"
    found = pattern_of(["012345672"])
    assert found is not None
    assert found.sub("*", "nr 12345672 en 012345672 en 912345672") == "nr * en * en 912345672"


@pytest.mark.parametrize(
    ("system", "known"),
    [
        (SYSTEM, True),
        (f"{SYSTEM}/", True),
        ("https://fhir.nl/fhir/namingsystem/BSN", True),
        ("urn:oid:2.16.840.1.113883.2.4.6.3", True),
        ("2.16.840.1.113883.2.4.6.3", True),
        ("http://www.fhir.nl/fhir/NamingSystem/bsn", True),
        ("urn:oid:2.16.840.1.113883.2.4.6.30", False),
        ("http://fhir.nl/fhir/NamingSystem/bsn-other", False),
        (None, False),
    ],
)
def test_the_system_is_recognised_when_it_is_written_a_little_otherwise(system: Any, known: bool) -> None:
    assert is_bsn_system(system) is known
    assert (bsn_of({"system": system, "value": BSN}) == BSN) is known


def test_other_numbers_and_words_are_left_alone() -> None:
    flag = {
        "resourceType": "Flag",
        "identifier": [{"system": SYSTEM, "value": "onbekend"}, {"system": SYSTEM, "value": "0"}],
        "code": {"text": "onbekend, 0 keer, 999990019 en 99999001"},
    }
    assert [repair.expression for repair in mask_bsn(flag)] == ["Flag.identifier[0].value", "Flag.identifier[1].value"]
    assert flag["code"] == {"text": "onbekend, 0 keer, 999990019 en 99999001"}
    assert starred("1 999990019 999990018") == "1 ********* 999990018"


@given(
    st.lists(st.sampled_from(["", " ", ".", "-", "\u00a0", "&nbsp;", "&#160;"]), min_size=8, max_size=8),
    st.text(max_size=5),
)
def test_no_way_of_writing_it_leaves_it_in(between: list[str], around: str) -> None:
    text = around + BSN[0] + "".join(gap + digit for gap, digit in zip(between, BSN[1:], strict=True))
    flag = {"resourceType": "Flag", "code": {"text": text}}
    assert may_hold_bsn(json.dumps(flag, ensure_ascii=False).encode(), BSN)
    mask_bsn(flag, [BSN])
    assert BSN not in plain_bsn(flag["code"]["text"].removeprefix(around))  # type: ignore[index]


@given(
    st.lists(st.sampled_from([*"0123456789", "9999", "9001", "&#57;", "&nbsp;", " ", "\u00a0", "-", "ab", "\n", "é"])),
    st.sampled_from(["999990019", "012345672", "abc12345", "0"]),
)
def test_the_quick_look_misses_nothing(pieces: list[str], number: str) -> None:
    text = "".join(pieces)
    pattern = pattern_of([number])
    if pattern is not None and pattern.search(text):
        assert may_stand_in(text.encode(), [number])


def test_a_text_without_the_number_is_seen_at_once() -> None:
    assert not may_stand_in(b'{"value":"12345678","code":"999990018"}', ["999990019"])
    assert may_stand_in("nr 9 9999-0019 é".encode(), ["999990019"])
