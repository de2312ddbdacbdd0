"""Binary: the document itself, whole or in part, or the FHIR resource around it, as the client asks."""

import re

from gateway.collect.content import DocumentContent, wrapped
from gateway.collect.held import Held
from gateway.http.exchange import NOT_MODIFIED, Exchange
from gateway.http.ranges import Unsatisfiable, applies, asked, names, tag
from gateway.http.reply import Reply, Stream
from gateway.problems import Problem
from profiles.fhir.codec.mediatypes import Format, content_type
from profiles.fhir.version import FhirVersion

UNKNOWN = "application/octet-stream"
_MEDIA = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:; ?[\w-]+=(?:[\w.+-]+|\"[\w .+-]*\"))*", re.ASCII)


def media_of(held: Held) -> str:
    """The media type of a document as its Binary states it; the general one when that is no media type."""
    stated = held.whole.get("contentType")
    return stated if isinstance(stated, str) and _MEDIA.fullmatch(stated) else UNKNOWN


def as_resource(held: Held, content: DocumentContent, format_: Format, version: FhirVersion) -> Reply:
    """The Binary as a FHIR resource; ranges do not apply to it."""
    whole = wrapped(held, content, format_, version)
    return Reply(200, Stream(whole.size, whole.pieces), content_type(format_, version), {"vary": "accept"})


def as_document(held: Held, content: DocumentContent, exchange: Exchange) -> Reply:
    """The document itself: 200, 206 for a range, or 304 for who has it already (RFC 9110).

    Raises Problem 412 when If-Match names another version, and 416 for a range outside it.
    """
    etag = tag(content.digest)
    # What a browser makes of somebody's file must never run as a page of ours.
    headers = {
        "accept-ranges": "bytes",
        "etag": etag,
        "vary": "accept",
        "content-disposition": "attachment",
        "content-security-policy": "sandbox",
    }
    wished = exchange.header(b"if-match")
    if wished is not None and not names(wished, etag, weakly=False):
        raise Problem(412, "conflict", "The document is not the version that If-Match names.", headers={"etag": etag})
    if names(exchange.header(b"if-none-match"), etag, weakly=True):
        return Reply(NOT_MODIFIED, b"", media_of(held), {"etag": etag, "vary": "accept"})
    wanted = None
    if exchange.method == "GET" and applies(exchange.header(b"if-range"), etag):
        try:
            wanted = asked(exchange.header(b"range"), content.size)
        except Unsatisfiable:
            text = f"The range lies outside the document of {content.size} bytes."
            raise Problem(416, "value", text, headers={"content-range": f"bytes */{content.size}"}) from None
    start, stop = wanted or (0, content.size)
    if wanted:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{content.size}"
    stream = Stream(stop - start, lambda: content.pieces(start, stop))
    return Reply(206 if wanted else 200, stream, media_of(held), headers)
