"""Searchsets, put together from resources that are ready as bytes (RES-12)."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from profiles.fhir.codec import jsonio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.codec.xmlwrite import escape
from profiles.fhir.version import FhirVersion

Mode = Literal["match", "include", "outcome"]


class BundleEntry(NamedTuple):
    """One entry. ``body`` is JSON (``jsonio.dump``) or XML without namespace (``xmlio.fragment``), as the Bundle is."""

    full_url: str | None
    mode: Mode
    body: bytes


_XML_HEAD = b'<?xml version="1.0" encoding="UTF-8"?><Bundle xmlns="http://hl7.org/fhir">'
_XML_MODES = {
    mode: f'</resource><search><mode value="{mode}"/></search></entry>'.encode()
    for mode in ("match", "include", "outcome")
}
_JSON_MODES = {mode: f',"search":{{"mode":"{mode}"}}}}'.encode() for mode in ("match", "include", "outcome")}


def searchset(
    fmt: Format,
    version: FhirVersion,
    self_url: str,
    entries: Iterable[BundleEntry],
    *,
    bundle_id: str | None = None,
    last_updated: str | None = None,
) -> bytes:
    """A Bundle of type searchset, which has the same form in STU3 and R4.

    It has one self link, ``total`` is the number of matches, entries stand in the given order. ``last_updated`` is an
    instant. Raises FormatError when a URL holds a character that XML cannot.
    """
    rows = list(entries)
    total = sum(row.mode == "match" for row in rows)
    make = _json if fmt is Format.JSON else _xml
    return make(rows, total, self_url, bundle_id, last_updated)


def _json(rows: list[BundleEntry], total: int, self_url: str, bundle_id: str | None, updated: str | None) -> bytes:
    text = jsonio.dump
    parts = [b'{"resourceType":"Bundle",']
    if bundle_id is not None:
        parts += [b'"id":', text(bundle_id), b","]
    if updated is not None:
        parts += [b'"meta":{"lastUpdated":', text(updated), b"},"]
    link = [b'"type":"searchset","total":%d,"link":[{"relation":"self","url":' % total, text(self_url), b"}]"]
    parts += link
    before = b',"entry":[{'
    for row in rows:
        parts.append(before)
        if row.full_url is not None:
            parts += (b'"fullUrl":', text(row.full_url), b",")
        parts += (b'"resource":', row.body, _JSON_MODES[row.mode])
        before = b",{"
    parts.append(b"]}" if rows else b"}")
    return b"".join(parts)


def _xml(rows: list[BundleEntry], total: int, self_url: str, bundle_id: str | None, updated: str | None) -> bytes:
    parts = [_XML_HEAD]
    if bundle_id is not None:
        parts.append(f'<id value="{escape(bundle_id)}"/>'.encode())
    if updated is not None:
        parts.append(f'<meta><lastUpdated value="{escape(updated)}"/></meta>'.encode())
    link = f'<link><relation value="self"/><url value="{escape(self_url)}"/></link>'
    parts.append(f'<type value="searchset"/><total value="{total}"/>{link}'.encode())
    for row in rows:
        full = b"" if row.full_url is None else f'<fullUrl value="{escape(row.full_url)}"/>'.encode()
        parts += (b"<entry>", full, b"<resource>", row.body, _XML_MODES[row.mode])
    parts.append(b"</Bundle>")
    return b"".join(parts)
