"""A code system as a package publishes it: its codes, which stand below which, and whether they are all there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_CONCEPTS: Final = 200_000


@dataclass(frozen=True)
class CodeSystem:
    """A code system with its codes and their parents."""

    url: str
    codes: frozenset[str]
    complete: bool
    parents: Mapping[str, frozenset[str]]
    folded: frozenset[str] | None = None

    def below(self, top: str, *, itself: bool) -> frozenset[str]:
        """The codes under a concept (and the concept itself, if wanted)."""
        codes = {top} & self.codes
        grew = True
        while grew:
            more = {code for code, parents in self.parents.items() if code not in codes and parents & codes}
            grew = bool(more)
            codes |= more
        return frozenset(codes if itself else codes - {top})


def read_system(url: str, data: Mapping[str, Any]) -> CodeSystem | None:
    """The code system that a definition holds; None when it is malformed."""
    codes: set[str] = set()
    parents: dict[str, set[str]] = {}
    try:
        for code, parent, concept in _concepts(data.get("concept") or ()):
            codes.add(code)
            above = parents.setdefault(code, set())
            if parent is not None:
                above.add(parent)
            for row in concept.get("property", ()):
                if row.get("code") in ("subsumedBy", "parent", "partOf"):
                    above.add(str(row.get("valueCode") or row.get("valueString")))
    except (TypeError, AttributeError, KeyError):
        return None
    complete = data.get("content") == "complete" and bool(codes) and len(codes) < MAX_CONCEPTS
    folded = None if data.get("caseSensitive", True) else frozenset(code.casefold() for code in codes)
    frozen = {code: frozenset(above) for code, above in parents.items() if above}
    return CodeSystem(url, frozenset(codes), complete, frozen, folded)


def _concepts(rows: Any) -> Iterator[tuple[str, str | None, Mapping[str, Any]]]:
    queue: list[tuple[Mapping[str, Any], str | None]] = [(row, None) for row in rows]
    count = 0
    while queue:
        concept, parent = queue.pop()
        code = str(concept["code"])
        count += 1
        if count > MAX_CONCEPTS:
            return
        yield code, parent, concept
        queue.extend((child, code) for child in concept.get("concept", ()))
