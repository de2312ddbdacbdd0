"""Photos as a citizen sends them."""

import base64
import hashlib
import io
import struct
import zlib
from typing import Any

from PIL import Image
from world.share_house import ZIB, bundle, entry, sender, urn


def picture(form: str = "JPEG", gps: bool = False) -> bytes:
    """A small picture, on request with the place where it was taken."""
    with Image.new("RGB", (32, 24), (200, 80, 40)) as image, io.BytesIO() as stream:
        exif = image.getexif()
        exif[0x010F] = "Camera"
        if gps:
            exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 22.0, 30.0), 3: "E", 4: (4.0, 53.0, 30.0)})
        image.save(stream, form, exif=exif)
        return stream.getvalue()


def bomb(side: int) -> bytes:
    """A PNG that says it is very large, in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(100_000)))
        + chunk(b"IEND", b"")
    )


def photos(*contents: bytes, media: str = "image/jpeg", **content: Any) -> dict[str, Any]:
    """A List of Media with a Binary for each."""
    who, role, entries, shown = urn(), urn(), [], []
    for data in contents:
        item, file = urn(), urn()
        about = {
            "contentType": media, "url": file, "size": len(data), "title": "Foto",
            "hash": base64.b64encode(hashlib.sha1(data).digest()).decode(),
        } | content  # fmt: skip
        made = {
            "resourceType": "Media", "meta": {"profile": [f"{ZIB}images-Media"]},
            "identifier": [{"use": "official", "system": "https://pgo.example/photos", "value": item}],
            "type": "photo", "subject": {"reference": who, "display": "A. Lindegaarde"},
            "occurrenceDateTime": "2026-01-05T08:00:00+01:00", "content": about,
        }  # fmt: skip
        binary = {"resourceType": "Binary", "contentType": media, "content": base64.b64encode(data).decode()}
        entries += [entry(item, made), entry(file, binary)]
        shown.append({"item": {"reference": item, "display": "Foto"}})
    listed = {
        "resourceType": "List", "meta": {"profile": [f"{ZIB}images-List"]},
        "identifier": [{"system": "https://pgo.example/lists", "value": role}], "status": "current",
        "mode": "snapshot", "subject": {"reference": who, "display": "A. Lindegaarde"},
        "date": "2026-01-05T08:00:00+01:00", "entry": shown,
    }  # fmt: skip
    return bundle("transaction", entry(urn(), listed), *entries, sender(who))
