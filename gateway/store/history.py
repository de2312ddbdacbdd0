"""The versions of a stored resource: when each came, what was received, and the content of a document."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, select

from auth.crypto import KeyRing
from gateway.store.known import Key
from gateway.store.schema import document, document_content, key_of, original, patient, resource
from gateway.store.unit import GONE
from profiles.fhir.codec.packing import unpack
from profiles.fhir.version import FhirVersion


@dataclass(frozen=True, slots=True)
class Version:
    """One version; ``size`` is that of a document's content, None when it has none in the store."""

    number: int
    received: datetime
    format: str
    source: str
    size: int | None

    @property
    def deleted(self) -> bool:
        """Whether this version is the end of the resource."""
        return self.format == GONE


def _chosen(provider: str, fhir: FhirVersion, key: Key) -> ColumnElement[bool]:
    return resource.c.key == key_of(provider, fhir.value, *key)


def versions(connection: Connection, provider: str, fhir: FhirVersion, key: Key) -> Sequence[Version]:
    """Every version of a resource, the oldest first; none when it was never here."""
    held = and_(document.c.resource_pk == original.c.resource_pk, document.c.version == original.c.version)
    statement = (
        select(original.c.version, original.c.received, original.c.format, resource.c.source, document.c.size)
        .select_from(original.join(resource, resource.c.pk == original.c.resource_pk).outerjoin(document, held))
        .where(_chosen(provider, fhir, key))
        .order_by(original.c.version)
    )
    return [Version(*row) for row in connection.execute(statement)]


def received(
    connection: Connection, provider: str, fhir: FhirVersion, key: Key, number: int, ring: KeyRing
) -> bytes | None:
    """What was received as this version, opened; None when there is no such version. Raises SealError."""
    statement = (
        select(original.c.sealed)
        .join(resource, resource.c.pk == original.c.resource_pk)
        .where(_chosen(provider, fhir, key), original.c.version == number)
    )
    sealed = connection.execute(statement).scalar_one_or_none()
    return None if sealed is None else unpack(ring.open("original", bytes(sealed)))


def content(connection: Connection, provider: str, fhir: FhirVersion, key: Key, number: int) -> bytes:
    """The content of a document as it was in this version; empty when it had none."""
    statement = (
        select(document_content.c.data)
        .join(resource, resource.c.pk == document_content.c.resource_pk)
        .where(_chosen(provider, fhir, key), document_content.c.version == number)
        .order_by(document_content.c.number)
    )
    return b"".join(bytes(data) for data in connection.execute(statement).scalars())


def person(connection: Connection, provider: str, fhir: FhirVersion, key: Key) -> str:
    """The pseudonym of the person whose resource this is; empty when it is nobody's, or the patient is gone."""
    whose = and_(
        patient.c.provider == resource.c.provider, patient.c.fhir == resource.c.fhir,
        patient.c.patient_id == resource.c.patient_id,
    )  # fmt: skip
    statement = select(patient.c.person).join(resource, whose).where(_chosen(provider, fhir, key))
    return connection.execute(statement).scalar_one_or_none() or ""
