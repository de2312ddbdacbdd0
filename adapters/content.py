"""How adapters hand over the bytes of a document."""

from collections.abc import AsyncIterator

PIECE = 65_536
"""Bytes of a document that are handed over at a time."""


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    """Ready bytes, piece by piece."""
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]
