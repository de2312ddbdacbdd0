"""Reports are passed around: what they show of traffic holds no token and no citizen service number."""

import re

LIMIT = 4_000

_BEARER = re.compile(r"(?i)(bearer\s+)\S+")
_SYSTEM = r"NamingSystem(?:/|%2F)bsn(?![\w-])"
_AFTER = re.compile(rf"(?i)({_SYSTEM}(?:%[0-9A-F]{{2}}|[^0-9%]){{0,120}}?)[0-9]{{8,9}}(?![0-9])")
_BEFORE = re.compile(rf"(?i)(?<![0-9])[0-9]{{8,9}}((?:%[0-9A-F]{{2}}|[^0-9%]){{0,120}}?{_SYSTEM})")


def masked(text: str) -> str:
    """The text without bearer tokens, and without the numbers that stand next to the system of the number (BSN)."""
    text = _BEARER.sub(r"\1(masked)", text)
    return _BEFORE.sub(r"(masked)\1", _AFTER.sub(r"\1(masked)", text)) if "bsn" in text else text


def excerpt(text: str, limit: int = LIMIT) -> str:
    """The beginning of a text, masked, with a note of what was left out."""
    head = masked(text[:limit])
    return head if len(text) <= limit else f"{head}\n... ({len(text) - limit} more characters)"
