"""The FHIRPath functions of one string or number."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from profiles.validation.items import BudgetExceeded, Env, Items, bare
from profiles.validation.operators import Closure
from profiles.validation.patterns import safe_pattern

Maker = Callable[[Closure, list[Closure]], Closure]


def _on_string(run: Callable[[str, list[Any]], Any]) -> Maker:
    """Functions of one string; empty in gives empty out."""

    def make(left: Closure, arguments: list[Closure]) -> Closure:
        def call_it(focus: Items, env: Env) -> Items:
            items = left(focus, env)
            if len(items) != 1 or not isinstance(bare(items[0]), str | int | Decimal | bool):
                return []
            values = []
            for argument in arguments:
                found = argument(focus, env)
                if not found:
                    return []
                values.append(bare(found[0]))
            result = run(_string(bare(items[0])), values)
            return [] if result is None else [result]

        return call_it

    return make


def _string(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str] | None:
    return safe_pattern(text)


def _matches(text: str, values: list[Any]) -> bool | None:
    pattern = _pattern(str(values[0]))
    if pattern is None:
        raise BudgetExceeded
    return pattern.search(text[:10_000]) is not None


def _substring(text: str, values: list[Any]) -> str | None:
    start = values[0]
    if not isinstance(start, int) or not 0 <= start < len(text):
        return None
    return text[start : start + values[1]] if len(values) > 1 and isinstance(values[1], int) else text[start:]


def _integer(text: str, values: list[Any]) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else None


def _decimal(text: str, values: list[Any]) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


STRINGS: Final[dict[str, Maker]] = {
    "toString": _on_string(lambda text, _: text),
    "toInteger": _on_string(_integer),
    "toDecimal": _on_string(_decimal),
    "length": _on_string(lambda text, _: len(text)),
    "startsWith": _on_string(lambda text, values: text.startswith(str(values[0]))),
    "endsWith": _on_string(lambda text, values: text.endswith(str(values[0]))),
    "contains": _on_string(lambda text, values: str(values[0]) in text),
    "lower": _on_string(lambda text, _: text.lower()),
    "upper": _on_string(lambda text, _: text.upper()),
    "replace": _on_string(
        lambda text, values: text.replace(str(values[0]), str(values[1])) if len(values) == 2 else None
    ),
    "matches": _on_string(_matches),
    "substring": _on_string(_substring),
}
"""Functions of one string, by name."""
