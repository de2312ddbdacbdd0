"""Where a photo was taken, as cameras write it into JPEG and PNG (EXIF): found, and taken out without touching a pixel.

The entries of the GPS directory are emptied in place, so that the file keeps its length and everything else in it. A
block of XMP that names a place goes as a whole. Source: EXIF 2.32 of CIPA, TIFF 6.0, PNG 1.2 (eXIf).
"""

import struct
import zlib
from collections.abc import Iterator

from gateway.share.lifting import Content

EXIF = b"Exif\x00\x00"
XMP = b"http://ns.adobe.com/xap/1.0/\x00"
GPS = 0x8825
"""The tag in the first directory that points at the GPS directory."""
ENTRY = 12
"""Bytes of a directory entry."""
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes of one value, by TIFF type."""


def has_location(content: Content) -> bool:
    """Whether a photo says where it was taken; the picture itself is not read."""
    words = _words(content)
    return without_location(words) != words


def _words(content: Content) -> bytes:
    """A photo without its picture: what stands before it in a JPEG, all but the picture's chunks in a PNG."""
    try:
        if content[:2] == b"\xff\xd8":
            at = 2
            while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
                at += 2 + struct.unpack_from(">H", content, at + 2)[0]
            return content[: min(at + 4, len(content))]
        if content[:8] == b"\x89PNG\r\n\x1a\n":
            return b"".join([content[:8], *_chunks(content)])
    except (struct.error, IndexError):
        return b""
    return b""


def _chunks(content: Content) -> Iterator[bytes]:
    at = 8
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I", content, at)[0], content[at + 4 : at + 8]
        if kind != b"IDAT":
            yield content[at : at + 12 + length]
        at += 12 + length


def without_location(content: bytes) -> bytes:
    """The same photo without the place; other files, and broken ones, as they are."""
    changed = bytearray(content)
    try:
        if content.startswith(b"\xff\xd8"):
            return _jpeg(changed)
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(changed)
    except (struct.error, IndexError):
        return content
    return content


def _jpeg(photo: bytearray) -> bytes:
    for start, stop in _segments(photo):
        if photo[start : start + len(EXIF)] == EXIF:
            _empty(photo, start + len(EXIF), stop)
        elif photo[start : start + len(XMP)] == XMP and b"GPS" in photo[start:stop]:
            # Blanks in place of the packet: readers skip white space, and no length changes.
            photo[start + len(XMP) : stop] = b" " * (stop - start - len(XMP))
    return bytes(photo)


def _segments(photo: bytearray) -> Iterator[tuple[int, int]]:
    """Where the content of each APP1 segment stands, up to the start of the picture."""
    at = 2
    while at + 4 <= len(photo) and photo[at] == 0xFF:
        marker, length = photo[at + 1], struct.unpack_from(">H", photo, at + 2)[0]
        if marker == 0xDA:
            return
        if marker == 0xE1:
            yield at + 4, min(at + 2 + length, len(photo))
        at += 2 + length


def _png(photo: bytearray) -> bytes:
    at = 8
    while at + 12 <= len(photo):
        length, kind = struct.unpack_from(">I", photo, at)[0], bytes(photo[at + 4 : at + 8])
        start, stop = at + 8, at + 8 + length
        before = bytes(photo[start:stop])
        if kind == b"eXIf":
            _empty(photo, start, stop)
        elif kind in (b"iTXt", b"tEXt") and b"GPS" in before and b"XML:com.adobe.xmp" in before:
            head = before.index(b"XML:com.adobe.xmp") + len(b"XML:com.adobe.xmp") + (5 if kind == b"iTXt" else 1)
            photo[start + head : stop] = b" " * (length - head)
        if bytes(photo[start:stop]) != before:
            struct.pack_into(">I", photo, stop, zlib.crc32(photo[at + 4 : stop]))
        at = stop + 4
    return bytes(photo)


def _empty(photo: bytearray, start: int, stop: int) -> None:
    """Empty the GPS directory of a TIFF structure, in place."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(photo[start : start + 2]))
    if order is None:
        return
    first = struct.unpack_from(f"{order}I", photo, start + 4)[0]
    for entry in _entries(photo, start, start + first, stop, order):
        if struct.unpack_from(f"{order}H", photo, entry)[0] != GPS:
            continue
        gps = start + struct.unpack_from(f"{order}I", photo, entry + 8)[0]
        for at in list(_entries(photo, start, gps, stop, order)):
            _, type_, count = struct.unpack_from(f"{order}HHI", photo, at)
            size = SIZES.get(type_, 1) * count
            if size > 4:
                value = start + struct.unpack_from(f"{order}I", photo, at + 8)[0]
                photo[value : min(value + size, stop)] = bytes(max(0, min(value + size, stop) - value))
            photo[at : at + ENTRY] = bytes(ENTRY)
        struct.pack_into(f"{order}H", photo, gps, 0)


def _entries(photo: bytearray, start: int, directory: int, stop: int, order: str) -> Iterator[int]:
    if not start <= directory <= stop - 2:
        return
    count = struct.unpack_from(f"{order}H", photo, directory)[0]
    for number in range(count):
        at = directory + 2 + number * ENTRY
        if at + ENTRY > stop:
            return
        yield at
