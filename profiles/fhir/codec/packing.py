"""Packed bytes of resources: small ones compress badly alone, so a dictionary of what FHIR looks like goes before.

Packed bytes say so themselves: they begin with a byte that no JSON, XML or message begins with, and the number of the
dictionary. Everything else is taken as it is, so that what was stored before packing needs no change.
"""

import zlib
from functools import cache
from importlib import resources
from typing import Any

MARK = 0x01
"""Below every character that a text begins with."""
DICTIONARIES = {1: "packing-json-1.dict", 2: "packing-xml-1.dict"}
"""By number. What stands here stays here: see tools/packing_dictionaries.py."""
JSON, XML = 1, 2
LEVEL = 6
WINDOW = -15
"""Raw deflate: the seal or the database tells when bytes were damaged."""
_LARGEST = 64 * 1024 * 1024


class Unpackable(ValueError):
    """Bytes that are marked as packed, and are not."""


def pack(content: bytes, dictionary: int = JSON) -> bytes:
    """The content, packed when that makes it smaller. It must not begin with `MARK`, which is packed always."""
    compressor = _compressor(dictionary).copy()
    packed = bytes((MARK, dictionary)) + compressor.compress(content) + compressor.flush()
    return packed if len(packed) < len(content) or content[:1] == bytes((MARK,)) else content


def unpack(kept: bytes) -> bytes:
    """What was packed; other bytes as they are. Raises Unpackable."""
    if len(kept) < 2 or kept[0] != MARK:
        return kept
    try:
        opener = zlib.decompressobj(WINDOW, _dictionary(kept[1]))
        content = opener.decompress(kept[2:], _LARGEST)
    except (zlib.error, KeyError) as fault:
        raise Unpackable("these bytes were not packed here") from fault
    if not opener.eof:
        raise Unpackable("these bytes end too early, or are too large")
    return content


@cache
def _dictionary(number: int) -> bytes:
    return (resources.files("profiles.fhir") / "data" / DICTIONARIES[number]).read_bytes()


@cache
def _compressor(number: int) -> Any:
    """A compressor that has read the dictionary: a copy of it costs less than reading that again."""
    return zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW, 8, zlib.Z_DEFAULT_STRATEGY, _dictionary(number))
