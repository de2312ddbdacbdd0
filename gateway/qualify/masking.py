"""Reports are passed around: what they show of traffic holds no token and no citizen service number."""

import re

LIMIT = 4_000

_NUMBER = re.compile(r"(?<!\d)\d{9}(?!\d)")
_BEARER = re.compile(r"(?i)(bearer\s+)\S+")
_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)


def masked(text: str) -> str:
    """The text with bearer tokens and nine-digit numbers that pass the eleven test taken out."""
    return _NUMBER.sub(_hide, _BEARER.sub(r"\1(masked)", text))


def excerpt(text: str, limit: int = LIMIT) -> str:
    """The beginning of a text, masked, with a note of what was left out."""
    head = masked(text[:limit])
    return head if len(text) <= limit else f"{head}\n... ({len(text) - limit} more characters)"


def _hide(found: re.Match[str]) -> str:
    digits = [int(digit) for digit in found[0]]
    total = sum(weight * digit for weight, digit in zip(_WEIGHTS, digits, strict=True))
    return found[0] if total % 11 else "(masked)"
