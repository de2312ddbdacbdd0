"""What one evaluation carries: the variables, the types, the way to find what is referred to, and its budget."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.items import ElementNode, Items
from profiles.fhirpath.typesystem import TypeSystem

STEPS: Final = 3_000_000
"""The most steps (items visited) of one evaluation: a few seconds."""
MAX_TEXT: Final = 1_000_000
ZONE: Final = ZoneInfo("Europe/Amsterdam")
"""Where now() and today() are, whatever the machine thinks."""


@dataclass(slots=True)
class Evaluation:
    """One evaluation, or several in a row on one resource.

    ``resource``, ``root`` and ``context`` are %resource, %rootResource and %context. ``resolve`` gives the resource for
    a reference (and the resource that the reference is in), ``member`` says whether a value is in a value set.
    """

    types: TypeSystem
    resource: Any = None
    root: Any = None
    context: Any = None
    resolve: Callable[[str, Any], Any] | None = None
    member: Callable[[Any, str], bool | None] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    steps: int = STEPS
    index: int | None = None
    total: Items = field(default_factory=list)
    moment: datetime | None = None

    def spend(self, count: int) -> None:
        """Count work; FhirPathError when there was too much."""
        self.steps -= count
        if self.steps < 0:
            raise FhirPathError("FHIRPath evaluation takes too many steps")

    @property
    def now(self) -> datetime:
        """The moment of this evaluation: the same however often it is asked."""
        if self.moment is None:
            self.moment = datetime.now(ZONE)
        return self.moment

    def typed(self, data: Any, path: str | None = None, home: Any = None) -> ElementNode:
        """Data as an element that knows its type."""
        return data if type(data) is ElementNode else ElementNode(data, path, None, home, self.types)


Closure = Callable[[Items, Evaluation], Items]
"""A compiled piece of an expression: from $this and the evaluation to a collection."""
