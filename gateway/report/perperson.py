"""Completeness as a person meets it: of how many persons does the store hold a zib, never whether anybody has it.

Counted from the store itself, over all persons or over a fixed draw of them: reading every record of a large hospital
for one table would take hours, and a draw that is the same each time can be compared with the one before.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection, select

from gateway.store.schema import resource
from profiles.fhir.codec.packing import unpack

DRAWN = 2_000
"""Most persons whose records are read, of each provider."""
_GROUP = 200


class _Meta(msgspec.Struct):
    profile: list[str] = []


class _Claiming(msgspec.Struct):
    """What is read of a resource: the profiles that it claims."""

    meta: _Meta = msgspec.field(default_factory=_Meta)


@dataclass
class PersonsHaving:
    """Of how many persons was read, of how many there are, and how many of them have a resource of each profile."""

    persons: int = 0
    drawn: int = 0
    having: Counter[str] = field(default_factory=Counter)
    records: dict[str, frozenset[str]] = field(default_factory=dict)
    """Profiles by person."""

    def any_of(self, profiles: Sequence[str]) -> int:
        """Persons with a resource of any of these profiles."""
        wanted = frozenset(profiles)
        return sum(1 for claimed in self.records.values() if claimed & wanted)


def persons_having(connection: Connection, provider: str, fhir: str, most: int = DRAWN) -> PersonsHaving:
    """Read what the store holds for a provider in one release of FHIR, person by person.

    A person is a patient with at least one resource that is not the Patient itself.
    """
    asked = (
        select(resource.c.patient_id)
        .where(resource.c.provider == provider, resource.c.fhir == fhir, resource.c.patient_id != "")
        .where(resource.c.type != "Patient", resource.c.deleted.is_(False))
        .distinct()
    )
    every = [str(row.patient_id) for row in connection.execute(asked)]
    drawn = heapq.nsmallest(most, every, key=lambda id_: hashlib.sha256(f"{provider}|{id_}".encode()).digest())
    made = PersonsHaving(len(every), len(drawn), records={id_: frozenset() for id_ in drawn})
    for first in range(0, len(drawn), _GROUP):
        for patient, profiles in _claims(connection, provider, fhir, drawn[first : first + _GROUP]):
            made.records[patient] |= profiles
    for profiles in made.records.values():
        made.having.update(profiles)
    return made


def _claims(
    connection: Connection, provider: str, fhir: str, patients: Sequence[str]
) -> Iterator[tuple[str, frozenset[str]]]:
    rows = connection.execute(
        select(resource.c.patient_id, resource.c.json)
        .where(resource.c.provider == provider, resource.c.fhir == fhir, resource.c.patient_id.in_(patients))
        .where(resource.c.deleted.is_(False)),
        execution_options={"yield_per": 500},
    )
    for row in rows:
        claiming = msgspec.json.decode(unpack(bytes(row.json)), type=_Claiming)
        yield str(row.patient_id), frozenset(claiming.meta.profile)
