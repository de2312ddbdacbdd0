"""The body of a CDA document: a file (nonXMLBody), or sections with text for people (structuredBody).

Only the text is shown. The entries beside it are for machines; no zib is guessed from them. A section that has entries
and no text says so on the paper, for nothing may be missing unseen.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from gateway.intake.cda.header import words, wrong

FILES = frozenset({"application/pdf", "text/plain", "image/jpeg", "image/png", "image/tiff", "image/gif"})
"""Media types of a nonXMLBody that are taken as they are."""
_HASHES = {"SHA-1": "sha1", "SHA-256": "sha256"}
_BLOCKS = frozenset({"paragraph", "list", "table", "tr", "item", "caption", "thead", "tbody", "tfoot", "br"})
ONLY_CODED = "Dit onderdeel bestaat uit gegevens die alleen een computer kan lezen. Vraag uw zorgverlener ernaar."
NO_IMAGE = "[Hier staat een afbeelding die niet is overgenomen.]"
WITHDRAWN = "[vervallen: {}]"


@dataclass(frozen=True, slots=True)
class CdaFile:
    """The file of a document."""

    media: str
    content: bytes
    encoded: str
    """As it stood in the document."""


@dataclass(frozen=True, slots=True)
class PaperLine:
    """A piece of text for people: a heading, or a paragraph, item or row."""

    text: str
    level: int | None = None
    """Of a heading, 0 is the highest; None: no heading."""
    bold: bool = False
    indent: int = 0


def body_of(root: Element) -> CdaFile | list[PaperLine]:
    """The file, or the lines of the sections. Raises Refusal."""
    found = [one for kind in ("nonXMLBody", "structuredBody") for one in root.findall(f"component/{kind}")]
    if len(found) != 1:
        raise wrong("no body" if not found else "more than one body", "component")
    if found[0].tag == "nonXMLBody":
        return _file(found[0].find("text"))
    lines = [line for section in found[0].findall("component/section") for line in _section(section, 0)]
    if not any(line.level is None for line in lines):
        raise wrong("no text for people in any section", "component.structuredBody")
    return lines


def _file(text: Element | None) -> CdaFile:
    place = "component.nonXMLBody.text"
    if text is None:
        raise wrong("no text", place)
    if text.find("reference") is not None and not (text.text or "").strip():
        raise wrong("the file is elsewhere (reference); nothing is fetched, send it along", place)
    if text.get("compression"):
        raise wrong("a compressed file is not taken", f"{place}.compression")
    media = (text.get("mediaType") or "text/plain").partition(";")[0].strip().lower()
    if media not in FILES:
        raise wrong(f"a file of type {media[:60]} is not taken", f"{place}.mediaType")
    encoded = text.text or ""
    if text.get("representation") == "B64":
        try:
            content = base64.b64decode("".join(encoded.split()), validate=True)
        except (binascii.Error, ValueError):
            raise wrong("not base64", place) from None
    elif media == "text/plain":
        content = encoded.encode()
    else:
        raise wrong("a file that is no text has representation B64", f"{place}.representation")
    if not content.strip():
        raise wrong("no content", place)
    _intact(text, content, f"{place}.integrityCheck")
    return CdaFile(media, content, encoded)


def _intact(text: Element, content: bytes, place: str) -> None:
    given = text.get("integrityCheck")
    if not given:
        return
    kind = _HASHES.get(text.get("integrityCheckAlgorithm") or "SHA-1")
    if kind is None:
        raise wrong("an algorithm that is not known", f"{place}Algorithm")
    if base64.b64encode(hashlib.new(kind, content, usedforsecurity=False).digest()).decode() != given.strip():
        raise wrong("the file is not the one that this hash was made of", place)


def _section(section: Element, level: int) -> Iterator[PaperLine]:
    title, text, inner = words(section.find("title")), section.find("text"), section.findall("component/section")
    code = section.find("code")
    title = title or (code.get("displayName", "") if code is not None else "")
    if title:
        yield PaperLine(title, level=level)
    lines = list(_block(text, 0)) if text is not None else []
    yield from lines
    if not lines and section.find("entry") is not None:
        yield PaperLine(ONLY_CODED, bold=True)
    for one in inner:
        yield from _section(one, level + 1)


def _block(element: Element, indent: int) -> Iterator[PaperLine]:
    """The lines of what holds text and blocks."""
    running = element.text or ""
    for child in element:
        if child.tag in _BLOCKS or any(one.tag in _BLOCKS for one in child.iter()):
            yield from _said(running, indent)
            yield from _blocks(child, indent)
            running = child.tail or ""
        else:
            running += _inline(child) + (child.tail or "")
    yield from _said(running, indent)


def _blocks(element: Element, indent: int) -> Iterator[PaperLine]:
    if element.tag == "table":
        yield from _table(element, indent)
    elif element.tag == "list":
        ordered = element.get("listType") == "ordered"
        for number, child in enumerate((one for one in element if one.tag == "item"), 1):
            mark, lines = f"{number}." if ordered else "\u2022", list(_block(child, indent))
            for index, line in enumerate(lines):
                yield PaperLine(
                    f"{mark} {line.text}" if not index else line.text, bold=line.bold, indent=line.indent + 1
                )
    elif element.tag == "caption":
        yield from _said(_inline(element), indent, bold=True)
    else:
        yield from _block(element, indent)


def _table(table: Element, indent: int) -> Iterator[PaperLine]:
    """Each row as one paragraph, with the heads of its columns before the cells."""
    if (caption := table.find("caption")) is not None:
        yield from _said(_inline(caption), indent, bold=True)
    heads: list[str] = []
    for row in table.iter("tr"):
        cells = [one for one in row if one.tag in ("td", "th")]
        texts = [" / ".join(line.text for line in _block(cell, 0)) for cell in cells]
        if cells and all(cell.tag == "th" for cell in cells) and len(cells) > 1:
            heads = texts
            continue
        plain = len(texts) != len(heads) or any(cell.get("colspan") or cell.get("rowspan") for cell in cells)
        named = texts if plain else [f"{head}: {text}" if text and head else text for head, text in zip(heads, texts)]  # noqa: B905
        if any(texts):
            yield PaperLine("; ".join(filter(None, named)), indent=indent)


def _inline(element: Element) -> str:
    if element.tag == "renderMultiMedia":
        return NO_IMAGE
    text = (element.text or "") + "".join(_inline(child) + (child.tail or "") for child in element)
    if element.tag == "content" and element.get("revised") == "delete":
        return WITHDRAWN.format(text.strip())
    if element.tag == "footnote":
        return f" ({text.strip()})"
    return text


def _said(text: str, indent: int, *, bold: bool = False) -> Iterator[PaperLine]:
    plain = " ".join(text.split())
    if plain:
        yield PaperLine(plain, bold=bold, indent=indent)
