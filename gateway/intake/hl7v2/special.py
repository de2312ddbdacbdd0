"""Columns and child rows with a name of their own: what is more than one place in a segment."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from gateway.intake.hl7v2 import datatypes
from gateway.intake.hl7v2.datatypes import concept, person, words
from gateway.intake.hl7v2.message import MessageFault, SegmentLine
from gateway.intake.hl7v2.row import CHILD, RowLanguage, SegmentRow
from profiles.record.bsn import valid_bsn

BSN_TYPES = frozenset({"NNNLD", "BSN"})
BSN_AUTHORITIES = frozenset({"NLMINBIZA", "2.16.840.1.113883.2.4.6.3"})
LOCAL_TYPES = ("PI", "MR", "PT", "")
"""Types of identifier (CX.5) that are the sender's own patient number, the first that is there counts."""


def all_numbers(row: SegmentRow, segment: str, field: int) -> tuple[list[str], str | None]:
    """Every number of a patient of one kind and authority, the sender's where it is told, and the BSN.

    Raises MessageFault.
    """
    bsn: str | None = None
    local: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for child in row.child(f"{segment}_{field}"):
        value = child.text(segment, field, 1, 1)
        kind = (child.text(segment, field, 5, 1) or "").upper()
        authority = {(child.text(segment, field, 4, part) or "").upper() for part in (1, 2)}
        if value and (kind in BSN_TYPES or authority & BSN_AUTHORITIES):
            if not valid_bsn(value.strip()):
                raise MessageFault("204", f"{segment}-{field}: a BSN that is none", where=(segment, 1, field))
            if bsn is not None and bsn != value.strip():
                raise MessageFault("204", f"{segment}-{field}: two BSNs", where=(segment, 1, field))
            bsn = value.strip()
        elif value:
            local.setdefault(kind, []).append((value.strip(), frozenset(filter(None, authority))))
    usual = next((local[kind] for kind in LOCAL_TYPES if kind in local), [])
    house = {row.message.header(4, component).upper() for component in (1, 2)}
    # A number of another institution may stand beside that of the sender, and may be somebody else's number there.
    theirs = next((authority for _, authority in usual if authority & house), usual[0][1] if usual else frozenset())
    return list(dict.fromkeys(value for value, authority in usual if authority == theirs)), bsn


def numbers(row: SegmentRow, segment: str = "PID", field: int = 3) -> dict[str, str | None]:
    """The sender's own number of a patient and the BSN, from a field of identifiers (CX). Raises MessageFault."""
    every, bsn = all_numbers(row, segment, field)
    own = every[0] if every else None
    return {"patient_id": row.message.resolve(own) if own else None, "sent_id": own, "bsn": bsn}


def _notes(row: SegmentRow, name: str) -> str | None:
    line = row.segment(name)
    found = [row.at(one).texts("NTE", 3) for one in row.message.comments(line)] if line else []
    return "\n".join("\n".join(one) for one in found).strip() or None


def _own_notes(row: SegmentRow) -> str | None:
    return _notes(row, row.anchor.name)


def _all_notes(row: SegmentRow) -> str | None:
    """Those of the order, then those of the result: who reads one result must see both."""
    return "\n".join(filter(None, (_notes(row, "OBR"), _notes(row, "OBX")))) or None


def _twins(row: SegmentRow) -> list[SegmentLine]:
    """The OBX of the same order with the same code and sub-id."""
    own = [row.anchor.field(number) for number in (3, 4)]
    return [one for one in _order(row) if [one.field(number) for number in (3, 4)] == own]


def _order(row: SegmentRow) -> list[SegmentLine]:
    return [one for one in row.message.around(row.anchor).order if one.name == "OBX"]


def _turn(row: SegmentRow) -> str | None:
    """Behind the id of a result: which of several with the same code and sub-id it is; nothing for the first."""
    place = row.message.namesakes.get(row.anchor.number)
    if place is None:
        raise MessageFault("101", "no OBR stands above it")
    return f"-{place + 1}" if place else None


def _sector(row: SegmentRow) -> str | None:
    return row["OBR_24"] or row.message.sector or None


# --- values of a result ---------------------------------------------------------------------------------------------


def _several(row: SegmentRow) -> bool:
    """Whether OBX-5 holds several values that each stand for themselves."""
    line = row.segment("OBX")
    kind = str(row["OBX_2"] or "").strip().upper()
    return line is not None and kind not in datatypes.TEXTS and len(line.repetitions(5)) > 1


def _value_as(kind: str) -> Callable[[SegmentRow], Any]:
    def read(row: SegmentRow) -> Any:
        if ("OBX", 5) not in row.turns and _several(row):
            return None
        if "value" not in row:
            row["value"] = datatypes.value(row)
        found = row["value"]
        return found[1] if found is not None and found[0] == kind else None

    return read


def _values(row: SegmentRow) -> list[SegmentRow]:
    return row.child("OBX_5") if _several(row) else []


def _members(row: SegmentRow) -> list[SegmentRow]:
    """The results that go with this one: of the same sub-id (OBX-4) under its first, or sent again with its code."""
    own = row.anchor.field(4)
    if own:
        group = [one for one in _order(row) if one.field(4) == own]
        first = not any(one.number < row.anchor.number for one in group)
        return [row.beside(one) for one in group if first and one.number != row.anchor.number]
    twins = _twins(row)
    return [row.beside(one) for one in twins[1:]] if twins and twins[0].number == row.anchor.number else []


# --- documents ------------------------------------------------------------------------------------------------------


def _content(row: SegmentRow) -> bytes:
    for place in (1, 2):  # which system made it, and the kind of data of which OBX-5.3 is the subtype
        row.text("OBX", 5, place, 0)
    data, coding = row.text("OBX", 5, 5, 0) or "", (row["OBX_5_4"] or "").upper()
    if coding in ("A", ""):
        return data.encode() if coding else _base64(data)
    if coding == "HEX":
        try:
            return bytes.fromhex(data)
        except ValueError:
            raise MessageFault("102", "OBX-5: the document is not hexadecimal") from None
    return _base64(data)


def _base64(data: str) -> bytes:
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise MessageFault("102", "OBX-5: the document is not base64") from None


def _document(row: SegmentRow) -> str | None:
    return base64.b64encode(_content(row)).decode() or None


def _size(row: SegmentRow) -> int:
    return len(_content(row))


def _hash(row: SegmentRow) -> str:
    # FHIR states the hash of an attachment as SHA-1; it protects nothing.
    return base64.b64encode(hashlib.sha1(_content(row), usedforsecurity=False).digest()).decode()


def _paper(row: SegmentRow) -> bytes:
    """The lines of text (TX, FT, ST) of a document with their notes, as one plain text; empty when it has none.

    What was deleted (OBX-11) is not in it. Lines of several kinds (OBX-3) stand below their names.
    """
    texts = [row.at(line) for line in _order(row)]
    texts = [text for text in texts if (text["OBX_2"] or "").strip().upper() in ("", "TX", "FT", "ST")]
    for text in texts:
        if text["OBX_11"] in ("D", "W", "X"):
            row.reads |= set(text.chosen["OBX"].valued())
    texts = [text for text in texts if text["OBX_11"] not in ("D", "W", "X") and text["OBX_5_lines"]]
    names = [words(text, "OBX", 3) for text in texts]
    lines, above = [], None
    for text, name in zip(texts, names, strict=True):
        if len(set(names)) > 1 and name and name != above:
            lines.append(name)
        above = name
        lines += filter(None, (text["OBX_5_lines"], _notes(text, "OBX")))
    notes = _notes(row, "OBR") if lines else None
    return "\n".join(filter(None, (notes, *lines))).strip().encode()


def _paper_hash(row: SegmentRow) -> str:
    return base64.b64encode(hashlib.sha1(_paper(row), usedforsecurity=False).digest()).decode()


def _media(row: SegmentRow) -> str | None:
    """Type and subtype of ED: ``PDF``, or ``IM^JPEG`` when the subtype alone does not tell."""
    return (row["OBX_5_3"] or row["OBX_5_2"] or "").upper() or None


COLUMNS: Mapping[str, Callable[[SegmentRow], Any]] = {
    "patient_id": lambda row: numbers(row)["patient_id"],
    "bsn": lambda row: numbers(row)["bsn"],
    "event": lambda row: row.message.kind.partition("^")[2],
    "house": lambda row: row.message.header(4) or row.message.header(3),
    "notes": _all_notes,
    "own_notes": _own_notes,
    "turn": _turn,
    "sector": _sector,
    "several": _several,
    "reference_range": datatypes.reference_range,
    "value_quantity": _value_as("Quantity"),
    "value_string": _value_as("String"),
    "value_concept": _value_as("CodeableConcept"),
    "value_range": _value_as("Range"),
    "value_ratio": _value_as("Ratio"),
    "value_period": _value_as("Period"),
    "value_time": _value_as("Time"),
    "value_datetime": _value_as("DateTime"),
    "text_document": lambda row: base64.b64encode(_paper(row)).decode() or None,
    "text_document_size": lambda row: len(_paper(row)),
    "text_document_hash": _paper_hash,
    "document": _document,
    "document_media": _media,
    "document_size": _size,
    "document_hash": _hash,
}
"""What these are is told in docs/mapping.md and docs/hl7.md."""

CHILDREN: Mapping[str, Callable[[SegmentRow], list[SegmentRow]]] = {"values": _values, "members": _members}

ENDINGS = {"concept": concept, "words": words, "person": person}


def language(systems: Mapping[str, str]) -> RowLanguage:
    """The language of a mapping, with the code systems that it names."""
    return RowLanguage(COLUMNS, CHILDREN, ENDINGS, {name.upper(): url for name, url in systems.items()})


class ChildNames:
    """The names that ``$each`` may use in a mapping of messages."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in CHILDREN or CHILD.fullmatch(name) is not None)
