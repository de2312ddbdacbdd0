"""The notation of the tables: plain YAML, and the few short forms in it (``1..*``, ``Reference(nl-core-patient)``).

YAML is read with the scalars of JSON only: ``NO`` and ``12:30`` stay text, numbers with a fraction become Decimal, and
a key that stands twice is an error.
"""

import re
from decimal import Decimal
from typing import Any, Final

import yaml

TYPE = re.compile(r"\s*([A-Za-z][A-Za-z0-9]*)\s*(?:\(([^()]*)\))?\s*(?:,|$)")
CARDINALITY = re.compile(r"(\d*)\.\.(\d+|\*)?")
PROFILED: Final = "profile "
"""Before the name of a profile on a Reference itself; without it a name is one of a target."""
BAR: Final = " | "
STRENGTHS: Final = ("required", "extensible", "preferred", "example")


class TableError(ValueError):
    """A table that cannot be used; the text names the file, the place in it and what is wrong."""

    def __init__(self, file: str, place: str, problem: str) -> None:
        super().__init__(f"{file}: {place}: {problem}" if place else f"{file}: {problem}")
        self.file = file
        self.place = place
        self.problem = problem


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """A safe loader that knows the scalars of JSON and refuses a key that stands twice."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the library wants a plain class attribute

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        pairs = node.value
        found = {key.value for key, _ in pairs}
        if len(found) != len(pairs):
            names = [key.value for key, _ in pairs]
            double = next(name for name in names if names.count(name) > 1)
            raise yaml.constructor.ConstructorError(None, None, f"the key {double!r} stands twice", node.start_mark)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _decimal(loader: Any, node: Any) -> Decimal:
    return Decimal(node.value)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"null$"), list("n"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"-?(0|[1-9][0-9]*)$"), list("-0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+$"), list("-0123456789"))
_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)


def read(text: str, file: str) -> dict[str, Any]:
    """The mapping that a table holds; TableError names the line when it is not well-formed YAML or no mapping."""
    try:
        table = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as problem:
        line = f"line {problem.problem_mark.line + 1}" if problem.problem_mark else ""
        raise TableError(file, line, problem.problem or "is not well-formed YAML") from None
    except yaml.YAMLError:
        raise TableError(file, "", "is not readable as YAML text") from None
    if not isinstance(table, dict):
        raise TableError(file, "", "holds no mapping")
    return table


def cardinality(text: str) -> tuple[int | None, str | None]:
    """``1..*`` -> (1, "*"); ``..0`` -> (None, "0"); ValueError when it is not a cardinality."""
    match = CARDINALITY.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        raise ValueError(f"{text!r} is not a cardinality such as 0..1, 1..* or ..0")
    least = int(match[1]) if match[1] else None
    if least is not None and match[2] is not None and match[2] != "*" and int(match[2]) < least:
        raise ValueError(f"{text!r}: the highest number is below the lowest")
    return least, match[2]


def types(text: str) -> list[tuple[str, list[str]]]:
    """``dateTime, Reference(a, b)`` -> [("dateTime", []), ("Reference", ["a", "b"])]; ValueError when malformed."""
    made: list[tuple[str, list[str]]] = []
    at = 0
    while at < len(text):
        match = TYPE.match(text, at)
        if match is None:
            raise ValueError(f"{text!r} is not a list of types such as dateTime, Reference(nl-core-patient)")
        made.append((match[1], [part.strip() for part in match[2].split(",")] if match[2] else []))
        at = match.end()
    return made
