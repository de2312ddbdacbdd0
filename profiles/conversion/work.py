"""One resource while it is converted: its data, what was lost so far, and what was made beside it."""

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Any

from profiles.conversion.beside import RecordAround
from profiles.conversion.losses import Kind, Loss, told
from profiles.fhir.tree import Resource

LONGEST_ID = 64
NICTIZ = "http://nictiz.nl/fhir/StructureDefinition/"


@dataclass(slots=True)
class Work:
    """A resource that is being changed in place. ``day``: the day of the conversion, for states that end by date."""

    resource: Resource
    day: dt.date
    source: str
    """Type and id of the source, for the list."""
    beside: RecordAround = field(default_factory=RecordAround)
    losses: list[Loss] = field(default_factory=list)
    made: list[Resource] = field(default_factory=list)
    base: str = ""
    """What the ids of parts begin with: the id of the source, of one without an id a name made of its content."""

    def lose(self, kind: Kind, loss: str, path: str, value: Any = None) -> None:
        """Tell that something was not kept as it was."""
        # Numbers of persons are no business of a list that people pass on.
        hidden = kind == "unmapped" and "identifier" in path
        self.losses.append(Loss(kind, loss, self.source, path, "" if hidden else told(value)))

    def assume(self, path: str, value: Any = None) -> None:
        """Tell that something was added that the source does not say."""
        self.lose("assumed", "", path, value)

    def part(self, suffix: str, kind: str = "") -> str:
        """The id of a resource that is split off this one; ``kind``: its type, where that is another."""
        ident = part_id(self.base, suffix)
        return named(ident) if (kind or self.kind, ident) in self.beside.keys else ident

    @property
    def kind(self) -> str:
        """The type of the resource, as it is now."""
        return str(self.resource.get("resourceType"))


def part_id(base: str, suffix: str) -> str:
    """The id of a resource that is split off another; a long one becomes a name-based uuid of the same two."""
    joined = f"{base}.{suffix}"
    return joined if len(joined) <= LONGEST_ID else named(joined)


def named(text: str) -> str:
    """The uuid of a text: always the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))
