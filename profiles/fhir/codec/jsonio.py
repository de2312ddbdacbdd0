"""Resources from and to JSON: strict for what comes from outside, fast for what is ours.

``parse`` accepts UTF-8 (a byte order mark is skipped) and one JSON object. It refuses, besides what is not JSON:
duplicate keys, NaN and Infinity, numbers out of bounds, characters that XML cannot hold (NUL and other control
characters, lone surrogates, U+FFFE and U+FFFF), deep nesting and big documents.
"""

import json
import re
from typing import Any

import msgspec

from profiles.fhir.codec.jsonscan import find_fault
from profiles.fhir.codec.limits import JSON_DEPTH, MAX_LOCATED, MAX_SIZE
from profiles.fhir.codec.numbers import Spelled, read_decimal, read_integer
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource

_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates
    r"|\\[^u]"
    r"|(\\u(?:00(?:0[0-8bBcCeEfF]|1[0-9a-fA-F])|[dD][89a-fA-F]|[fF]{3}[eEfF]))"  # what XML cannot hold
)
_BOM = b"\xef\xbb\xbf"


def parse(data: bytes, *, max_size: int = MAX_SIZE) -> Resource:
    """Read one resource that came from outside; raises FormatError with line and column, and nothing else."""
    if len(data) > max_size:
        raise FormatError(f"the document is larger than {max_size} bytes")
    text = _text(data)
    try:
        parsed = _STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise _located(FormatError("not JSON", line=error.lineno, column=error.colno), text) from None
    except FormatError as error:
        raise _located(error, text) from None
    except RecursionError:
        raise _located(FormatError(f"nested deeper than {JSON_DEPTH}"), text) from None
    if _holds_forbidden(text):
        raise _located(FormatError("a string with a character that FHIR does not allow"), text)
    if _is_deeper(parsed, text):
        raise _located(FormatError(f"nested deeper than {JSON_DEPTH}"), text)
    if not isinstance(parsed, dict):
        raise FormatError("a resource is a JSON object", line=1, column=1)
    return parsed


def load(data: bytes) -> Any:
    """Read JSON that we wrote ourselves: fast, without the checks of ``parse``; non-integers become Decimal."""
    return _FAST.decode(data)


def dump(resource: Any) -> bytes:
    """Write compact UTF-8 JSON in which every number keeps its digits."""
    return _ENCODER.encode(resource)


def canonical(resource: Any) -> bytes:
    """JSON in which the order of names tells nothing: equal bytes are equal content, digits included."""
    return _SORTED.encode(resource)


def _text(data: bytes) -> str:
    try:
        return (data[3:] if data.startswith(_BOM) else data).decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise FormatError("the document is not UTF-8", line=before.count(b"\n") + 1, column=column) from None


def _object(pairs: list[tuple[str, Any]]) -> Resource:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FormatError("duplicate key")
    return found


def _constant(name: str) -> Any:
    raise FormatError(f"{name} is not a JSON number")


def _located(error: FormatError, text: str) -> FormatError:
    """The error with its exact place, unless the text is long."""
    return error if len(text) > MAX_LOCATED else find_fault(text) or error


def _holds_forbidden(text: str) -> bool:
    """Whether a string holds a character that we refuse; raw control characters are refused by the decoder."""
    if "\ufffe" in text or "\uffff" in text:
        return True
    return "\\u" in text and any(match[1] for match in _ESCAPES.finditer(text))


def _is_deeper(found: Any, text: str) -> bool:
    """Whether the nesting goes beyond the limit."""
    if text.count("{") + text.count("[") <= JSON_DEPTH:
        return False
    level = [found]
    for _ in range(JSON_DEPTH):
        level = [
            value
            for node in level
            for value in (node.values() if type(node) is dict else node)
            if type(value) is dict or type(value) is list
        ]
        if not level:
            return False
    return True


def _spell(value: Any) -> msgspec.Raw:
    if isinstance(value, Spelled):
        return msgspec.Raw(str(value).encode())
    raise TypeError(f"{type(value).__name__} is not part of a resource")


_STRICT = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=read_decimal, parse_int=read_integer, parse_constant=_constant
)
_FAST: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=read_decimal)
_SORTED = msgspec.json.Encoder(decimal_format="number", enc_hook=_spell, order="sorted")
_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=_spell)
