"""HL7 data types as FHIR data types: coded elements, persons, units, and the values of OBX-5 by their type in OBX-2."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from gateway.intake.hl7v2.message import NULL, MessageFault
from gateway.intake.hl7v2.row import SegmentRow
from gateway.intake.hl7v2.times import clock, moment

UCUM = "http://unitsofmeasure.org"
Found = dict[str, Any]
Value = tuple[str, Any] | None
"""The type of a value as FHIR names it behind ``value``, and the value."""

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)"
"""NM (v2.5, 2.A.47): zeros before the point and behind it are not significant, so they may be missing."""
_MEASURED = re.compile(rf"(<=|>=|<|>)?\s*({_NUMBER})", re.ASCII)
_BETWEEN = re.compile(rf"({_NUMBER})\s*-\s*({_NUMBER})", re.ASCII)
_SPACES = re.compile(r"\s+")


def number(text: str) -> Decimal:
    """A number with the digits that it has. Raises ValueError."""
    try:
        found = Decimal(text.strip().removeprefix("+").removesuffix("."))
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not re.fullmatch(_NUMBER, text.strip(), re.ASCII) or len(text) > 40:
        raise ValueError("not a number")
    return found


# --- coded elements -------------------------------------------------------------------------------------------------


def concept(row: SegmentRow, segment: str, field: int) -> Found | None:
    """A CodeableConcept of CE, CWE or CNE: its codings, local ones included, and its text."""
    components = [row.text(segment, field, place, 0) for place in (1, 2, 3, 4, 5, 6)]
    original = row.text(segment, field, 9, 0)
    third = [row.text(segment, field, place, 0) for place in (10, 11, 12)] if row.text(segment, field, 10, 0) else []
    oids = [row.text(segment, field, place, 0) for place in (14, 17)]
    codings = [
        made
        for index, (code, shown, system) in enumerate([components[:3], components[3:6], third or [None] * 3])
        if (made := _coding(row, code, shown, system, oids[index] if index < 2 else None))
    ]
    # The codes of a version (7, 8) say which edition of a system was used; they are no meaning of their own.
    for place in (7, 8):
        row.text(segment, field, place, 0)
    words = next((one for one in (original, components[1], components[4], components[0]) if one and one.strip()), None)
    made = {"coding": codings, "text": words.strip() if words else None}
    return {name: item for name, item in made.items() if item} or None


def _coding(row: SegmentRow, code: str | None, shown: str | None, system: str | None, oid: str | None) -> Found | None:
    if not code or not code.strip():
        return None
    url = system_url(row, system.strip(), oid) if system and system.strip() else None
    made = {"system": url, "code": _SPACES.sub(" ", code.strip()), "display": shown.strip() if shown else None}
    return {name: item for name, item in made.items() if item}


def system_url(row: SegmentRow, name: str, oid: str | None = None) -> str:
    """The URL of a code system as HL7 table 0396 names it; a local one gets a name below that of its institution."""
    known = row.language.systems.get(name.upper())
    if known is not None:
        return known
    if oid and re.fullmatch(r"[0-2](\.\d+)+", oid):
        return f"urn:oid:{oid}"
    if matched := re.fullmatch(r"HL7(\d{4})", name.upper()):
        return f"http://hl7.org/fhir/v2/{matched[1]}"
    if re.fullmatch(r"[0-2](\.\d+){3,}", name):
        return f"urn:oid:{name}"
    house = row.message.header(4) or row.message.header(3) or "unnamed"
    return f"urn:hl7v2:{quote(house, safe='')}:{quote(name, safe='')}"


def words(row: SegmentRow, segment: str, field: int) -> str | None:
    """What people read of a coded element; for elements that hold only a text."""
    found = concept(row, segment, field)
    return found.get("text") if found else None


def person(row: SegmentRow, segment: str, field: int) -> str | None:
    """A person (XCN, XPN) as people write the name; a number alone when there is no name."""
    line = row.repetition(segment, field)
    if line is None:
        return None
    shift = 0 if segment in ("PID", "NK1") else 1
    given, family = row.text(segment, field, 2 + shift, 0), row.text(segment, field, 1 + shift, 1)
    degrees = [row.text(segment, field, place + shift, 0) for place in (3, 4, 5, 6)]
    for part in (2, 3, 4, 5):
        row.text(segment, field, 1 + shift, part)
    parts = [degrees[2], given, degrees[0], family, degrees[1]]
    own = row.text(segment, field, 1, 0) if shift else None
    named = " ".join(part.strip() for part in parts if part and part.strip())
    return named or own


# --- numbers with units ---------------------------------------------------------------------------------------------


def unit(row: SegmentRow, segment: str, field: int) -> Found:
    """The unit of a Quantity: as people write it, and the UCUM code when the message says that it is one."""
    found = [row.text(segment, field, place, 0) for place in (1, 2, 3, 4, 5, 6)]
    for place in (7, 8, 9):
        row.text(segment, field, place, 0)
    ucum = next((found[at] for at in (0, 3) if (found[at + 2] or "").upper() == "UCUM" and found[at]), None)
    shown = next((one for one in (found[1], found[0], found[4], found[3]) if one), None)
    made = {"unit": shown, "system": UCUM if ucum else None, "code": ucum}
    return {name: item for name, item in made.items() if item}


def measured(text: str, with_unit: Found) -> Found:
    """A Quantity of a number that may have a comparator before it. Raises ValueError."""
    matched = _MEASURED.fullmatch(text.strip())
    if matched is None:
        raise ValueError("not a number")
    comparator = {"comparator": matched[1]} if matched[1] else {}
    return {"value": number(matched[2]), **comparator, **with_unit}


def reference_range(row: SegmentRow) -> Found | None:
    """OBX-7: the limits when they can be read (3.5-5.0, <5, >=3), and always the text."""
    text = row["OBX_7_text"]
    if text is None:
        return None
    made: Found = {}
    if matched := _BETWEEN.fullmatch(text):
        made = {"low": number(matched[1]), "high": number(matched[2])}
    elif (matched := _MEASURED.fullmatch(text)) and matched[1]:
        # FHIR has no "less than" here: an open limit is told by the text alone.
        made = {"<=": {"high": number(matched[2])}, ">=": {"low": number(matched[2])}}.get(matched[1], {})
    if made:
        ours = unit(row, "OBX", 6)
        made = {name: {"value": value, **ours} for name, value in made.items()}
    return {**made, "text": text}


# --- OBX-5 by OBX-2 -------------------------------------------------------------------------------------------------


def _number(row: SegmentRow) -> Value:
    return ("Quantity", measured(str(row["OBX_5_text"]), unit(row, "OBX", 6)))


def _structured(row: SegmentRow) -> Value:
    """SN: comparator, number, separator or suffix, number."""
    sign, first, between, second = ((row.text("OBX", 5, place, 0) or "").strip() for place in (1, 2, 3, 4))
    ours = unit(row, "OBX", 6)
    words = " ".join(filter(None, (sign, first, between, second)))
    if sign not in ("", "=", "<", ">", "<=", ">="):
        return ("String", words)
    if not between and not second:
        return ("Quantity", measured(f"{sign.replace('=', '') if sign == '=' else sign}{first}", ours))
    if sign in ("", "=") and first and second:
        if between == "-":
            return ("Range", {"low": {"value": number(first), **ours}, "high": {"value": number(second), **ours}})
        if between in (":", "/"):
            return ("Ratio", {"numerator": {"value": number(first), **ours}, "denominator": {"value": number(second)}})
    return ("String", words)


def _text(row: SegmentRow) -> Value:
    text = row["OBX_5_lines"]
    return ("String", text) if text else None


def _array(row: SegmentRow) -> Value:
    """NA: numbers side by side; FHIR's SampledData needs a period that the message does not tell."""
    lines = []
    for child in row.child("OBX_5"):
        held = child.repetition("OBX", 5)
        values = held[2].split(held[0].marks.component) if held else []
        found = [child.text("OBX", 5, place, 0) for place in range(1, len(values) + 1)]
        for one in found:
            number(one or "0")
        lines.append(" ".join((one or "-").strip() for one in found))
    return ("String", "\n".join(lines))


def _coded(row: SegmentRow) -> Value:
    return ("CodeableConcept", concept(row, "OBX", 5))


def _day(row: SegmentRow) -> Value:
    return ("DateTime", moment(str(row["OBX_5"]), row.message.zone))


def _clock(row: SegmentRow) -> Value:
    found = clock(str(row["OBX_5"]))
    return ("Time", found) if found else ("String", row["OBX_5"])


def _period(row: SegmentRow) -> Value:
    made = {"start": row["OBX_5_1_time"], "end": row["OBX_5_2_time"]}
    return ("Period", {name: value for name, value in made.items() if value})


def _range(row: SegmentRow) -> Value:
    ours = unit(row, "OBX", 6)
    found = {"low": row["OBX_5_1"], "high": row["OBX_5_2"]}
    return ("Range", {name: {"value": number(str(value)), **ours} for name, value in found.items() if value})


def _with_unit(row: SegmentRow) -> Value:
    """CQ: a number with its own unit."""
    shown = row.text("OBX", 5, 2, 1)
    return ("Quantity", measured(str(row["OBX_5"]), {"unit": shown} if shown else unit(row, "OBX", 6)))


TEXTS = frozenset({"", "TX", "FT", "ST", "ID", "IS", "SI", "NA"})
"""Types of which all repetitions are one value."""

READERS: dict[str, Callable[[SegmentRow], Value]] = {
    "NM": _number, "SI": _text, "SN": _structured, "CQ": _with_unit, "NR": _range,
    "": _text, "ST": _text, "TX": _text, "FT": _text, "ID": _text, "IS": _text, "NA": _array,
    "CE": _coded, "CWE": _coded, "CNE": _coded, "CF": _coded,
    "DT": _day, "TS": _day, "DTM": _day, "TM": _clock, "DR": _period,
}  # fmt: skip
"""How a value is read; a type that is not here is refused by name. ED and RP are documents, not values."""


def value(row: SegmentRow) -> Value:
    """The value of an OBX; None when it has none. Raises ValueError, or MessageFault for a type that is not taken."""
    kind = str(row["OBX_2"] or "").strip().upper()
    if kind == "RP":
        raise MessageFault("207", "OBX-5: a pointer (RP) to content that did not come along; send the content as ED")
    read = READERS.get(kind)
    if read is None:
        told = kind if re.fullmatch(r"[A-Z]{2,3}", kind) else "(unknown)"
        raise MessageFault("207", f"OBX-2: values of type {told} are not taken")
    if kind not in TEXTS and row.repetition("OBX", 5) is None:
        return None
    held = row.segment("OBX")
    if held is not None and held.repetitions(5) == [NULL]:
        return None
    return read(row)
