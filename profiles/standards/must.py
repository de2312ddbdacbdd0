"""What must be there whenever the source has it (must support, server side): elements by profile, told by the rows.

No flag of a profile says this: the pages of the sets list it, and ``[request.must]`` of a row repeats the list. How an
element is found and what people call it stands in data/elements.toml.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from profiles import fhirpath
from profiles.fhir.version import FhirVersion
from profiles.rows import Row, RowError, read
from profiles.standards.model import Standard

TABLE = Path(__file__).parent / "data" / "elements.toml"


class ElementRow(Row, frozen=True):
    """A table of elements.toml: FHIRPath on the resource, Dutch and English name."""

    path: str
    nl: str
    en: str


@dataclass(frozen=True, slots=True)
class MustElement:
    """An element that must be there whenever the source has it."""

    name: str
    where: fhirpath.Expression
    name_nl: str
    name_en: str


@cache
def must_elements() -> Mapping[str, MustElement]:
    """Every element that rows may name. Raises RowError with the element whose path is no FHIRPath."""
    made = {}
    for name, row in read(TABLE, dict[str, ElementRow]).items():
        try:
            where = fhirpath.compile(row.path)
        except fhirpath.FhirPathError as fault:
            raise RowError(f"{TABLE}: {name}: {fault}") from fault
        made[name] = MustElement(name, where, row.nl, row.en)
    return made


Needed = Mapping[tuple[FhirVersion, str], tuple[MustElement, ...]]
"""Elements by FHIR release and profile."""


def needed_by(standards: Iterable[Standard]) -> Needed:
    """What the rows of these standards need, by profile; rows that share a profile add up."""
    names: dict[tuple[FhirVersion, str], dict[str, None]] = {}
    for standard in standards:
        for rule in standard.rules:
            for profile, elements in rule.must.items():
                names.setdefault((standard.fhir, profile), {}).update(dict.fromkeys(elements))
    return {key: tuple(must_elements()[name] for name in given) for key, given in names.items()}
