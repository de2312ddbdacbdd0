"""Resources as plain data, and the literal reference that one makes to another."""

from functools import lru_cache
from typing import Any

Resource = dict[str, Any]
"""A FHIR resource as JSON-like data: dict, list, str, bool, int and Decimal. Never a float, never a model."""

REMEMBERED = 200
"""References that are longer are not kept in memory."""


def copied(value: Any) -> Any:
    """A copy of plain data that shares no object and no list with it."""
    if isinstance(value, dict):
        return {key: copied(held) if isinstance(held, dict | list) else held for key, held in value.items()}
    if isinstance(value, list):
        return [copied(held) for held in value]
    return value


def local_reference(text: str) -> tuple[str, str] | None:
    """Split a literal reference into type and id.

    ``Patient/1``, ``Patient/1/_history/2`` and ``https://host/base/Patient/1`` give ``("Patient", "1")``.
    Fragments, urns and anything that does not end in ``Type/id`` give None.
    A record names the same few again and again.
    """
    return _remembered(text) if len(text) < REMEMBERED else _split(text)


def _split(text: str) -> tuple[str, str] | None:
    if text.startswith(("#", "urn:")):
        return None
    parts = text.split("?", 1)[0].split("/_history/", 1)[0].rstrip("/").split("/")
    if len(parts) < 2 or not parts[-2][:1].isupper() or not parts[-2].isalpha() or not parts[-1]:
        return None
    return parts[-2], parts[-1]


_remembered = lru_cache(maxsize=8192)(_split)


def claimed_profiles(resource: Resource) -> list[str]:
    """The profiles that a resource claims, as they stand in ``meta.profile``; none where that is no list."""
    meta = resource.get("meta")
    given = meta.get("profile") if isinstance(meta, dict) else None
    return [url for url in given if isinstance(url, str)] if isinstance(given, list) else []
