"""A DocumentReference against the content that it refers to: title, type, author, date, hash and size."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.documents.findings import finding
from gateway.documents.pdfa import check as check_pdf
from profiles.fhir.codec.mediatypes import essence
from profiles.fhir.tree import Resource, local_reference
from profiles.validation.run.findings import Finding

PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """The content as far as it is known: of a document that was stored before, only size and hash."""

    size: int
    sha1: bytes
    media: str = ""
    content: bytes | None = None

    @classmethod
    def of(cls, content: bytes, media: str) -> "KnownDocument":
        """A document that is here whole."""
        # FHIR states the hash of an attachment as SHA-1; it identifies the content and protects nothing.
        return cls(len(content), hashlib.sha1(content, usedforsecurity=False).digest(), media, content)


Find = Callable[[str], KnownDocument | None]
"""The document of a Binary id, or None."""


def attachments(resource: Resource) -> Iterator[tuple[str, Resource]]:
    """The attachments of a DocumentReference, each with its FHIRPath."""
    contents = resource.get("content")
    for index, content in enumerate(contents if isinstance(contents, list) else ()):
        attachment = content.get("attachment") if isinstance(content, dict) else None
        if isinstance(attachment, dict):
            yield f"DocumentReference.content[{index}].attachment", attachment


def check(resource: Resource, find: Find) -> tuple[Finding, ...]:
    """The findings on a DocumentReference and on the documents that it brings."""
    return tuple(dict.fromkeys((*_reference(resource), *_contents(resource, find))))


def _reference(resource: Resource) -> Iterator[Finding]:
    for rule, names in (
        ("document-kind", ("type",)),
        ("document-author", ("author",)),
        ("document-date", ("indexed", "created", "date")),
    ):
        if not any(resource.get(name) for name in names):
            yield found(rule, f"DocumentReference.{names[0]}")


def _contents(resource: Resource, find: Find) -> Iterator[Finding]:
    for expression, attachment in attachments(resource):
        if not attachment.get("title") and not resource.get("description"):
            yield found("document-title", f"{expression}.title")
        url = attachment.get("url")
        if not isinstance(url, str):
            if "data" not in attachment:
                yield found("document-missing", f"{expression}.url", "no url")
            continue
        key = local_reference(url)
        document = find(key[1]) if key and key[0] == "Binary" else None
        if document is not None:
            yield from _content(expression, attachment, document)
        elif url.startswith(("http://", "https://")):
            yield found("document-elsewhere", f"{expression}.url", url.split("?")[0][:100])
        else:
            yield found("document-missing", f"{expression}.url", url[:100])


def _content(expression: str, attachment: Resource, document: KnownDocument) -> Iterator[Finding]:
    size, stated = attachment.get("size"), attachment.get("hash")
    if size is None:
        yield found("document-size-absent", f"{expression}.size")
    elif size != document.size:
        yield found("document-size", f"{expression}.size", f"{size} != {document.size}")
    if stated is None:
        yield found("document-hash-absent", f"{expression}.hash")
    elif _decoded(stated) != document.sha1:
        yield found("document-hash", f"{expression}.hash")
    media = str(attachment.get("contentType", ""))
    if document.media and essence(media) != essence(document.media):
        yield found("document-type", f"{expression}.contentType", f"{media or '-'} != {document.media}")
    if document.content is not None and PDF in (essence(media), essence(document.media)):
        yield from check_pdf(document.content, expression)


def _decoded(text: object) -> bytes | None:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        return None
