"""gateway keys: rotation of the keys that seal what is stored."""

import click
from sqlalchemy import Column, Connection, select, update

from auth.clients.open import NoSource
from auth.crypto import KeyRing
from gateway.cli.context import as_json, as_served, console, database, emit, fail, with_settings
from gateway.exchange.referrals import SEAL as EXCHANGE
from gateway.settings import Settings
from gateway.store.cases import person_case
from gateway.store.counts import usage_key
from gateway.store.exchanged import exchange_notice, received_referral, received_resource, referral
from gateway.store.schema import original, patient, quarantine, receipt
from gateway.store.shared import shared_item, submission, subscription
from gateway.usage.keys import PURPOSE as USAGE
from gateway.wiring import keys_of, wire

SEALED = (
    (patient.c.sealed_bsn, "bsn"),
    (original.c.sealed, "original"),
    (quarantine.c.sealed, "quarantine"),
    (receipt.c.sealed, "receipt"),
    (submission.c.sealed_bsn, "bsn"),
    (shared_item.c.sealed, "shared"),
    (subscription.c.sealed_bsn, "bsn"),
    (person_case.c.sealed_bsn, "bsn"),
    (referral.c.sealed_bsn, "bsn"),
    (referral.c.sealed_task, EXCHANGE),
    (exchange_notice.c.sealed, EXCHANGE),
    (received_referral.c.sealed_base, EXCHANGE),
    (received_referral.c.sealed_task, EXCHANGE),
    (received_resource.c.sealed, EXCHANGE),
    (usage_key.c.sealed, USAGE),
)
"""Every column of the gateway that holds sealed bytes, with the purpose that they are sealed for."""


@click.group()
def keys() -> None:
    """The keys that seal what is stored."""


@keys.command("reseal")
@as_json
@with_settings
def reseal_command(settings: Settings, as_json: bool) -> None:
    """Seal everything again under the key that seal_with names. Run it after adding a key, before taking one away."""
    _, ring = keys_of(settings)
    with database(settings) as engine:
        try:
            counts = {"grants": wire(as_served(settings)).auth.reseal()}
        except NoSource as fault:
            fail(str(fault))
        with engine.begin() as connection:
            for column, purpose in SEALED:
                counts[str(column)] = reseal(connection, ring, column, purpose)
    if as_json:
        emit({"key": ring.current, "sealed_again": counts})
        return
    shown = ", ".join(f"{name} {count}" for name, count in counts.items())
    console.print(f"sealed again under {ring.current}: {shown}", highlight=False)


def reseal(connection: Connection, ring: KeyRing, column: "Column[bytes]", purpose: str) -> int:
    """Seal every value of a column under the current key, one at a time; the number that was changed."""
    table, count = column.table, 0
    for key in connection.execute(select(*table.primary_key).where(column.is_not(None), column != b"")).all():
        row = [one == value for one, value in zip(table.primary_key, key, strict=True)]
        sealed = connection.execute(select(column).where(*row)).scalar_one()
        # Empty: there was nothing to seal.
        if sealed and ring.key_of(sealed) != ring.current:
            again = ring.seal(purpose, ring.open(purpose, sealed))
            connection.execute(update(table).where(*row).values({column: again}))
            count += 1
    return count
