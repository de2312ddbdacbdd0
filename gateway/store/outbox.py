"""What changed in the store and was not dealt with yet: for whoever has to follow (notifications, other systems)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from gateway.store.schema import outbox

_MOST = 500


def waiting(connection: Connection, limit: int) -> Sequence[Mapping[str, Any]]:
    """The oldest rows, at most ``limit``: number, time (UTC), provider, fhir, patient, type, id, version, deed, source.

    ``patient`` is the id that the source gave; it is not a citizen number.
    """
    statement = select(outbox).order_by(outbox.c.pk).limit(limit)
    return [
        {
            "number": row.pk,
            "at": row.at,
            "provider": row.provider,
            "fhir": row.fhir,
            "patient": row.patient_id,
            "type": row.type,
            "id": row.id,
            "version": row.version,
            "deed": row.deed,
            "source": row.source,
        }
        for row in connection.execute(statement)
    ]


def done(connection: Connection, numbers: Iterable[int]) -> int:
    """Remove exactly these rows; how many were there.

    Not "all up to": a row with a lower number may become visible later than one with a higher.
    """
    wanted = list(numbers)
    return sum(
        connection.execute(delete(outbox).where(outbox.c.pk.in_(wanted[start : start + _MOST]))).rowcount
        for start in range(0, len(wanted), _MOST)
    )
