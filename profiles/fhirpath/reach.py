"""What a reference reaches from a resource: contained in the same resource, in the same Bundle, or with the caller."""

from collections.abc import Callable
from typing import Any

from profiles.fhir.tree import Resource, local_reference

Find = Callable[[str], Resource | None]


class Reach:
    """Finds what references of one document mean."""

    def __init__(self, document: Any, find: Find | None = None) -> None:
        self._document = document
        self._find = find
        self._entries: dict[str, Resource] | None = None

    def resolve(self, text: str, home: Any) -> Resource | None:
        """The resource for a reference that stands in the resource ``home``."""
        if text.startswith("#"):
            rows = home.get("contained") if isinstance(home, dict) else None
            found = (one for one in rows if isinstance(one, dict)) if isinstance(rows, list) else ()
            return next((one for one in found if f"#{one.get('id')}" == text), None)
        return self._bundled(text) or (self._find(text) if self._find else None)

    def _bundled(self, text: str) -> Resource | None:
        if self._entries is None:
            self._entries = {}
            entries = self._document.get("entry") if isinstance(self._document, dict) else None
            for entry in entries if isinstance(entries, list) else ():
                resource = entry.get("resource") if isinstance(entry, dict) else None
                if isinstance(resource, dict):
                    self._entries.setdefault(str(entry.get("fullUrl")), resource)
                    self._entries.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", resource)
        local = local_reference(text)
        return self._entries.get(text) or (self._entries.get("/".join(local)) if local else None)
