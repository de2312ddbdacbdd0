"""The selects of the read path, written once and prepared by the driver.

Every one of them is bound to a provider and, through the join with ``patient``, to one person: a resource of somebody
else cannot come out, whatever the type or id asked for.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, literal_column, or_, select

from gateway.store.schema import link, patient, resource

HELD = (
    resource.c.type,
    resource.c.id,
    resource.c.json,
    resource.c.xml,
    resource.c.source,
    resource.c.patient_id,
    resource.c.digest,
)

_mine = and_(
    patient.c.provider == bindparam("provider"),
    patient.c.fhir == bindparam("fhir"),
    or_(patient.c.person == bindparam("person"), patient.c.patient_id == bindparam("patient_id")),
)
_of_patient = and_(
    resource.c.provider == patient.c.provider,
    resource.c.fhir == patient.c.fhir,
    resource.c.patient_id == patient.c.patient_id,
    resource.c.deleted.is_(False),
)

PATIENTS = select(patient.c.patient_id, patient.c.source, patient.c.birth_date, patient.c.person).where(_mine)
"""The patients that are this person: ``provider``, ``fhir``, ``person`` and ``patient_id`` (each may be empty)."""

BY_TYPE = (
    select(*HELD).select_from(patient.join(resource, _of_patient)).where(_mine, resource.c.type == bindparam("type"))
)
"""All resources of one type in a person's record."""


def readable() -> ColumnElement[bool]:
    """The condition on a resource to be a person's own or a shared one.

    Whether a shared one may be seen is for the caller to know: it is, when something of the person's points at it.
    """
    mine = select(patient.c.patient_id).where(_mine).scalar_subquery()
    return and_(
        resource.c.provider == bindparam("provider"),
        resource.c.fhir == bindparam("fhir"),
        resource.c.deleted.is_(False),
        or_(resource.c.patient_id == literal_column("''"), resource.c.patient_id.in_(mine)),
    )


def by_ids(size: int) -> Select[Any]:
    """A person's own and the shared resources of one type with ``size`` ids (``id_0`` ...), for includes and reads."""
    ids: list[Any] = [bindparam(f"id_{index}") for index in range(size)]
    return select(*HELD).where(readable(), resource.c.type == bindparam("type"), resource.c.id.in_(ids))


BY_IDS = {size: by_ids(size) for size in (1, 2, 4, 8, 16, 32, 64)}
"""Selects for padded numbers of ids, so that few statements have to be prepared."""

POINTING_AT = (
    select(resource.c.patient_id, resource.c.type, resource.c.id)
    .select_from(link.join(resource, resource.c.pk == link.c.resource_pk))
    .where(
        resource.c.provider == bindparam("provider"),
        resource.c.fhir == bindparam("fhir"),
        resource.c.deleted.is_(False),
        link.c.target_type == bindparam("type"),
        link.c.target_id == bindparam("id"),
    )
)
"""What points at a resource, whoever's it is."""
