"""The tables of conversion, read as typed rows: what changes everywhere, per FHIR type, and per zib."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from profiles.rows import Row, read

DATA = Path(__file__).parent / "data"


class Move(Row, frozen=True, tag_field="do", tag="move"):
    """An element gets another name or place: ``to`` begins where ``at`` ends to be shared. ``one_way``: not on the way
    back, where another step claims the element."""

    at: str
    to: str
    loss: str = ""
    one_way: bool = False


class Concept(Row, frozen=True, tag_field="do", tag="concept"):
    """A code becomes a CodeableConcept of a system, its zib coding beside it."""

    at: str
    system: str


class Codes(Row, frozen=True, tag_field="do", tag="codes"):
    """The codes of an element (a code, or the codings of one system) become others; a code not named stays."""

    at: str
    map: dict[str, str]
    system: str = ""
    into: str = ""


class Set(Row, frozen=True, tag_field="do", tag="set"):
    """An element that is not there gets a value. ``note``: it is an assumption, told in the list. ``was``: what stands
    there in the release before, for the way back."""

    at: str
    value: Any
    note: bool = False
    always: bool = False
    was: Any = None


class Drop(Row, frozen=True, tag_field="do", tag="drop"):
    """An element or (``url``) an extension goes, as the loss says."""

    at: str
    loss: str
    url: str = ""
    kind: str = "lost"


class First(Row, frozen=True, tag_field="do", tag="first"):
    """Of a list only the first stays."""

    at: str
    loss: str


class Note(Row, frozen=True, tag_field="do", tag="note"):
    """A text becomes a note."""

    at: str


class OneNote(Row, frozen=True, tag_field="do", tag="one-note"):
    """All notes become one, in their order."""


class Lift(Row, frozen=True, tag_field="do", tag="lift"):
    """The value of an extension becomes an element. ``system``: on the way back only concepts with a code of it."""

    at: str
    url: str
    to: str
    modifier: bool = False
    system: str = ""


class Call(Row, frozen=True, tag_field="do", tag="call"):
    """A change that no other row can say: a function of `profiles.conversion.special`."""

    name: str


Step = Move | Concept | Codes | Set | Drop | First | Note | OneNote | Lift | Call


class ZibRow(Row, frozen=True):
    """One zib: its profiles in both releases, the type in R4, and the steps from one to the other.

    ``when``: a coding (system|code) at a path that tells the zib of a resource without a known claim; ``then``: that
    for one of R4, where it is another. ``also``: further profiles of R4 that are the same zib.
    """

    name: str
    type: str
    source: list[str]
    target: str
    steps: list[Step] = msgspec.field(default_factory=list)
    when: dict[str, str] = msgspec.field(default_factory=dict)
    then: dict[str, str] = msgspec.field(default_factory=dict)
    also: list[str] = msgspec.field(default_factory=list)
    losses: list[str] = msgspec.field(default_factory=list)
    base: bool = False


class ConversionTables(Row, frozen=True):
    """Everything: systems, extensions, types, zibs."""

    systems: dict[str, str]
    extensions: dict[str, str]
    dropped: list[str]
    types: dict[str, str]
    type: dict[str, list[Step]]
    zib: list[ZibRow]


class Generic(Row, frozen=True):
    """generic.toml."""

    systems: dict[str, str]
    extensions: dict[str, str]
    dropped: list[str]
    types: dict[str, str]


@cache
def tables() -> ConversionTables:
    """The tables from STU3 to R4."""
    generic = read(DATA / "generic.toml", Generic)
    types = read(DATA / "types.toml", dict[str, list[Step]])
    zibs = read(DATA / "zibs.toml", dict[str, list[ZibRow]])["zib"]
    return ConversionTables(
        **{name: getattr(generic, name) for name in Generic.__struct_fields__}, type=types, zib=zibs
    )


@cache
def by_profile() -> Mapping[str, ZibRow]:
    """The zib of each profile of the source, by the last part of its address."""
    return {profile: zib for zib in tables().zib for profile in zib.source}


def value_of(value: Any) -> Any:
    """A value of a table for a resource of its own: never shared between two."""
    return msgspec.json.decode(msgspec.json.encode(value))
