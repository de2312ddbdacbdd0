"""Mapping packs: a mapping that institutions with the same EHR share, with sample rows and what must become of them.

A pack is a Python package with ``mapping.yaml`` and, to try it, ``schema.sql``, ``data.sql`` and ``expected.json`` (a
list of resources). A distribution brings it by an entry point in the group ``medmij_gateway.mappings``; the settings
of a source name it: ``mapping = "pack:NAME"``.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from adapters.mapping.compiled import load_mapping
from adapters.port import AdapterMisconfigured, LocalId, PatientKey
from adapters.sql.preview import PreviewedRecord, preview
from adapters.sql.settings import PACK, SqlSettings
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource

GROUP = "medmij_gateway.mappings"
HOUSE = {"sample-hospital": "adapters.sql.sample"}
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class PackTrial:
    """What became of the sample rows of a pack: how many resources, and everything that is not as it should be."""

    resources: int
    faults: tuple[str, ...]


def packs(extra: Iterable[EntryPoint] | None = None) -> Mapping[str, Path]:
    """The folders of the packs that are installed, by name; nothing of them is imported. The house's name is taken."""
    points = {point.name: point.value for point in (entry_points(group=GROUP) if extra is None else extra)}
    return {name: folder for name, value in {**points, **HOUSE}.items() for folder in _folders(value)}


def mapping_file(mapping: Path) -> Path:
    """The file behind the setting ``mapping``: a path, or that of a pack. Raises `AdapterMisconfigured`."""
    name = str(mapping)
    if not name.startswith(PACK):
        return mapping
    found = packs()
    if name.removeprefix(PACK) not in found:
        choices = ", ".join(sorted(found))
        raise AdapterMisconfigured(f"there is no mapping pack {name.removeprefix(PACK)!r}; installed are {choices}")
    return found[name.removeprefix(PACK)] / "mapping.yaml"


async def tried(folder: Path) -> PackTrial:
    """Put the sample rows of a pack into a database, and map every person in it. Raises `AdapterError`."""
    file = folder / "mapping.yaml"
    with TemporaryDirectory() as place:
        path = Path(place) / "sample.db"
        people = _filled(folder, path)
        settings = SqlSettings(name="pack", url=SecretStr(f"sqlite:///{path}"), mapping=file)
        made: list[PreviewedRecord] = []
        for person in people:
            key = PatientKey(local_ids=(LocalId("pack", person),))
            made += await preview(settings, file, key, time.monotonic() + PATIENCE) or []
    found = {_name(one.resource): one.resource for one in made if one.resource}
    unmapped = [f"{one.section}, row {one.row}: {one.fault}" for one in made if one.fault]
    return PackTrial(len(found), (*unmapped, *_differences(folder / "expected.json", found)))


def _filled(folder: Path, path: Path) -> list[str]:
    """The ids of the persons in the sample rows, once these stand in a new database."""
    mapping = load_mapping(folder / "mapping.yaml")
    with closing(sqlite3.connect(path)) as connection:
        try:
            for name in ("schema.sql", "data.sql"):
                connection.executescript((folder / name).read_text("utf-8"))
            tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
            return sorted(set(_people(connection, mapping.patient_query, [name for (name,) in tables])))
        except (OSError, sqlite3.Error) as error:
            raise AdapterMisconfigured(f"the sample rows of {folder.name} cannot be used", cause=error) from error


def _people(connection: sqlite3.Connection, query: str, tables: list[str]) -> Iterator[str]:
    """Ask the pack's own query for every text of nine digits in the sample."""
    numbers: set[str] = set()
    for table in tables:
        for row in connection.execute(f'select * from "{table}"'):  # noqa: S608 - a name of the pack's own schema
            numbers.update(str(value).strip() for value in row if len(str(value).strip()) == 9)
    for number in sorted(one for one in numbers if one.isdigit()):
        for row in connection.execute(query, {"bsn": number}):
            yield str(row[0]).strip()


def _differences(file: Path, made: Mapping[str, Resource]) -> Iterator[str]:
    if not file.is_file():
        return
    wanted = {_name(one): one for one in jsonio.load(file.read_bytes())}
    yield from (f"{name}: expected, and not made" for name in sorted(wanted.keys() - made.keys()))
    yield from (f"{name}: made, and not expected" for name in sorted(made.keys() - wanted.keys()))
    for name in sorted(wanted.keys() & made.keys()):
        if jsonio.canonical(wanted[name]) != jsonio.canonical(made[name]):
            parts = {*wanted[name], *made[name]}
            other = sorted(part for part in parts if wanted[name].get(part) != made[name].get(part))
            yield f"{name}: other than expected in {', '.join(other)}"


def _folders(package: str) -> Iterator[Path]:
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(place)


def _name(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"
