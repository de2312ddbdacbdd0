"""How adapters hand over the bytes of a document."""

import base64
import binascii
from collections.abc import AsyncIterator

from adapters.port import AdapterGarbage
from profiles.fhir.tree import Resource

PIECE = 65_536
"""Bytes of a document that are handed over at a time."""


def decode(resource: Resource) -> bytes:
    """The bytes in a Binary resource: ``content`` in STU3, ``data`` in R4.

    Raises AdapterGarbage when it is no document or not base64: nothing is skipped to make it fit.
    """
    text = resource.get("content", resource.get("data"))
    if resource.get("resourceType") != "Binary" or not isinstance(text, str):
        raise AdapterGarbage("the source answered something else than a document")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise AdapterGarbage("the source sent a document that cannot be decoded", cause=error) from error


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    """Ready bytes, piece by piece."""
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]
