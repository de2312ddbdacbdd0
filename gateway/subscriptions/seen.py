"""Which changes of a record a subscription has seen: by the version of each resource, not by a moment.

A moment is set when a transaction begins, and seen when it ends: of two that end the other way round, one would be
passed over. So a look goes back a day before the newest that was seen, which is longer than any transaction takes, and
remembers what it saw in that day.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from gateway.calendar import utc
from gateway.store.schema import patient, resource

WINDOW = timedelta(hours=24)
"""How far a look goes back before the newest that was seen."""


def changed(connection: Connection, provider: str, fhir: str, person: str, high_water: datetime) -> Sequence[Any]:
    """What was written to a record since a day before ``high_water``, deletions too: pk, version, type, id, updated."""
    whose = (patient.c.person == person, patient.c.provider == provider, patient.c.fhir == fhir)
    patients = list(connection.execute(select(patient.c.patient_id).where(*whose)).scalars())
    wanted = select(resource.c.pk, resource.c.version, resource.c.type, resource.c.id, resource.c.updated).where(
        resource.c.provider == provider,
        resource.c.fhir == fhir,
        resource.c.patient_id.in_(patients),
        resource.c.updated > utc(high_water) - WINDOW,
    )
    return connection.execute(wanted).all()


def unseen(rows: Sequence[Any], seen: bytes | None, high_water: datetime) -> list[Any]:
    """The rows not seen in this version. ``seen``: what `remembered` wrote; None: all up to ``high_water`` were."""
    if seen is None:
        return [row for row in rows if utc(row.updated) > utc(high_water)]
    known: Mapping[str, int] = msgspec.json.decode(seen, type=dict[str, int])
    return [row for row in rows if known.get(f"{row.type}/{row.id}") != row.version]


def remembered(rows: Sequence[Any]) -> bytes:
    """The versions of these rows, for the next look."""
    return msgspec.json.encode({f"{row.type}/{row.id}": row.version for row in rows})
