"""The functions of FHIRPath on text, with bounds on what a text may become and on what a pattern is tried."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.state import MAX_MATCHED, MAX_TEXT, Build, Evaluate, Items, Scope
from profiles.fhirpath.values import as_text, plain, with_values


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.DOTALL)
    except (re.error, RecursionError, OverflowError) as error:
        raise FhirPathError(f"FHIRPath: not a regular expression: {error}") from None


def _text_function(name: str, call: Callable[..., Any]) -> Build:
    """A function of one text and text arguments; empty when any of them is."""

    def build(args: list[Evaluate]) -> Evaluate:
        def run(scope: Scope, focus: Items) -> Items:
            inputs = [with_values(focus), *(with_values(arg(scope, scope.this)) for arg in args)]
            if not all(inputs):
                return []
            texts = [plain(values[0]) for values in inputs]
            if any(len(values) > 1 for values in inputs) or not all(isinstance(text, str) for text in texts):
                raise FhirPathError(f"FHIRPath: {name}() needs a single text")
            result = call(*texts)
            if isinstance(result, str) and len(result) > MAX_TEXT:
                raise FhirPathError(f"FHIRPath: {name}() gives too long a text")
            return result if isinstance(result, list) else [result]

        return run

    return build


def _searched(text: str) -> str:
    """A text that may meet a regular expression: not so long that a common pattern takes seconds."""
    if len(text) > MAX_MATCHED:
        raise FhirPathError(f"FHIRPath: a text of more than {MAX_MATCHED} characters is not matched")
    return text


def _matches(text: str, pattern: str) -> bool:
    return _pattern(pattern).search(_searched(text)) is not None


def _replace_matches(text: str, pattern: str, substitution: str) -> str:
    replacement = re.sub(r"\$(\d)", r"\\\1", substitution.replace("\\", "\\\\"))
    return _pattern(pattern).sub(replacement, _searched(text))


def _to_string(items: Items) -> Items:
    values = with_values(items)
    return [as_text(values[0])] if len(values) == 1 and not isinstance(plain(values[0]), dict | list) else []


TEXTS: dict[str, tuple[int, int, Build]] = {
    "toString": (0, 0, lambda args: lambda scope, focus: _to_string(focus)),
    "matches": (1, 1, _text_function("matches", _matches)),
    "replaceMatches": (2, 2, _text_function("replaceMatches", _replace_matches)),
    "replace": (2, 2, _text_function("replace", lambda text, old, new: text.replace(old, new))),
    "startsWith": (1, 1, _text_function("startsWith", lambda text, part: text.startswith(part))),
    "endsWith": (1, 1, _text_function("endsWith", lambda text, part: text.endswith(part))),
    "contains": (1, 1, _text_function("contains", lambda text, part: part in text)),
    "indexOf": (1, 1, _text_function("indexOf", lambda text, part: text.find(part))),
    "split": (1, 1, _text_function("split", lambda text, part: text.split(part) if part else list(text))),
    "upper": (0, 0, _text_function("upper", lambda text: text.upper())),
    "lower": (0, 0, _text_function("lower", lambda text: text.lower())),
    "trim": (0, 0, _text_function("trim", lambda text: text.strip())),
    "length": (0, 0, _text_function("length", len)),
}
