"""The fictitious world of the demo: providers, persons and their records, fresh on the day of loading.

The data are in the folder ``world`` beside this file and are meant to be read: ``world.toml`` names the providers and
the persons, each person has one Bundle per provider and FHIR release, and ``shared.json`` (R4: ``shared-r4.json``) of a
provider holds the people, places and products that several persons' records point at.
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

from auth.ports import Representation
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion
from profiles.record.walk import references
from profiles.rows import Row, typed
from workbench.demo.placeholders import filled

FOLDER = Path(__file__).parent / "world"

SHARED = {FhirVersion.STU3: "shared.json", FhirVersion.R4: "shared-r4.json"}
"""Where a provider's shared resources are, per release."""

Read = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class WorldProvider:
    """A care institution of the world. ``standards`` are the information standards it has data for, ``representation``
    the kinds of acting for somebody else that it allows (REP-01)."""

    name: str
    display: str
    kind: str
    standards: tuple[str, ...]
    source: str
    privacy: str
    phone: str
    logo: Path
    representation: tuple[Representation, ...]
    shared: Mapping[FhirVersion, tuple[Resource, ...]]

    @property
    def versions(self) -> tuple[FhirVersion, ...]:
        """The FHIR releases that it has anything in."""
        return tuple(self.shared)


@dataclass(frozen=True, slots=True)
class WorldPerson:
    """A person of the world; ``defects`` says that the record is wrong on purpose (see world/defects.md).

    ``representatives`` are the ids of the persons who may act for this one, each with the kind of representation.
    """

    id: str
    name: str
    bsn: str
    born: date
    story: str
    defects: bool
    representatives: tuple[tuple[str, Representation], ...] = ()


@dataclass(frozen=True, slots=True)
class WorldRecord:
    """What one provider holds of one person in one FHIR release: a treatment relation, and the person's own resources.

    ``pointed_at`` are the shared resources of the provider that the own ones refer to, directly or by each other:
    together they are what a source of this provider delivers for this person.
    """

    provider: str
    source: str
    person: str
    resources: tuple[Resource, ...]
    pointed_at: tuple[Resource, ...]
    version: FhirVersion = FhirVersion.STU3


@dataclass(frozen=True, slots=True)
class Mandate:
    """Who may act for whom, and on which ground."""

    actor: WorldPerson
    person: WorldPerson
    kind: Representation


@dataclass(frozen=True, slots=True)
class World:
    """Everything, for one day."""

    day: date
    providers: tuple[WorldProvider, ...]
    persons: tuple[WorldPerson, ...]
    records: tuple[WorldRecord, ...]

    def provider(self, name: str) -> WorldProvider:
        """The provider of this name. Raises KeyError."""
        return {provider.name: provider for provider in self.providers}[name]

    def person(self, id_: str) -> WorldPerson:
        """The person with this id. Raises KeyError."""
        return {person.id: person for person in self.persons}[id_]

    def record(self, provider: str, person: str, version: FhirVersion = FhirVersion.STU3) -> WorldRecord | None:
        """What the provider holds of the person in a FHIR release; None when there is no treatment relation."""
        wanted = (provider, person, version)
        return next((item for item in self.records if (item.provider, item.person, item.version) == wanted), None)

    def patients_of(self, provider: str) -> tuple[WorldPerson, ...]:
        """The persons with a treatment relation at the provider."""
        known = {record.person for record in self.records if record.provider == provider}
        return tuple(person for person in self.persons if person.id in known)

    def mandates_at(self, provider: str) -> tuple[Mandate, ...]:
        """Who may act there for one of its patients: the provider allows it, and the patient has a representative."""
        allowed = self.provider(provider).representation
        return tuple(
            Mandate(self.person(actor), person, kind)
            for person in self.patients_of(provider)
            for actor, kind in person.representatives
            if kind in allowed
        )

    def resources_of(self, provider: str, version: FhirVersion = FhirVersion.STU3) -> tuple[Resource, ...]:
        """Everything that the provider holds in a release: the shared resources first, then record by record."""
        held = (record for record in self.records if (record.provider, record.version) == (provider, version))
        own = (resource for record in held for resource in record.resources)
        return (*self.provider(provider).shared.get(version, ()), *own)


class RepresentativeRow(Row, frozen=True):
    """Who may act for a person, and on which ground."""

    person: str
    kind: Representation


class RecordRow(Row, frozen=True):
    """One provider that knows the person; without a file nothing is recorded there."""

    provider: str
    file: str | None = None
    fhir: str | None = None


class WorldPersonRow(Row, frozen=True):
    """``[[person]]`` of world.toml."""

    id: str
    name: str
    bsn: str
    born: date
    story: str
    records: tuple[RecordRow, ...]
    defects: bool = False
    representatives: tuple[RepresentativeRow, ...] = ()


class ProviderRow(Row, frozen=True):
    """``[[provider]]`` of world.toml."""

    name: str
    display: str
    kind: str
    standards: tuple[str, ...]
    source: str
    privacy: str
    phone: str
    logo: str
    representation: tuple[Representation, ...] = ()


class WorldRows(Row, frozen=True):
    """world.toml, its dates filled in."""

    provider: tuple[ProviderRow, ...]
    person: tuple[WorldPersonRow, ...]


def load(day: date, folder: Path = FOLDER) -> World:
    """Read the world and fill in its relative dates for ``day``.

    :raises ValueError: the data are wrong: an unknown placeholder or an unreadable file.
    """
    read = _reader(folder)
    file = folder / "world.toml"
    table = typed(str(file), filled(tomllib.loads(file.read_text("utf-8")), day, read), WorldRows)
    providers = tuple(_provider(row, day, folder, read) for row in table.provider)
    sources = {provider.name: provider for provider in providers}
    persons, records = [], []
    for row in table.person:
        persons.append(_person(row))
        for entry in row.records:
            provider = sources[entry.provider]
            own = _bundle(entry.file, day, folder, read)
            # A person without a file is known there in every release; a file says its own.
            versions = (FhirVersion.of(entry.fhir),) if entry.fhir else provider.versions[: 1 if own else None]
            for version in versions:
                near = _pointed_at(own, provider.shared[version])
                records.append(WorldRecord(provider.name, provider.source, row.id, own, near, version))
    return World(day, providers, tuple(persons), tuple(records))


def _provider(row: ProviderRow, day: date, folder: Path, read: Read) -> WorldProvider:
    files = {version: folder / row.name / name for version, name in SHARED.items()}
    return WorldProvider(
        name=row.name,
        display=row.display,
        kind=row.kind,
        standards=row.standards,
        source=row.source,
        privacy=row.privacy,
        phone=row.phone,
        logo=folder / row.logo,
        representation=row.representation,
        shared={
            version: _bundle(str(file.relative_to(folder)), day, folder, read)
            for version, file in files.items()
            if file.is_file()
        },
    )


def _person(row: WorldPersonRow) -> WorldPerson:
    acting = tuple((representative.person, representative.kind) for representative in row.representatives)
    return WorldPerson(row.id, row.name, row.bsn, row.born, row.story, row.defects, acting)


def _bundle(file: str | None, day: date, folder: Path, read: Read) -> tuple[Resource, ...]:
    if file is None:
        return ()
    bundle = json.loads((folder / file).read_text("utf-8"), parse_float=Decimal)
    return tuple(filled(entry["resource"], day, read) for entry in bundle["entry"])


def _pointed_at(own: Iterable[Resource], shared: tuple[Resource, ...]) -> tuple[Resource, ...]:
    """The shared resources that ``own`` refers to, followed until nothing new is found; in the order of the file."""
    by_key = {(resource["resourceType"], resource["id"]): resource for resource in shared}
    reached: set[tuple[str, str]] = set()
    todo = list(own)
    while todo:
        for reference in references(todo.pop()):
            key = local_reference(reference["reference"])
            if key in by_key and key not in reached:
                reached.add(key)
                todo.append(by_key[key])
    return tuple(resource for key, resource in by_key.items() if key in reached)


def _reader(folder: Path) -> Read:
    @cache
    def read(name: str) -> bytes:
        return (folder / name).read_bytes()

    return read
