"""What can be seen of PDF/A (ISO 19005) without a full validator: what the file claims, and what it may not have.

The structure is read by pikepdf, which mends what it can; what it had to mend is not our verdict. What is not looked at
is said by a finding of its own (``pdfa-not-checked``), so that nobody takes a clean report for a full one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, BytesIO, RawIOBase
from itertools import islice
from mmap import mmap
from typing import Any

import pikepdf
from lxml import etree

from gateway.documents.findings import finding
from profiles.validation.run.findings import Finding

PDFA_ID = "{http://www.aiim.org/pdfa/ns/id/}"
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
LEVELS = {"1": {"A", "B"}, "2": {"A", "B", "U"}, "3": {"A", "B", "U"}, "4": {"", "E", "F"}}
"""The conformance levels of each part of ISO 19005."""

MAX_PAGES = 2000
MAX_XMP = 1_000_000
FONT_FILES = ("/FontFile", "/FontFile2", "/FontFile3")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a file says of itself in its XMP metadata."""

    part: str = ""
    level: str = ""
    title: str = ""
    present: bool = False


class _Mapped(RawIOBase):
    """A file that is mapped from disk, to be read in pieces."""

    def __init__(self, content: mmap) -> None:
        self._content, self._at = content, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, len(self._content))[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        piece = self._content[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def check(content: bytes | mmap, expression: str) -> tuple[Finding, ...]:
    """The findings on a PDF, at ``expression``. Never raises on what the file holds."""
    if b"%PDF-" not in content[:1024]:
        return (finding("pdf-unreadable", expression),)
    try:
        stream = BytesIO(content) if isinstance(content, bytes) else BufferedReader(_Mapped(content))
        with stream, pikepdf.open(stream, suppress_warnings=True) as pdf:
            return tuple(finding(rule, expression, detail) for rule, detail in dict.fromkeys(_faults(pdf)))
    except pikepdf.PasswordError:
        return (finding("pdf-encrypted", expression),)
    except (pikepdf.PdfError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, RecursionError):
        return (finding("pdf-unreadable", expression),)


def _faults(pdf: Any) -> Iterator[tuple[str, str]]:
    claim = claimed(pdf)
    if pdf.is_encrypted:
        yield "pdf-encrypted", ""
    if not claim.part:
        yield "pdfa-not-claimed", ""
    elif claim.level not in LEVELS.get(claim.part, ()):
        yield "pdfa-unknown-level", f"{claim.part[:10]}{claim.level[:10]}"
    else:
        yield from _limits(pdf, claim)
    yield from _metadata(pdf, claim)
    yield from (("pdfa-active-content", name) for name in _active(pdf))
    yield from (("pdfa-font", name) for name in _fonts_outside(pdf))
    yield "pdfa-not-checked", ""


def _limits(pdf: Any, claim: Claim) -> Iterator[tuple[str, str]]:
    if claim.part == "1" and pdf.attachments:
        yield "pdfa-embedded-file", claim.part
    if claim.level == "A" and ("/StructTreeRoot" not in pdf.Root or not pdf.Root.get("/MarkInfo", {}).get("/Marked")):
        yield "pdfa-untagged", ""
    if "/ID" not in pdf.trailer:
        yield "pdfa-no-id", ""
    intents = pdf.Root.get("/OutputIntents", [])
    if not any(intent.get("/S") == "/GTS_PDFA1" for intent in intents):
        yield "pdfa-output-intent", ""


def _metadata(pdf: Any, claim: Claim) -> Iterator[tuple[str, str]]:
    if not claim.present:
        yield "pdfa-metadata", "XMP"
    elif not claim.title:
        yield "pdfa-metadata", "dc:title"
    title = str(pdf.docinfo.get("/Title", "")) if "/Info" in pdf.trailer else ""
    if claim.title and title and title != claim.title:
        yield "pdfa-info-differs", ""


def claimed(pdf: Any) -> Claim:
    """Part, level and title that the XMP metadata of an open PDF state; empty where they state nothing."""
    stream = pdf.Root.get("/Metadata")
    if stream is None:
        return Claim()
    raw = stream.read_bytes()
    if len(raw) > MAX_XMP:
        return Claim()
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(raw.strip(b"\x00 \r\n\t"), parser)
    except etree.XMLSyntaxError:
        return Claim()
    title = next(("".join(map(str, node.itertext())).strip() for node in root.iter(f"{DUBLIN_CORE}title")), "")
    return Claim(_stated(root, "part"), _stated(root, "conformance").upper(), title, present=True)


def _stated(root: Any, name: str) -> str:
    """A property of the PDF/A identification, which RDF writes as an element or as an attribute."""
    for node in root.iter(f"{PDFA_ID}{name}"):
        return str(node.text or "").strip()
    return next((str(node.get(f"{PDFA_ID}{name}")).strip() for node in root.iter() if node.get(f"{PDFA_ID}{name}")), "")


def _active(pdf: Any) -> Iterator[str]:
    root = pdf.Root
    if "/JavaScript" in root.get("/Names", {}):
        yield "JavaScript"
    opening = root.get("/OpenAction")
    if isinstance(opening, pikepdf.Dictionary) and opening.get("/S") in ("/JavaScript", "/Launch"):
        yield str(opening.get("/S")).removeprefix("/")
    if "/AA" in root:
        yield "AA"
    if "/XFA" in root.get("/AcroForm", {}):
        yield "XFA"


def _fonts_outside(pdf: Any) -> Iterator[str]:
    """Names of fonts that pages use and that have no font file in the PDF."""
    seen = set()
    for page in islice(pdf.pages, MAX_PAGES):
        fonts = (page.resources or {}).get("/Font", {})
        for font in fonts.values():
            if font.is_indirect and font.objgen in seen:
                continue
            seen.add(font.objgen)
            if font.get("/Subtype") != "/Type3" and not _embedded(font):
                yield str(font.get("/BaseFont", "?")).removeprefix("/")[:80]


def _embedded(font: Any) -> bool:
    below = font.get("/DescendantFonts")
    described = (below[0] if below else font).get("/FontDescriptor", {})
    return any(name in described for name in FONT_FILES)
