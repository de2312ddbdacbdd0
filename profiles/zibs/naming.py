"""Official packages with our names of the zib elements: findings say the same, whichever definitions were used (SC-H2).

The profiles of the packages name many elements in English only, in a term of an older release, or not at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from profiles.validation.schema.package import Entry, Package
from profiles.zibs.structures import zib

Names = Callable[[str], Mapping[str, str]]
"""The ``zib`` of the rows of a structure, by element id; empty for a structure that has no table."""


@dataclass(frozen=True)
class Named(Package):
    """An official package, read with the zib names of our tables."""

    names: Names = lambda url: {}

    def read(self, entry: Entry) -> dict[str, Any] | None:
        """The resource of an entry; the elements of a structure that we have a table of get our names."""
        definition = super().read(entry)
        if definition is None or entry.type != "StructureDefinition":
            return definition
        names = self.names(entry.url)
        for view in ("differential", "snapshot") if names else ():
            for element in (definition.get(view) or {}).get("element") or ():
                text = names.get(str(element.get("id")))
                if text is not None:
                    element.update(zib(text))
        return definition


def named(package: Package, names: Names) -> Named:
    """A package with our names."""
    return Named(**{one.name: getattr(package, one.name) for one in fields(Package)}, names=names)
