"""Byte ranges (RFC 9110, section 14): one range of a representation of known length; and which one a client has."""

import re

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})[ \t]*-[ \t]*(\d{0,18})[ \t]*", re.IGNORECASE | re.ASCII)


class Unsatisfiable(ValueError):
    """The range lies outside the content: 416."""


def asked(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the byte after the last one of a Range header; None: send the whole.

    What is no single range of bytes (several ranges, another unit, nonsense) is left aside, as the RFC allows.
    Raises Unsatisfiable for a range that begins after the end, and for the last 0 bytes.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found.group(1) == found.group(2) == "":
        return None
    first, last = found.groups()
    if first == "":
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size:
        raise Unsatisfiable
    return start, stop


def tag(digest: bytes) -> str:
    """A strong entity tag."""
    return f'"{digest[:16].hex()}"'


def names(header: str | None, etag: str, *, weakly: bool) -> bool:
    """Whether If-None-Match (weak comparison) or If-Match (strong) names this entity tag, or any (section 13.1)."""
    if header is None:
        return False
    tags = [tag.strip() for tag in header.split(",")]
    return tags == ["*"] or etag in ([tag.removeprefix("W/") for tag in tags] if weakly else tags)


def applies(if_range: str | None, etag: str) -> bool:
    """Whether a Range counts: without If-Range, or when it names this very version. Dates never do: we send none."""
    return if_range is None or if_range.strip() == etag
