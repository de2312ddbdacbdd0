"""JSON from outside is read strictly; every refusal says what is wrong and where."""

from decimal import Decimal

import pytest

from profiles.fhir.codec import jsonio
from profiles.fhir.codec.limits import JSON_DEPTH
from profiles.fhir.errors import FormatError

REFUSED = [
    (b'{"id":"1",\n "id":"2"}', "duplicate key", 2, 2),
    (b'{"a":{"b":1,"c":2,\n"b":3}}', "duplicate key", 2, 1),
    (b'{"a":NaN}', "expected a value", 1, 6),
    (b'{"a":-Infinity}', "expected a value", 1, 6),
    (b'{"a":1e999999999}', "exponent", 1, 6),
    (b'{"a":0.1e-500}', "exponent", 1, 6),
    (b'{"a":' + b"9" * 200 + b"}", "more than 128 characters", 1, 6),
    (b'{"a":' + b"9" * 9000 + b"}", "more than 128 characters", 1, 6),
    (b'{"a":01}', "expected a comma", 1, 7),
    (b'{"a":"\\ud800"}', "character that FHIR does not allow", 1, 6),
    (b'{"a":"\\udc00\\ud800"}', "character that FHIR does not allow", 1, 6),
    (b'{"a":"\\u0000"}', "character that FHIR does not allow", 1, 6),
    (b'{"a":"\\u001F"}', "character that FHIR does not allow", 1, 6),
    ('{"a":"\uffff"}'.encode(), "character that FHIR does not allow", 1, 6),
    (b'{"a":"x\x00"}', "control character", 1, 6),
    (b'{"a":"x\n"}', "control character", 1, 6),
    (b'{"a":"\xff"}', "not UTF-8", 1, 7),
    (b'{\n"a":"\xed\xa0\x80"}', "not UTF-8", 2, 6),
    (b'{"a":1', "ends too early", 1, 7),
    (b'{"a":"1', "without an end", 1, 6),
    (b"", "expected a value", 1, 1),
    (b"[1]", "a JSON object", 1, 1),
    (b'"text"', "a JSON object", 1, 1),
    (b'{"a":1} x', "text after the end", 1, 9),
    (b'{"a":[1,]}', "expected a value", 1, 9),
    (b'{"a":1,}', "expected a key", 1, 8),
    (b"{'a':1}", "expected a key", 1, 2),
    (b'{"a" 1}', "expected a colon", 1, 6),
    (b'{"a":True}', "expected a value", 1, 6),
    (b'{"a":1}// comment', "text after the end", 1, 8),
]


@pytest.mark.parametrize(("data", "text", "line", "column"), REFUSED)
def test_a_fault_is_named_with_its_place(data: bytes, text: str, line: int, column: int) -> None:
    with pytest.raises(FormatError, match=text) as refusal:
        jsonio.parse(data)
    assert (refusal.value.line, refusal.value.column) == (line, column)


def test_a_fault_is_named_with_its_path() -> None:
    with pytest.raises(FormatError) as refusal:
        jsonio.parse(b'{"name":[{"given":["a"]},{"family":"b","family":"secret"}]}')
    assert refusal.value.expression == "name[1].family"
    assert "secret" not in str(refusal.value)
    assert str(refusal.value) == "name[1].family: duplicate key (line 1, column 40)"


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [JSON_DEPTH + 1, 900, 100_000])
def test_deep_nesting_is_refused(opening: bytes, depth: int) -> None:
    closing = b"]" if opening == b"[" else b"}"
    inner = (opening * (depth - 1)) + b"1" + closing * (depth - 1)
    with pytest.raises(FormatError, match="nested deeper"):
        jsonio.parse(b'{"x":' + inner + b"}")


def test_nesting_up_to_the_limit_is_read() -> None:
    jsonio.parse(b'{"x":' + b"[" * (JSON_DEPTH - 1) + b"]" * (JSON_DEPTH - 1) + b', "y":[' + b"[]," * 200 + b"[]]}")


@pytest.mark.parametrize(
    "tail", [b']", "a":1}', b']", "b":NaN}', b']", "b":"\\ud800"}', b']", "b":' + b"[" * 201 + b"]" * 201 + b"}"]
)
def test_a_fault_in_a_big_document_is_refused_without_a_long_search(tail: bytes) -> None:
    with pytest.raises(FormatError):
        jsonio.parse(b'{"a":"[' + b"x" * 1_000_000 + tail)


@pytest.mark.parametrize(
    "text", ["\\\\ud800", "\\ud83d\\ude00", "\\u000a\\u0009", "\\\\\\ufffd", "\\uD83D\\uDE00\\\\u0000"]
)
def test_escapes_that_look_forbidden_but_are_not(text: str) -> None:
    assert jsonio.parse(b'{"a":"%s"}' % text.encode())


@pytest.mark.parametrize("text", ["\\ud83d\\n\\ude00", "\\\\\\u0000", "\\ude00", "\\ud83d\\ud83d\\ude00", "\\ufffE"])
def test_escapes_that_are_forbidden(text: str) -> None:
    with pytest.raises(FormatError, match="character that FHIR does not allow"):
        jsonio.parse(b'{"a":"%s"}' % text.encode())


def test_a_document_over_the_limit_is_refused() -> None:
    with pytest.raises(FormatError, match="larger than 10 bytes"):
        jsonio.parse(b'{"id":"12345"}', max_size=10)


def test_brackets_and_escapes_inside_text_are_only_text() -> None:
    text = "[" * 300 + "{\\ud800" + '"'
    found = jsonio.parse(jsonio.dump({"resourceType": "Basic", "id": text}))
    assert found["id"] == text


def test_a_byte_order_mark_is_skipped_and_characters_beyond_the_basic_plane_are_read() -> None:
    assert jsonio.parse(b'\xef\xbb\xbf{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_numbers_are_read_as_they_are() -> None:
    found = jsonio.parse(b'{"a":1.50,"b":7,"c":1.0E+2,"d":0.00000001,"e":12345678901234567890}')
    assert [type(value) for value in found.values()][1] is int
    assert all(isinstance(found[key], Decimal) for key in "acd")
    assert jsonio.dump(found) == b'{"a":1.50,"b":7,"c":1.0E+2,"d":0.00000001,"e":12345678901234567890}'


def test_a_spelled_number_is_copied_with_its_spelling() -> None:
    import copy
    import pickle

    value = jsonio.parse(b'{"a":1e2}')["a"]
    for other in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert (str(other), other) == ("1e2", Decimal(100))


def test_what_is_no_resource_data_is_not_written() -> None:
    with pytest.raises(TypeError):
        jsonio.dump({"when": object()})
