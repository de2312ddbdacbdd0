"""The size of a picture by its head: nothing of it is unpacked before it is known to be of a size that one can bear.

PNG (ISO 15948, IHDR), GIF89a (logical screen), JPEG (ISO 10918, start of frame) and JPEG 2000 (ISO 15444-1, ihdr).
"""

import struct
from collections.abc import Callable, Mapping

from gateway.share.lifting import Content

BARE = frozenset({0x01, *range(0xD0, 0xDA)})
"""JPEG markers without a length."""
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
BOXES = frozenset({b"jp2h", b"ihdr"})


def pixels_of(content: Content, media: str) -> tuple[int, int] | None:
    """Width and height in pixels; None when the head of such a picture is not there, or says nothing above nought."""
    try:
        width, height = _READERS[media](content)
    except (KeyError, struct.error, IndexError, ValueError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _png(content: Content) -> tuple[int, int]:
    if content[12:16] != b"IHDR":
        raise ValueError("no head")
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _gif(content: Content) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", content, 6)
    return width, height


def _jpeg(content: Content) -> tuple[int, int]:
    at = 2
    while content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in BARE:
            at += 2
        elif marker in FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        else:
            (length,) = struct.unpack_from(">H", content, at + 2)
            at += 2 + max(2, length)
    raise ValueError("no frame")


def _jp2(content: Content) -> tuple[int, int]:
    at = 0
    while at < len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"ihdr":
            height, width = struct.unpack_from(">II", content, at + 8)
            return width, height
        if kind not in BOXES and length < 8:
            raise ValueError("no head")
        at += 8 if kind in BOXES else length
    raise ValueError("no head")


_READERS: Mapping[str, Callable[[Content], tuple[int, int]]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/jpeg": _jpeg,
    "image/jp2": _jp2,
}
