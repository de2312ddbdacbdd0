"""The functions of FHIRPath on text (section 5.6), with bounds on what a text may become."""

import base64
import binascii
import html
import json
from collections.abc import Callable
from typing import Any, Final

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.evaluation import MAX_TEXT, Closure, Evaluation
from profiles.fhirpath.items import Items, valued
from profiles.fhirpath.makers import FunctionRow, on_value, one
from profiles.fhirpath.patterns import guarded


def _on_text(
    run: Callable[..., Any], least: int = 0, most: int | None = None, *, cost: Callable[..., int] | None = None
) -> FunctionRow:
    """A function of one text; FhirPathError for another value, or for a result that is too long."""

    def checked(text: Any, *values: Any) -> Any:
        if not isinstance(text, str):
            raise FhirPathError("FHIRPath: a single text is expected")
        found = run(text, *values)
        if isinstance(found, str) and len(found) > MAX_TEXT:
            raise FhirPathError("FHIRPath: a function of text gives too long a text")
        return found

    return on_value(checked, least, most, cost=cost)


def _with_texts(run: Callable[..., Any], count: int, *, cost: Callable[..., int] | None = None) -> FunctionRow:
    """A function of one text and texts as arguments."""

    def checked(text: str, *values: Any) -> Any:
        if not all(isinstance(value, str) for value in values):
            raise FhirPathError("FHIRPath: a text is expected as argument")
        return run(text, *values)

    return _on_text(checked, count, cost=cost)


def _matching(text: Any, pattern: Any, *_: Any) -> int:
    return guarded(pattern).cost(len(text)) if isinstance(text, str) and isinstance(pattern, str) else 0


def _substring(text: str, start: Any, length: Any = None) -> str | None:
    if type(start) is not int or (length is not None and type(length) is not int):
        raise FhirPathError("FHIRPath: substring() needs whole numbers")
    if not 0 <= start < len(text):
        return None
    return text[start:] if length is None else text[start : start + max(0, length)]


def _replaced(text: str, old: str, new: str) -> str:
    if (text.count(old) + 1) * len(new) + len(text) > 2 * MAX_TEXT:
        raise FhirPathError("FHIRPath: replace() gives too long a text")
    return text.replace(old, new)


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _join(left: Closure, arguments: list[Closure]) -> Closure:
    def run(focus: Items, env: Evaluation) -> Items:
        values = [one([item]) for item in valued(left(focus, env))]
        separator = one(arguments[0](focus, env)) if arguments else ""
        if not all(isinstance(value, str) for value in [*values, separator]):
            raise FhirPathError("FHIRPath: join() needs texts")
        if sum(map(len, values)) + len(separator) * len(values) > MAX_TEXT:
            raise FhirPathError("FHIRPath: join() gives too long a text")
        return [separator.join(values)] if values else []

    return run


def _encoded(text: str, form: str) -> str | None:
    data = text.encode()
    if form == "hex":
        return data.hex()
    if form == "base64":
        return base64.b64encode(data).decode()
    return base64.urlsafe_b64encode(data).decode() if form == "urlbase64" else None


def _decoded(text: str, form: str) -> str | None:
    readers = {"hex": bytes.fromhex, "base64": base64.b64decode, "urlbase64": base64.urlsafe_b64decode}
    try:
        return readers[form](text).decode() if form in readers else None
    except (ValueError, binascii.Error):
        return None


def _escaped(text: str, target: str) -> str | None:
    return html.escape(text) if target == "html" else json.dumps(text)[1:-1] if target == "json" else None


def _unescaped(text: str, target: str) -> str | None:
    if target == "html":
        return html.unescape(text)
    try:
        found = json.loads(f'"{text}"', strict=False) if target == "json" else None
    except ValueError:
        return None
    return found if isinstance(found, str) else None


TEXTS: Final[dict[str, FunctionRow]] = {
    "length": _on_text(len),
    "upper": _on_text(str.upper),
    "lower": _on_text(str.lower),
    "trim": _on_text(str.strip),
    "toChars": _on_text(list),
    "substring": _on_text(_substring, 1, 2),
    "indexOf": _with_texts(str.find, 1),
    "startsWith": _with_texts(str.startswith, 1),
    "endsWith": _with_texts(str.endswith, 1),
    "contains": _with_texts(lambda text, part: part in text, 1),
    "replace": _with_texts(_replaced, 2),
    "matches": _with_texts(lambda text, pattern: guarded(pattern).matches(text), 1, cost=_matching),
    "replaceMatches": _with_texts(lambda text, pattern, new: guarded(pattern).replaced(text, new), 2, cost=_matching),
    "split": _with_texts(_split, 1),
    "join": FunctionRow(0, 1, _join),
    "encode": _with_texts(_encoded, 1),
    "decode": _with_texts(_decoded, 1),
    "escape": _with_texts(_escaped, 1),
    "unescape": _with_texts(_unescaped, 1),
}
"""Functions of one text, by name."""
