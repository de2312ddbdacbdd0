"""Content codings of a body that comes in (RFC 9110, section 8.4): gzip, within bounds, and no other."""

import zlib

from gateway.problems import Problem

TAKEN = "gzip"
MEMBERS = 16
"""A gzip file may be several behind each other; each costs a look at all that follows."""
_GZIP = frozenset({"gzip", "x-gzip"})


def decoded(body: bytes, header: str, most: int) -> bytes:
    """The body without its content codings; ``header`` is Content-Encoding, ``most`` bounds the bytes that come out.

    Raises Problem: 415 for another coding or more than one, 413 beyond the bound (before it is made), 400 for what is
    no gzip, is cut off, or has something behind it.
    """
    codings = [name for part in header.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if not codings:
        return body
    if len(codings) > 1 or codings[0] not in _GZIP:
        text = "The body has a content coding that is not taken; send it with gzip, or as it is."
        raise Problem(415, "not-supported", text, headers={"accept-encoding": TAKEN})
    return _gunzipped(body, most)


def _gunzipped(body: bytes, most: int) -> bytes:
    made, left, size = [], body, 0
    for _ in range(MEMBERS):
        reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            part = reader.decompress(left, most - size + 1)
        except zlib.error:
            raise Problem(400, "structure", "The body is not gzip, although Content-Encoding says so.") from None
        size += len(part)
        if size > most:
            raise Problem(413, "too-long", f"The body is larger than {most} bytes when it is unpacked.")
        made.append(part)
        if not reader.eof:
            raise Problem(400, "incomplete", "The gzip body ended early.")
        left = reader.unused_data
        if not left:
            return b"".join(made)
    raise Problem(400, "structure", f"The gzip body has more than {MEMBERS} members.")
