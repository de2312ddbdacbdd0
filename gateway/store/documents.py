"""The content of documents: in pieces beside the resource, so that no request ever holds a whole one in memory."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, insert

from gateway.store.queries import Selects
from gateway.store.reader import Reader, StoreUnavailable
from gateway.store.schema import document, document_content, resource

PIECE = 192 * 1024
"""Bytes per row: a multiple of three, so that pieces can be put in base64 one by one."""


def current(table: Table) -> ColumnElement[bool]:
    """Joins `document` or `document_content` to the version of the resource that is served."""
    return and_(table.c.resource_pk == resource.c.pk, table.c.version == resource.c.version)


@dataclass(frozen=True, slots=True)
class StoredContent:
    """The content of one document in the store."""

    size: int
    digest: bytes
    reader: Reader
    selects: Selects
    who: Mapping[str, Any]

    async def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from ``start`` up to ``stop``, piece by piece. StoreUnavailable when the document goes away."""
        for number in range(start // PIECE, -(-stop // PIECE)):
            rows = await self.reader.fetch(self.selects.content, {**self.who, "digest": self.digest, "number": number})
            if not rows:
                raise StoreUnavailable from LookupError("the document changed while it was read")
            first = number * PIECE
            yield bytes(rows[0][0][max(0, start - first) : stop - first])


def put_content(connection: Connection, pk: int, version: int, content: bytes) -> None:
    """Keep the content that belongs to a version of a resource."""
    # FHIR states the hash of an attachment as SHA-1; it identifies the content and protects nothing.
    sha1 = hashlib.sha1(content, usedforsecurity=False).digest()
    at = {"resource_pk": pk, "version": version}
    connection.execute(insert(document).values(**at, size=len(content), sha1=sha1))
    for number, start in enumerate(range(0, len(content), PIECE)):
        piece = content[start : start + PIECE]
        connection.execute(insert(document_content).values(**at, number=number, data=piece))
