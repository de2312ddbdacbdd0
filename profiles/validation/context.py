"""What one validation knows while it walks: the resource, what contains it, and what references can reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from profiles.fhir.tree import local_reference
from profiles.fhir.version import FhirVersion
from profiles.fhirpath.evaluation import STEPS, Evaluation
from profiles.fhirpath.typesystem import type_system
from profiles.validation.hits import Hits
from profiles.validation.schema.nodes import HL7

Resolver = Callable[[str], "Mapping[str, Any] | None"]
MAX_NESTED = 12


class Checkable(Protocol):
    """What a value can be held against: the shape of a type or profile."""

    resource: bool

    def check(self, value: Any, context: Context) -> Hits | None:
        """What is wrong with the value."""


class Context:
    """The state of one validation; made for one resource and thrown away."""

    __slots__ = (
        "_conforms",
        "_inside",
        "bundle",
        "check_resource",
        "container",
        "depth",
        "env",
        "external",
        "resource",
        "shape_of",
    )

    def __init__(
        self,
        version: FhirVersion,
        root: Any,
        check_resource: Callable[[Any, Sequence[str], Context], Hits | None],
        shape_of: Callable[[str], Checkable | None],
        member: Callable[[Any, str], bool | None],
        external: Resolver | None = None,
    ) -> None:
        self.resource: Any = root
        self.container: Any = root
        self.bundle: dict[str, Any] = {}
        self.depth = 0
        self.check_resource = check_resource
        self.shape_of = shape_of
        self.external = external
        self.env = Evaluation(type_system(version), root, root, root, self.reach, member)
        self._conforms: dict[tuple[int, str], bool] = {}
        self._inside: tuple[Any, dict[str, Any]] | None = None

    def enter(self, resource: Any, *, contained: bool) -> tuple[Any, Any]:
        """Step into a nested resource; give the result to `leave`."""
        before = (self.resource, self.container)
        self.resource = resource
        if not contained:
            self.container = resource
        self.env.resource = self.env.context = resource
        self.env.root = self.container
        self.env.steps = STEPS
        self.depth += 1
        return before

    def leave(self, before: tuple[Any, Any]) -> None:
        """Step back out."""
        self.resource, self.container = before
        self.env.resource = self.env.context = self.resource
        self.env.root = self.container
        self.depth -= 1

    def contained(self, fragment: str) -> Any:
        """The contained resource with this id, in the resource that holds us."""
        if self._inside is None or self._inside[0] is not self.container:
            rows = self.container.get("contained") if isinstance(self.container, dict) else None
            found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
            by_id = {row["id"]: row for row in reversed(found) if isinstance(row.get("id"), str)}
            self._inside = (self.container, by_id)
        return self._inside[1].get(fragment)

    def index_bundle(self, bundle: Mapping[str, Any]) -> None:
        """Make the entries of a Bundle reachable by full URL and by ``Type/id``."""
        entries = bundle.get("entry")
        for entry in entries if isinstance(entries, list) else ():
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if not isinstance(resource, dict):
                continue
            full = entry.get("fullUrl")
            if isinstance(full, str):
                self.bundle[full] = resource
            if isinstance(resource.get("id"), str):
                self.bundle.setdefault(f"{resource.get('resourceType')}/{resource['id']}", resource)

    def is_type(self, name: str) -> bool:
        """Whether a name that begins with a capital is that of a data type, as in ``valueQuantity``."""
        return any(self.shape_of(HL7 + one) is not None for one in (name, name[:1].lower() + name[1:]))

    def resolve(self, reference: str) -> Any:
        """The resource that a reference points at, when it can be reached from here; else None."""
        if reference.startswith("#"):
            return self.contained(reference[1:]) if len(reference) > 1 else self.container
        if self.bundle:
            found = self.bundle.get(reference)
            if found is None and (local := local_reference(reference)) is not None:
                found = self.bundle.get(f"{local[0]}/{local[1]}")
            if found is not None:
                return found
        return self.external(reference) if self.external is not None else None

    def reach(self, reference: str, home: Any = None) -> Any:
        """What resolve() gives: the resource, or of one that is out of reach the type that the reference itself names.

        So ``subject.resolve() is Patient`` can be told of ``Patient/1``; nothing else about it can.
        """
        found = self.resolve(reference)
        if found is None and (local := local_reference(reference)) is not None:
            return {"resourceType": local[0]}
        return found

    def conforms(self, resource: Any, url: str) -> bool:
        """Whether a value meets a profile (no errors); what is being looked at already counts as meeting it."""
        key = (id(resource), url)
        known = self._conforms.get(key)
        if known is not None:
            return known
        shape = self.shape_of(url)
        if shape is None or self.depth > MAX_NESTED:
            return True
        self._conforms[key] = True
        if shape.resource:
            contained = resource is not self.bundle.get(f"{resource.get('resourceType')}/{resource.get('id')}")
            before = self.enter(resource, contained=contained)
            try:
                hits = shape.check(resource, self)
            finally:
                self.leave(before)
        else:
            hits = shape.check(resource, self)
        self._conforms[key] = result = not any(hit.severity == "error" for hit in hits or ())
        return result
