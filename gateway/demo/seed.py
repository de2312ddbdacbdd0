"""Putting the demo world into a store, with its dates as of today."""

from datetime import date

from sqlalchemy import Engine

from gateway.demo.world import Record, World, load
from gateway.intake.expect import Expectations
from gateway.intake.load import Loaded, Loader
from gateway.intake.read import Item
from gateway.keys import keys_of
from gateway.quality.open import open_gate, save_counts
from gateway.settings import Settings
from gateway.store.writer import PatientEntry, Writer
from profiles.fhir import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue


def seed(engine: Engine, settings: Settings, day: date) -> World:
    """Load the world as it is on ``day``; what is there already is brought up to date. One transaction.

    Raises ValueError when a resource of the world could not be stored: the world is ours, so that is our mistake.
    """
    world = load(day)
    pseudonyms, ring = keys_of(settings)
    gate = open_gate(settings)
    with engine.begin() as connection:
        for provider in world.providers:
            writer = Writer(connection, provider.name, provider.source, pseudonyms, ring)
            for record in world.records:
                if record.provider == provider.name and not record.resources:
                    _known(writer, world, record)
            judge = gate.judge_of(provider.name, provider.source)
            loader = Loader(writer, Expectations(catalogue()), judge=judge)
            for version in provider.versions:
                resources = world.resources_of(provider.name, version)
                _check(loader.load([_item(provider.name, version, one) for one in resources]))
        save_counts(connection, settings, gate)
    return world


def _item(provider: str, version: FhirVersion, resource: Resource) -> Item:
    origin = f"{provider}: {resource.get('resourceType')}/{resource.get('id')}"
    return Item(origin, version, resource, jsonio.dump(resource), "json")


def _known(writer: Writer, world: World, record: Record) -> None:
    """A person with a treatment relation and nothing recorded."""
    person = world.person(record.person)
    writer.put_patient(PatientEntry(record.version, f"{record.provider}-{person.id}", person.bsn, person.born))


def _check(loaded: Loaded) -> None:
    if loaded.refused:
        origin, text = loaded.refused[0]
        raise ValueError(f"{origin}: {text}")
