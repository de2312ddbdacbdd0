"""Where definitions come from: structures, value sets and code systems by canonical URL, across packages.

Earlier packages win over later ones. Canonicals match with and without version, and value sets of the Dutch zibs also
with and without the date suffix ``--20171231000000``.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from profiles.validation.schema.package import Entry, Package
from profiles.validation.schema.repairs import repaired

KINDS = frozenset({"StructureDefinition", "ValueSet", "CodeSystem", "NamingSystem", "Questionnaire"})


def plain(canonical: str) -> str:
    """A canonical URL without its ``|version``."""
    return canonical.partition("|")[0]


class Definitions:
    """Definitions by kind and canonical URL; read from their package when first asked for, then kept."""

    def __init__(self, packages: Sequence[Package] = (), extra: Iterable[dict[str, Any]] = ()) -> None:
        """``extra`` are definitions at hand; packages come before them."""
        self.packages = tuple(packages)
        self._index: dict[tuple[str, str], list[tuple[Package, Entry]]] = {}
        self._undated: dict[tuple[str, str], str] = {}
        self._read: dict[tuple[str, str], dict[str, Any] | None] = {}
        self._extra = {(str(one.get("resourceType")), str(one.get("url"))): repaired(one) for one in extra}
        for package in packages:
            for entry in package.entries():
                if entry.type in KINDS:
                    key = (entry.type, entry.url)
                    self._index.setdefault(key, []).append((package, entry))
                    self._undated.setdefault((entry.type, entry.url.partition("--")[0]), entry.url)

    @property
    def extra(self) -> bool:
        """Whether there are definitions that are of no package."""
        return bool(self._extra)

    @property
    def label(self) -> str:
        """Names the set of definitions: what a cached verdict is bound to."""
        return ",".join(package.label for package in self.packages) or "base"

    def find(self, kind: str, canonical: str) -> dict[str, Any] | None:
        """The definition of a kind by canonical URL, or None."""
        key = (kind, plain(canonical))
        if key in self._read:
            return self._read[key]
        row = self._row(kind, canonical)
        if row is None:
            return self._extra.get(key)
        found = row[0].read(row[1])
        self._read[key] = repaired(found) if found is not None else None
        return self._read[key]

    def _rows(self, kind: str, url: str) -> list[tuple[Package, Entry]]:
        rows = self._index.get((kind, url))
        if rows is None:
            other = self._undated.get((kind, url.partition("--")[0]))
            rows = self._index.get((kind, other)) if other else None
        return rows or []

    def _row(self, kind: str, canonical: str) -> tuple[Package, Entry] | None:
        url, _, version = canonical.partition("|")
        rows = self._rows(kind, url)
        return next((row for row in rows if version and row[1].version == version), rows[0] if rows else None)

    def first(self, kind: str, canonical: str) -> bool:
        """Whether a canonical takes the first definition of its URL, whichever version it asks for."""
        return "|" not in canonical or self._row(kind, canonical) is self._row(kind, plain(canonical))

    def content(self, kind: str, url: str) -> bytes | None:
        """The bytes of the first definition of a URL as they stand in its package; None when there are none."""
        row = self._row(kind, url)
        if row is None:
            return None
        try:
            return (row[0].folder / row[1].file).read_bytes()
        except OSError:
            return None

    def structure(self, canonical: str) -> dict[str, Any] | None:
        """A StructureDefinition, or None."""
        return self.find("StructureDefinition", canonical)

    def globally(self) -> dict[str, list[str]]:
        """The profiles that implementation guides among the extra definitions ask of every resource, by type."""
        profiles: dict[str, list[str]] = {}
        for (kind, _), guide in self._extra.items():
            rows = guide.get("global") if kind == "ImplementationGuide" else None
            for row in rows if isinstance(rows, list) else ():
                profile = row.get("profile")
                url = profile.get("reference") if isinstance(profile, dict) else profile
                if isinstance(url, str):
                    profiles.setdefault(str(row.get("type")), []).append(url)
        return profiles

    def urls(self, kind: str = "StructureDefinition") -> list[str]:
        """All canonical URLs of a kind in the packages and among the extra definitions."""
        return list(dict.fromkeys(url for one, url in (*self._index, *self._extra) if one == kind))

    def forget(self, kind: str, canonical: str) -> None:
        """Drop a definition that was read and is no longer needed, to keep memory small; it can be read again."""
        key = (kind, plain(canonical))
        if key in self._index:
            self._read.pop(key, None)
