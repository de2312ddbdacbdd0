"""The citizen service number (BSN) in a resource: where it stands, how it may be written, and what can be one.

``auth`` has an eleven test of its own (:func:`auth.crypto.valid_bsn`): it may import nothing of ours, so that it can be
reviewed and deployed alone. A test holds the two equal.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import unescape
from typing import Any

from profiles.fhir.tree import Resource

BSN_SYSTEM = "http://fhir.nl/fhir/NamingSystem/bsn"
"""The identifier system of the BSN in FHIR (STU3 and R4)."""

BSN_OID = "2.16.840.1.113883.2.4.6.3"
"""The same as OID, which older systems write, with ``urn:oid:`` before it or without."""

BSN_SYSTEMS = frozenset({BSN_SYSTEM, f"urn:oid:{BSN_OID}"})
"""The two right ways to write the system."""

WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)

_BETWEEN = re.compile(r"[\s.\-_/\u00a0\u00ad\u2010-\u2015\u200b\u2060]+")
_GAP = (
    r"(?:[\s.\-_/\u00a0\u00ad\u2010-\u2015\u200b\u2060]|&nbsp;|&shy;"
    r"|&#0*(?:160|173|32|45|46);|&#[xX]0*(?:[aA][0dD]|2[0dDeE]);)"
)
"""What people put between the digits. At most two in a row, so that two numbers of a table are not read as one."""

_NO_DIGITS = bytes(set(range(256)) - set(b"0123456789"))
_NINE = re.compile(r"(?<![0-9])[0-9]{9}(?![0-9])")


def valid_bsn(text: str) -> bool:
    """True for nine digits that pass the eleven test."""
    if len(text) != 9 or not text.isascii() or not text.isdigit() or text == "000000000":
        return False
    return sum(weight * int(figure) for weight, figure in zip(WEIGHTS, text, strict=True)) % 11 == 0


def plain_bsn(text: str) -> str:
    """The number without what people put between its digits (spaces, dots, hyphens), character references resolved;
    with the zero that was left off before eight digits. What is no number at all stays as it is."""
    bare = _BETWEEN.sub("", unescape(text))
    if not bare.isascii() or not bare.isdigit():
        return text
    return bare.rjust(9, "0") if len(bare) == 8 else bare


def is_bsn_system(system: Any) -> bool:
    """Whether an identifier system is that of the BSN, also when it is written a little otherwise."""
    if not isinstance(system, str):
        return False
    if system in BSN_SYSTEMS:
        return True
    bare = system.strip().rstrip("/").lower().removeprefix("urn:oid:").removeprefix("https://").removeprefix("http://")
    return bare.removeprefix("www.") in (BSN_OID, BSN_SYSTEM.removeprefix("http://").lower())


def bsn_of(identifier: Any) -> str | None:
    """The number of an Identifier with the BSN system, right or wrong; None for any other identifier."""
    if not isinstance(identifier, dict) or not is_bsn_system(identifier.get("system")):
        return None
    value = identifier.get("value")
    return plain_bsn(value) if isinstance(value, str) else None


def bsns(patient: Resource) -> Iterator[str]:
    """The BSNs among the identifiers of a resource, right or wrong."""
    identifiers = patient.get("identifier")
    for identifier in identifiers if isinstance(identifiers, list) else ():
        if (found := bsn_of(identifier)) is not None:
            yield found


def find_bsn(patient: Resource) -> str | None:
    """The BSN among a Patient's own identifiers, or None when there is none in plain."""
    return next((value for value in bsns(patient) if valid_bsn(value)), None)


def pattern_of(numbers: Iterable[str]) -> re.Pattern[str] | None:
    """What finds these numbers in text, however they are written; None without any that can be looked for."""
    shapes = [shape for number in sorted(set(numbers)) if (shape := _shape(number))]
    return _compiled(tuple(shapes)) if shapes else None


def may_stand_in(text: bytes, numbers: Iterable[str]) -> bool:
    """Whether `pattern_of` could find one of the numbers in a text (UTF-8): a quick look before a long one.

    Never False when it could: what stands between digits is no digit, unless the text has character references or
    escapes, and then it is not looked at here.
    """
    if b"&#" in text or b"\\u" in text:
        return True
    digits = text.translate(None, _NO_DIGITS)
    for number in numbers:
        plain = plain_bsn(number)
        if not plain.isascii() or not plain.isdigit() or plain.removeprefix("0").encode() in digits:
            return True
    return False


def starred(text: str) -> str:
    """The text with stars in place of every nine digits that can be a BSN."""
    return _NINE.sub(lambda found: "*" * 9 if valid_bsn(found.group()) else found.group(), text)


def _shape(number: str) -> str | None:
    plain = plain_bsn(number)
    if not plain.isascii() or not plain.isdigit() or len(plain) < 8:
        # A value of the system that is no number: looked for as it is, when it is not a common word or figure.
        return re.escape(number) if sum(figure.isdigit() for figure in number) > 4 else None
    digits = [rf"(?:{one}|&#0*{48 + int(one)};|&#[xX]0*3{one};)" for one in plain]
    between = f"{_GAP}{{0,2}}"
    whole = between.join(digits)
    return f"{whole}|(?<![0-9]){between.join(digits[1:])}(?![0-9])" if plain.startswith("0") else whole


_compiled = lru_cache(maxsize=1024)(lambda shapes: re.compile("|".join(shapes)))
