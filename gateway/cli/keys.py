"""gateway keys: rotation of the keys that seal what is stored."""

import click
from sqlalchemy import Connection, select, update

from auth.crypto import KeyRing
from gateway.app import wire
from gateway.cli.context import console, database, with_settings
from gateway.keys import keys_of
from gateway.settings import Settings
from gateway.store.schema import original, patient


@click.group()
def keys() -> None:
    """The keys that seal what is stored."""


@keys.command("reseal")
@with_settings
def reseal_command(settings: Settings) -> None:
    """Seal everything again under the key that seal_with names. Run it after adding a key, before taking one away."""
    _, ring = keys_of(settings)
    with database(settings) as engine:
        grants = wire(settings).auth.reseal()
        with engine.begin() as connection:
            persons = reseal_patients(connection, ring)
            originals = reseal_originals(connection, ring)
    console.print(
        f"sealed again under {ring.current}: {grants} grants, {persons} patients, {originals} originals",
        highlight=False,
    )


def reseal_patients(connection: Connection, ring: KeyRing) -> int:
    """Seal the BSN of every patient under the current key; the number that was changed."""
    count = 0
    for row in connection.execute(select(patient).where(patient.c.sealed_bsn.is_not(None))).all():
        if ring.key_of(row.sealed_bsn) != ring.current:
            key = (patient.c.provider == row.provider, patient.c.fhir == row.fhir)
            sealed = ring.seal("bsn", ring.open("bsn", row.sealed_bsn))
            connection.execute(
                update(patient).where(*key, patient.c.patient_id == row.patient_id).values(sealed_bsn=sealed)
            )
            count += 1
    return count


def reseal_originals(connection: Connection, ring: KeyRing) -> int:
    """Seal every received original under the current key, one at a time; the number that was changed."""
    count = 0
    for pk, version in connection.execute(select(original.c.resource_pk, original.c.version)).all():
        key = (original.c.resource_pk == pk, original.c.version == version)
        sealed = connection.execute(select(original.c.sealed).where(*key)).scalar_one()
        if ring.key_of(sealed) != ring.current:
            again = ring.seal("original", ring.open("original", sealed))
            connection.execute(update(original).where(*key).values(sealed=again))
            count += 1
    return count
