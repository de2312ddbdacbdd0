"""The files in what is sent: taken out of their Binary, looked at for what they are, held against what is said of them.

What a file is, its first bytes tell, whatever it is called. A PDF that can do something, an image that unpacks to more
than fits, and what the scanner knows are refused; what a stated size says is told and no more, since the official
examples state wrong ones.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping

from gateway.documents.pdfa import check as check_pdf
from gateway.problems import Problem
from gateway.share.findings import finding
from gateway.share.lifting import Content, Lifter
from gateway.share.location import has_location
from gateway.share.parcel import Item, Parcel
from gateway.share.pictures import pixels_of
from gateway.share.pointing import pointers
from profiles.fhir.codec.mediatypes import essence
from profiles.fhir.outcome import Issue
from profiles.fhir.version import FhirVersion

ELEMENT = {FhirVersion.STU3: "content", FhirVersion.R4: "data"}
MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "application/pdf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
)
"""How files of a type begin."""
REFUSED = frozenset({"pdf-unreadable", "pdf-encrypted", "pdfa-active-content", "pdfa-not-claimed"})
"""What may not be wrong with a PDF from a citizen; all else is told to who judges it."""
Scan = Callable[[Content], bool]
"""Whether a file is clean. Raises Problem 503 when that cannot be told."""


def take_files(parcel: Parcel, version: FhirVersion, pixels: int, scan: Scan | None, lifter: Lifter) -> None:
    """Take the content out of every Binary, in place; a file that may not come in gets a fault (422)."""
    files: dict[str, Item] = {}
    for item in parcel.items:
        if item.rule.media and item.fault is None:
            try:
                item.content = content = _decoded(item, ELEMENT[version], lifter)
                _looked_at(item, content, pixels)
                if scan is not None and not scan(content):
                    raise _refused(item, "security", "The file was recognised as malware.")
            except Problem as fault:
                if fault.status >= 500:
                    raise
                item.fault = fault
            files["/".join(item.key)] = item
    for item in parcel.items:
        for path, node, name in pointers(item.resource):
            if name == "url" and item.fault is None:
                item.fault = _stated(item, path, node, files)


def sniffed(content: Content) -> str:
    """What a file is by its first bytes; empty for what is not taken anywhere."""
    start = content[:1024]
    return next((media for magic, media in MAGIC if start.startswith(magic)), "")


def _decoded(item: Item, element: str, lifter: Lifter) -> Content:
    text = item.resource.get(element)
    if not isinstance(text, str) or not text:
        raise _refused(item, "required", "The Binary has no content.")
    try:
        whole = text in lifter.files
        content = lifter.content(text) if whole else base64.b64decode("".join(text.split()), validate=True)
    except OSError as fault:
        raise no_room() from fault
    except ValueError:
        raise Problem(400, "structure", "The content is not base64.", expression=f"{item.place}.resource") from None
    del item.resource[element]
    return content


def _looked_at(item: Item, content: Content, pixels: int) -> None:
    media = sniffed(content)
    if media not in item.rule.media or media != essence(str(item.resource.get("contentType", ""))):
        raise _refused(item, "value", "The file is not of the type that it says, or of one that is not taken here.")
    if media == "application/pdf":
        told = check_pdf(content, "Binary")
        wrong = [one for one in told if one.rule in REFUSED and one.severity == "error"]
        if wrong:
            issues = [Issue("error", one.code, one.text_en, f"rule {one.rule}", item.place) for one in wrong]
            first = _refused(item, wrong[0].code, wrong[0].text_en)
            raise Problem(422, first.code, first.text, expression=first.expression, more=issues[1:])
        item.findings += [one for one in told if one.severity == "error"]
    else:
        _image(item, content, media, pixels)
        if has_location(content):
            item.findings.append(finding("location-in-photo", "Binary"))


def _image(item: Item, content: Content, media: str, pixels: int) -> None:
    """Only the head is read: nothing is unpacked before its size is known."""
    size = pixels_of(content, media)
    if size is None:
        raise _refused(item, "structure", "The file is no readable image.")
    if size[0] * size[1] > pixels:
        raise _refused(item, "too-costly", f"The image has more than {pixels} pixels.")


def _stated(item: Item, path: str, attachment: Mapping[str, object], files: Mapping[str, Item]) -> Problem | None:
    """What an Attachment says of its file, held against the file."""
    held = files.get(str(attachment["url"]))
    if held is None:
        return _refused(item, "not-found", "The file itself is not among the entries.")
    if held.fault is not None:
        return held.fault
    content = held.content or b""
    stated = attachment.get("hash")
    # FHIR states a hash as the base64 of SHA-1; the official examples write it in hexadecimal digits.
    sha1 = hashlib.sha1(content, usedforsecurity=False)
    if stated is not None and stated not in (base64.b64encode(sha1.digest()).decode(), sha1.hexdigest()):
        return _refused(item, "value", "The hash (SHA-1) is not that of the file.")
    if essence(str(attachment.get("contentType", ""))) != essence(str(held.resource.get("contentType", ""))):
        return _refused(item, "value", "The attachment says another media type than its file.")
    size = attachment.get("size")
    if size is not None and size != len(content):
        item.findings.append(finding("size-differs", f"{path}.size"))
    return None


def no_room() -> Problem:
    """There is no place for a file now."""
    return Problem(503, "transient", "There is no room for this at the moment.", headers={"retry-after": "60"})


def _refused(item: Item, code: str, text: str) -> Problem:
    return Problem(422, code, text, expression=f"{item.place}.resource")
