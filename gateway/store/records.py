"""All that is stored of a provider, record by record: for exports, not for the read path."""

import base64
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from gateway.store.schema import document_content, resource
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

CONTENT = {FhirVersion.STU3: "content", FhirVersion.R4: "data"}
"""Where a Binary has its content, which is stored apart."""


def counts(connection: Connection, provider: str, fhir: FhirVersion) -> Mapping[str, int]:
    """How many resources there are of each type."""
    statement = _kept(select(resource.c.type, func.count()), provider, fhir).group_by(resource.c.type)
    return {str(type_): int(count) for type_, count in connection.execute(statement.order_by(resource.c.type))}


def records(connection: Connection, provider: str, fhir: FhirVersion) -> Iterator[list[Resource]]:
    """What is nobody's first, then the record of each patient; documents with their content. One record in memory."""
    statement = _kept(
        select(
            resource.c.pk, resource.c.patient_id, resource.c.type, resource.c.version, resource.c.json
        ),
        provider,
        fhir,
    ).order_by(resource.c.patient_id, resource.c.type, resource.c.id)  # fmt: skip
    rows = connection.execution_options(yield_per=200).execute(statement)
    for _, some in groupby(rows, key=lambda row: row.patient_id):
        yield [_whole(connection, row, fhir) for row in some]


def _kept(statement: Select[Any], provider: str, fhir: FhirVersion) -> Select[Any]:
    return statement.where(
        resource.c.provider == provider, resource.c.fhir == fhir.value, resource.c.deleted.is_(False)
    )


def _whole(connection: Connection, row: Row[Any], fhir: FhirVersion) -> Resource:
    loaded: Any = jsonio.load(unpack(bytes(row.json)))
    if row.type == "Binary":
        statement = (
            select(document_content.c.data)
            .where(document_content.c.resource_pk == row.pk, document_content.c.version == row.version)
            .order_by(document_content.c.number)
        )
        data = b"".join(bytes(piece) for piece in connection.execute(statement).scalars())
        if data:
            loaded[CONTENT[fhir]] = base64.b64encode(data).decode()
    return dict(loaded)
