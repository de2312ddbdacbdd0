"""Putting the demo world into a store, with its dates as of today."""

from collections.abc import Container, Mapping
from datetime import date

from sqlalchemy import Connection, Engine

from gateway.audit.record import AuditRecord
from gateway.intake.bulk import bring
from gateway.intake.outcome import ImportOutcome
from gateway.intake.read import InputItem
from gateway.intake.sender import Door
from gateway.settings import Settings
from gateway.store.unit import Owner, Unit
from gateway.wiring import keys_of, open_gate, recording, save_counts
from gateway.wiring.intake import open_intake
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from workbench.demo.ehr.division import Division, Key
from workbench.demo.world import World, WorldRecord, load


def seed(
    engine: Engine,
    settings: Settings,
    day: date,
    live: Division | None = None,
    elsewhere: Container[str] = frozenset(),
) -> World:
    """Load the world as it is on ``day``, as an import would; what is there already is brought up to date.

    ``live`` says what is left out because simulated EHRs deliver it, ``elsewhere`` names providers that push.

    Raises AuditUnavailable, and ValueError when a resource of the world could not be stored: the world is ours, so that
    is our mistake.
    """
    world = load(day)
    keys = keys_of(settings)
    gate = open_gate(settings)
    intake = open_intake(engine, settings, gate)
    outcome = ImportOutcome(_refuse)
    records: list[AuditRecord] = []
    for provider in world.providers:
        if provider.name in elsewhere:
            continue
        owner = Owner(provider.name, provider.source, *keys)
        with engine.begin() as connection:
            for record in world.records:
                if record.provider != provider.name:
                    continue
                if live is not None and (id_ := live.patient(record)):
                    _known(connection, owner, world, record, id_)
                elif not record.resources and not (live and live.whole(provider.name)):
                    _known(connection, owner, world, record, f"{record.provider}-{record.person}")
        sender = intake.importer(provider.name, provider.source, Door("operator", "demo", f"{provider.source}: demo"))
        for version in provider.versions:
            whole = world.resources_of(provider.name, version)
            resources = whole if live is None else live.stored(world, provider.name, version)
            owners = {} if live is None else live.owners(world, provider.name, version)
            items = [_item(provider.name, version, one, owners) for one in resources]
            records += bring(intake, sender, items, outcome)
    with recording(engine, settings) as trail:
        trail.write_now(records)
    with engine.begin() as connection:
        save_counts(connection, settings, gate)
    return world


def _item(provider: str, version: FhirVersion, resource: Resource, owners: Mapping[Key, str]) -> InputItem:
    key = (str(resource.get("resourceType")), str(resource.get("id")))
    origin = f"{provider}: {'/'.join(key)}"
    return InputItem(origin, frozenset({version}), resource, jsonio.dump(resource), "json", patient=owners.get(key, ""))


def _known(connection: Connection, owner: Owner, world: World, record: WorldRecord, id_: str) -> None:
    """A person with a treatment relation, and no Patient resource in the store."""
    person = world.person(record.person)
    Unit(connection, owner, record.version).put_patient(id_, person.bsn, person.born)


def _refuse(origin: str, text: str) -> None:
    raise ValueError(f"{origin}: {text}")
