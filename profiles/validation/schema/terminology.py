"""Which codes belong to a value set: a chain of sources that may answer yes, no, or "cannot tell here".

First the codes that the value set lists, then the code systems that came with the packages (whole, or filtered by
hierarchy), then a terminology service when one is configured, then "cannot tell". Only a code that a local source can
decide about is ever called wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from profiles.validation.schema import ecl
from profiles.validation.schema.codestore import CodeStore
from profiles.validation.schema.codesystem import CodeSystem, read_system
from profiles.validation.schema.definitions import Definitions, plain
from profiles.validation.schema.extents import Extent, expansion, intersection, merge, remove

Server = Callable[[str, str, str], "bool | None"]
"""A terminology service: value set URL, system, code -> in it or not, or None when it did not answer in time."""

MAX_IMPORTS = 16
MAX_KEPT = 20_000


class ValueSet:
    """A compiled value set."""

    def __init__(self, url: str, extents: Mapping[str, Extent], server: Server | None = None, title: str = "") -> None:
        self.url = url
        self.title = title
        self.extents = dict(extents)
        self._server = server
        self._codes: dict[str | None, frozenset[str]] = {key: extent.codes for key, extent in self.extents.items()}

    def has(self, system: Any, code: Any) -> bool | None:
        """Whether a code is in the set; None when no source here can tell."""
        if type(code) is not str or not (system is None or type(system) is str):
            return False
        known = self._codes.get(system)
        if known is not None and code in known:
            return True
        if system is None:
            return None if any(extent.open or extent.rules for extent in self.extents.values()) else False
        return self._rest(self.extents.get(system), system, code)

    def _rest(self, extent: Extent | None, system: str, code: str) -> bool | None:
        """What is left when no list has the code: no, unless the set is open for its system (or altogether)."""
        anything = self.extents.get("")
        if extent is not None and extent.rules and (told := extent.tell(code)) is not None:
            return told or (None if anything is not None and anything.open else False)
        if extent is not None and extent.rules:
            return self._server(self.url, system, code) if self._server is not None else None
        if not (extent is not None and extent.open) and not (anything is not None and anything.open):
            return False
        return self._server(self.url, system, code) if self._server is not None else None

    def codes(self) -> frozenset[str] | None:
        """All codes when every one is known, for elements that hold a bare code; else None."""
        if any(extent.open or extent.rules for extent in self.extents.values()):
            return None
        return frozenset(code for extent in self.extents.values() for code in extent.codes)

    def sample(self, count: int = 8) -> list[str]:
        """Some of the known codes, for messages."""
        return sorted(code for extent in self.extents.values() for code in extent.codes)[:count]


class Terminology:
    """Value sets and code systems of a set of definitions, compiled when first asked for."""

    def __init__(self, definitions: Definitions, server: Server | None = None, codes: CodeStore | None = None) -> None:
        self.codes = codes
        self._definitions = definitions
        self._server = server
        self._sets: dict[str, ValueSet | None] = {}
        self._systems: dict[str, CodeSystem | None] = {}

    def value_set(self, canonical: str) -> ValueSet | None:
        """The value set by canonical URL; None when it is not here (or is no value set)."""
        url = plain(canonical)
        if url not in self._sets:
            extents, title = self._extents(url, ())
            self._sets[url] = None if extents is None else ValueSet(url, extents, self._server, title)
        return self._sets[url]

    def member(self, item: Any, canonical: str) -> bool | None:
        """FHIRPath memberOf() for a code, Coding or CodeableConcept."""
        value_set = self.value_set(canonical)
        if value_set is None:
            return None
        if isinstance(item, str):
            codes = value_set.codes()
            return None if codes is None else item in codes
        if not isinstance(item, dict):
            return False
        codings = item.get("coding", [item] if "code" in item else [])
        answers = [value_set.has(one.get("system"), one.get("code")) for one in codings if isinstance(one, dict)]
        return True if True in answers else (None if None in answers else False)

    def code_system(self, canonical: str) -> CodeSystem | None:
        """The code system by URL, when its content came with a package."""
        url = plain(canonical)
        if url not in self._systems:
            if len(self._systems) > MAX_KEPT:
                self._systems.clear()
            data = self._definitions.find("CodeSystem", url)
            self._systems[url] = None if data is None else read_system(url, data)
            self._definitions.forget("CodeSystem", url)
        return self._systems[url]

    def _extents(self, url: str, busy: tuple[str, ...]) -> tuple[dict[str, Extent] | None, str]:
        if url in busy or len(busy) > MAX_IMPORTS:
            return None, ""
        data = self._definitions.find("ValueSet", url)
        if data is None:
            return None, ""
        title = str(data.get("title") or data.get("name") or "")
        try:
            compose = data.get("compose") or {}
            total: dict[str, Extent] = {}
            for include in compose.get("include", ()):
                merge(total, self._include(include, (*busy, url)))
            if not compose.get("include"):
                merge(total, expansion(data.get("expansion") or {}))
            for exclude in compose.get("exclude", ()):
                remove(total, self._include(exclude, (*busy, url)))
        except (TypeError, AttributeError, KeyError, ValueError):
            return None, title
        finally:
            self._definitions.forget("ValueSet", url)
        return total, title

    def _include(self, include: Mapping[str, Any], busy: tuple[str, ...]) -> dict[str, Extent]:
        """What one include comes to; several value sets in it are taken together (their union) in both releases.

        The specification contradicts itself: the comment on ValueSet.compose.include says "in all the value sets"
        (STU3 and R4), the definition of include.valueSet says "the union" (R4). Every published set that names
        several means the union: action-participant-role of both core packages ("Either a practitioner role or a
        relationship type") and three of the birth care packages, whose intersections would be empty.
        """
        system = include.get("system")
        own: dict[str, Extent] | None = None
        if isinstance(system, str):
            own = {system: self._system_part(system, include)}
        imports = include.get("valueSet", ())
        if not imports:
            return own or {}
        other: dict[str, Extent] = {}
        for canonical in [imports] if isinstance(imports, str) else imports:
            extents, _ = self._extents(plain(canonical), busy)
            merge(other, {"": Extent(frozenset(), open=True)} if extents is None else extents)
        return other if own is None else intersection(own, other)

    def _system_part(self, system: str, include: Mapping[str, Any]) -> Extent:
        concepts = include.get("concept")
        if concepts:
            return Extent(frozenset(str(row["code"]) for row in concepts if "code" in row))
        known = self.code_system(system)
        if (known is None or not known.complete) and self.codes is not None and self.codes.knows(system):
            return _stored(system, self.codes, include)
        if known is None or not known.complete:
            return Extent(known.codes if known is not None and not include.get("filter") else frozenset(), open=True)
        codes = known.codes
        for row in include.get("filter", ()):
            operation, value = row.get("op"), str(row.get("value"))
            if row.get("property") == "concept" and operation in ("is-a", "descendent-of", "="):
                codes &= known.below(value, itself=operation != "descendent-of") if operation != "=" else {value}
            else:
                return Extent(frozenset(), open=True)
        return Extent(frozenset(codes))


def _stored(system: str, store: CodeStore, include: Mapping[str, Any]) -> Extent:
    """What an include comes to of a system whose codes the institution has."""
    rules = []
    for row in include.get("filter", ()):
        operation, value = row.get("op"), str(row.get("value"))
        if row.get("property") == "concept" and operation in ("is-a", "descendent-of"):
            rules.append(ecl.below(system, store, value, itself=operation == "is-a"))
        elif row.get("property") == "concept" and operation == "in":
            rules.append(ecl.member(system, store, value))
        elif row.get("property") in ("constraint", "expression") and operation == "=":
            try:
                rules.append(ecl.compile_ecl(value, system, store))
            except ecl.EclError:
                return Extent(frozenset(), open=True)
        else:
            return Extent(frozenset(), open=True)
    if not rules:
        return Extent(frozenset(), rules=(lambda code: store.has(system, code),))

    def every(code: str) -> bool | None:
        answers = [rule(code) for rule in rules]
        return False if False in answers else None if None in answers else True

    return Extent(frozenset(), rules=(every,))
