"""Packed bytes of resources: small ones compress badly alone, so a dictionary of what FHIR looks like goes before.

Packed bytes say so themselves: they begin with a byte that no JSON, XML or message begins with, and the number of the
way in which they were packed. Everything else is taken as it is, so what was stored before packing needs no change.
"""

import threading
import zlib
from functools import cache
from importlib import resources
from typing import NamedTuple

import zstandard

MARK = 0x01
"""Below every character that a text begins with."""
DICTIONARIES = {1: "packing-json-1.dict", 2: "packing-xml-1.dict"}
"""By number. What stands here stays here: see tools/packing_dictionaries.py."""
JSON, XML = 1, 2
LEVEL = 6
"""Of Zstandard. Higher ones take twice the time for a few hundredths of the size."""
SHORTEST = 64
"""What is shorter is not worth the time of opening it."""
_LARGEST = 64 * 1024 * 1024


class Way(NamedTuple):
    """How bytes were packed. Those of before Zstandard can be opened for as long as there are any."""

    zstandard: bool
    dictionary: int


WAYS = {1: Way(False, 1), 2: Way(False, 2), 3: Way(True, 1), 4: Way(True, 2)}
"""By number. What stands here stays here."""
_NUMBERS = {way.dictionary: number for number, way in WAYS.items() if way.zstandard}


class Unpackable(ValueError):
    """Bytes that are marked as packed, and are not."""


def pack(content: bytes, dictionary: int = JSON) -> bytes:
    """The content, packed when that makes it smaller. It must not begin with `MARK`, which is packed always."""
    marked = content[:1] == _MARK
    if len(content) < SHORTEST and not marked:
        return content
    packed = bytes((MARK, _NUMBERS[dictionary])) + _TOOLS.packing(dictionary).compress(content)
    return packed if marked or len(packed) < len(content) else content


def unpack(kept: bytes) -> bytes:
    """What was packed; other bytes as they are. Raises Unpackable."""
    if len(kept) < 2 or kept[0] != MARK:
        return kept
    way = WAYS.get(kept[1])
    if way is None:
        raise Unpackable("these bytes were not packed here")
    return _opened(kept[2:], way.dictionary) if way.zstandard else _inflated(kept[2:], way.dictionary)


_MARK = bytes((MARK,))


def _opened(packed: bytes, dictionary: int) -> bytes:
    try:
        if not 0 <= zstandard.frame_content_size(packed) <= _LARGEST:
            raise Unpackable("these bytes are too large, or do not say how large they are")
        return _TOOLS.opening(dictionary).decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as fault:
        raise Unpackable("these bytes were not packed here, or end too early") from fault


def _inflated(packed: bytes, dictionary: int) -> bytes:
    """Raw deflate, as it was used before Zstandard."""
    try:
        opener = zlib.decompressobj(-15, _bytes(dictionary))
        content = opener.decompress(packed, _LARGEST)
    except zlib.error as fault:
        raise Unpackable("these bytes were not packed here") from fault
    if not opener.eof:
        raise Unpackable("these bytes end too early, or are too large")
    return content


class _Tools(threading.local):
    """One of each per thread: they keep what they work with, and are not for two at once."""

    def __init__(self) -> None:
        self._packing: dict[int, zstandard.ZstdCompressor] = {}
        self._opening: dict[int, zstandard.ZstdDecompressor] = {}

    def packing(self, dictionary: int) -> zstandard.ZstdCompressor:
        compressor = self._packing.get(dictionary)
        if compressor is None:
            # The checksum is the seal's or the database's affair; the number of the dictionary stands before the frame.
            compressor = self._packing[dictionary] = zstandard.ZstdCompressor(
                LEVEL, dict_data=_digested(dictionary), write_checksum=False, write_dict_id=False
            )
        return compressor

    def opening(self, dictionary: int) -> zstandard.ZstdDecompressor:
        found = self._opening.get(dictionary)
        if found is None:
            found = self._opening[dictionary] = zstandard.ZstdDecompressor(_digested(dictionary))
        return found


_TOOLS = _Tools()


@cache
def _digested(number: int) -> zstandard.ZstdCompressionDict:
    """A dictionary as Zstandard reads it: plain content, digested once."""
    made = zstandard.ZstdCompressionDict(_bytes(number), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    made.precompute_compress(LEVEL)
    return made


@cache
def _bytes(number: int) -> bytes:
    return (resources.files("profiles.fhir") / "data" / DICTIONARIES[number]).read_bytes()
