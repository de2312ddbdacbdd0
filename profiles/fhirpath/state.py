"""What one evaluation carries: the types, the variables, the way to find referenced resources, and its budget."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from profiles.fhir.tree import Resource, local_reference
from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.nodes import Node
from profiles.fhirpath.typetable import TypeTable

MAX_STEPS = 3_000_000
MAX_TEXT = 1_000_000
MAX_MATCHED = 20_000
"""The longest text that a pattern is tried on. Patterns come from packages and scripts, which are trusted."""

Items = list[Any]
Find = Callable[[str], Resource | None]


@dataclass(slots=True)
class State:
    """One evaluation."""

    types: TypeTable
    root: Node
    variables: Mapping[str, Any]
    find: Find | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC).astimezone())
    steps: int = 0
    entries: dict[str, Resource] | None = None

    def spend(self, amount: int) -> None:
        """Count work done; FhirPathError when an evaluation does too much of it."""
        self.steps += amount
        if self.steps > MAX_STEPS:
            raise FhirPathError("FHIRPath evaluation takes too many steps")

    def resolve(self, item: Any) -> Node | None:
        """The resource that a Reference or a uri means: contained, in the same Bundle, or found by the caller."""
        value = item.data if isinstance(item, Node) else item
        text = value.get("reference") if isinstance(value, dict) else value
        if not isinstance(text, str) or not text:
            return None
        if text.startswith("#"):
            home = item.home if isinstance(item, Node) else None
            contained = home.get("contained", []) if isinstance(home, dict) else []
            found = next((one for one in contained if f"#{one.get('id')}" == text), None)
            return Node(found, None, None, home) if found else None
        found = self._bundled(text) or (self.find(text) if self.find else None)
        return Node(found, None) if found else None

    def _bundled(self, text: str) -> Resource | None:
        if self.entries is None:
            self.entries = {}
            data = self.root.data
            for entry in data.get("entry", []) if isinstance(data, dict) else []:
                resource = entry.get("resource")
                if isinstance(resource, dict):
                    self.entries.setdefault(entry.get("fullUrl") or "", resource)
                    self.entries.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", resource)
        local = local_reference(text)
        return self.entries.get(text) or (self.entries.get("/".join(local)) if local else None)


@dataclass(slots=True, frozen=True)
class Scope:
    """Where in an expression we are: the state and the values of $this, $index and $total."""

    state: State
    this: Items
    index: int | None = None
    total: Items = field(default_factory=list)


Evaluate = Callable[[Scope, Items], Items]
"""A compiled piece of an expression: from where we are and the input collection to the output collection."""

Build = Callable[[list[Evaluate]], Evaluate]
"""What makes a call from its compiled arguments."""
