"""The codes of a value set, where its definition can be written out from the resources at hand."""

from collections.abc import Iterable, Mapping
from typing import Any


class NotListable(Exception):
    """The value set cannot be written out: a code system or filter that is not at hand."""


class ValueSets:
    """Value sets and code systems of one package, by canonical URL without version."""

    def __init__(self, resources: Iterable[Mapping[str, Any]]) -> None:
        self._sets: dict[str, Mapping[str, Any]] = {}
        self._systems: dict[str, Mapping[str, Any]] = {}
        for resource in resources:
            kind = resource["resourceType"]
            if kind == "ValueSet":
                self._sets[resource["url"]] = resource
            elif kind == "CodeSystem":
                self._systems[resource["url"]] = resource

    def add_codes(self, binding: Mapping[str, Any], known: dict[str, list[str]]) -> str | None:
        """Add the codes of a binding to ``known`` and return the name they are known by; None if not listable."""
        reference = binding.get("valueSetReference", {}).get("reference")
        url = str(binding.get("valueSet") or reference or binding.get("valueSetUri") or "").partition("|")[0]
        name = url.rpartition("/")[2]
        if name not in known:
            try:
                known[name] = sorted(self.codes(url))
            except NotListable:
                return None
        return name

    def codes(self, url: str) -> set[str]:
        """All codes of a value set; raises NotListable."""
        url = url.partition("|")[0]
        if url not in self._sets:
            raise NotListable(url)
        compose = self._sets[url].get("compose", {})
        chosen: set[str] = set()
        for include in compose.get("include", []):
            chosen |= self._included(include)
        for exclude in compose.get("exclude", []):
            chosen -= self._included(exclude)
        if not chosen:
            raise NotListable(url)
        return chosen

    def _included(self, include: Mapping[str, Any]) -> set[str]:
        parts: list[set[str]] = []
        imported = include.get("valueSet", [])
        parts += [self.codes(one) for one in ([imported] if isinstance(imported, str) else imported)]
        if "concept" in include:
            parts.append({concept["code"] for concept in include["concept"]})
        elif "system" in include:
            parts.append(self._of_system(include["system"], include.get("filter", [])))
        return set.intersection(*parts) if parts else set()

    def _of_system(self, url: str, filters: list[Mapping[str, Any]]) -> set[str]:
        system = self._systems.get(url, {})
        if system.get("content") != "complete" or any(
            one["op"] != "is-a" or one["property"] != "concept" for one in filters
        ):
            raise NotListable(url)
        found = {code for code, _ in _walk(system.get("concept", []), ())}
        for one in filters:
            found &= {code for code, above in _walk(system["concept"], ()) if one["value"] in (code, *above)}
        return found


def _walk(concepts: list[Mapping[str, Any]], above: tuple[str, ...]) -> Iterable[tuple[str, tuple[str, ...]]]:
    for concept in concepts:
        yield concept["code"], above
        yield from _walk(concept.get("concept", []), (*above, concept["code"]))
