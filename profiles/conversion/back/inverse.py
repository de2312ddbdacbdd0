"""The tables of conversion read from R4 to STU3: systems, extensions, types, profiles."""

from collections.abc import Mapping
from functools import cache

from profiles.conversion.paths import holds, listed
from profiles.conversion.tables import DATA, ZibRow, tables
from profiles.fhir.tree import Resource
from profiles.rows import Row, read


class Choices(Row, frozen=True):
    """back.toml: what reading the rows in reverse leaves open."""

    types: dict[str, list[str]]
    refused: dict[str, list[str]]
    systems: dict[str, str]
    extensions: dict[str, dict[str, str]]


@cache
def choices() -> Choices:
    """What stands in STU3 where several rows lead to the same in R4."""
    return read(DATA / "back.toml", Choices)


def _inverse(table: Mapping[str, str]) -> dict[str, str]:
    """A table in reverse; of several rows with one target the first counts."""
    made: dict[str, str] = {}
    for there, here in table.items():
        made.setdefault(here, there)
    return made


@cache
def systems() -> Mapping[str, str]:
    """Code systems of R4, as STU3 writes them."""
    return {**_inverse(tables().systems), **choices().systems}


@cache
def extensions(kind: str) -> Mapping[str, str]:
    """Extensions of R4 on a type of resource, as STU3 writes them."""
    return {**_inverse(tables().extensions), **choices().extensions.get(kind, {})}


@cache
def types() -> Mapping[str, str]:
    """Types of resource that have another name in STU3."""
    return _inverse(tables().types)


@cache
def _by_target() -> Mapping[str, ZibRow]:
    made = {name: zib for zib in tables().zib for name in (zib.target, *zib.also) if name}
    return made | {name.replace("nl-core-", "zib-", 1): zib for name, zib in made.items()}


def zib_of(resource: Resource) -> ZibRow | None:
    """The zib of a resource of R4: by its claim, else by a coding that tells it."""
    meta, kind = resource.get("meta"), str(resource.get("resourceType"))
    claims = listed(meta.get("profile")) if isinstance(meta, dict) else []
    for claim in claims:
        zib = _by_target().get(str(claim).partition("|")[0].rpartition("/")[2])
        if zib is not None and zib.type == kind:
            return zib
    for zib in () if claims else tables().zib:
        for path, coding in (zib.then or zib.when).items():
            system, _, code = coding.partition("|")
            if zib.type == kind and holds(resource.get(path), system, code):
                return zib
    return None if claims else next((zib for zib in tables().zib if zib.base and zib.type == kind), None)
