"""Mapping coverage: which zib elements are mapped, and how often they are filled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from profiles.fhir.tree import Resource
from profiles.zibs.load import tables


@dataclass(frozen=True, slots=True)
class ElementCoverage:
    """One zib element of one section: mapped or not, why not, and in how many of how many records it is filled."""

    section: str
    zib: str
    element: str
    mapped: bool
    reason: str = ""
    filled: int | None = None
    records: int | None = None


def reaches(template: Any, path: Sequence[str]) -> bool:
    """Whether a template has something at a path; a formula on the way counts, it gives the whole element."""
    if isinstance(template, str) and template.startswith("="):
        return True
    if isinstance(template, list):
        return any(reaches(item, path) for item in template)
    if not path:
        return True
    if not isinstance(template, Mapping):
        return False
    return path[0] in template and reaches(template[path[0]], path[1:])


def has(node: Any, path: Sequence[str]) -> bool:
    """Whether a resource has a value at a path."""
    if isinstance(node, list):
        return any(has(item, path) for item in node)
    if not path:
        return node is not None
    return isinstance(node, dict) and path[0] in node and has(node[path[0]], path[1:])


NOT_CLINICAL = "NL-CM:0.0."
"""Concept ids of the part that all zibs share (author, subject, identifier): no element of the zib itself."""


@cache
def zib_elements(profile: str) -> frozenset[str]:
    """The Dutch names of the elements of the zib behind a profile; empty when there is no table of it."""
    named = (one.split("|") for one in tables().names(profile).values())
    parts = [[part.strip() for part in one] for one in named]
    return frozenset(part[1] for part in parts[1:] if len(part) > 1 and not part[0].startswith(NOT_CLINICAL))


def measure(
    section: str,
    zib: str,
    elements: Mapping[str, str],
    missing: Mapping[str, str],
    resources: Iterable[Resource] = (),
    profile: str | None = None,
) -> list[ElementCoverage]:
    """The coverage of one section, over records when there are any.

    With a ``profile``, the elements of the zib that the mapping is silent about are listed too.
    """
    held = list(resources)
    rows = []
    for element, path in elements.items():
        filled = sum(has(one, path.split(".")) for one in held) if held else None
        rows.append(ElementCoverage(section, zib, element, True, "", filled, len(held) if held else None))
    silent = zib_elements(profile) - elements.keys() - missing.keys() if profile else ()
    unfilled = {**missing, **dict.fromkeys(sorted(silent), "not in the mapping")}
    return rows + [ElementCoverage(section, zib, element, False, why) for element, why in unfilled.items()]
