"""The query of a URL: read, written, and refused without repeating what it holds."""

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote_to_bytes

from profiles.fhir.search.matching import split

Pairs = Sequence[tuple[str, str]]

MAX_PARAMETERS, MAX_VALUE = 64, 8192


class SearchError(ValueError):
    """A search that cannot be done as asked. ``text`` is public and names the parameter, never its value."""

    def __init__(self, issue_code: str, parameter_name: str, text: str) -> None:
        super().__init__(text)
        self.issue_code = issue_code
        self.parameter = public_name(parameter_name)
        self.text = text


def public_name(name: str) -> str:
    """A parameter name that may be repeated in an answer: names of another form, or with many digits, are hidden."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_:.\-]{0,79}", name, re.ASCII) and not re.search(r"\d{4}", name):
        return name
    return "(name not repeated)"


_ZONE_PLUS = re.compile(r"(?<=\d)\+(?=\d\d:\d\d(?:,|$))")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_query(raw: str) -> list[tuple[str, str]]:
    """Split the raw query of a URL into names and values, in order.

    Clients differ in what they escape, so ``|`` ``:`` ``,`` ``$`` ``@`` ``/`` may be raw or percent-encoded. A ``+`` is
    a space, as in forms, save for one place: before ``hh:mm`` at the end of a value, the zone of a date-time, where a
    client forgot to write %2B. White space around the commas of an OR list is dropped. SearchError for wrong
    percent-encoding, text that is not UTF-8, and control characters.
    """
    pairs: list[tuple[str, str]] = []
    for piece in raw.split("&"):
        if not piece:
            continue
        raw_name, _, raw_value = piece.partition("=")
        name = _decode(raw_name, "(unreadable)").strip()
        value = _decode(_ZONE_PLUS.sub("%2B", raw_value), name)
        pairs.append((name, ",".join(part.strip() for part in split(value, ","))))
        if len(pairs) > MAX_PARAMETERS:
            raise SearchError("too-costly", name, f"A search may have {MAX_PARAMETERS} parameters at most.")
    return pairs


def _decode(text: str, name: str) -> str:
    shown = public_name(name)
    if len(text) > MAX_VALUE:
        raise SearchError("too-costly", name, f"The value of parameter {shown} is too long.")
    if _BAD_PERCENT.search(text):
        raise SearchError("value", name, f"The percent-encoding of parameter {shown} is wrong.")
    try:
        decoded = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeError:
        # Without the cause: it holds the bytes of the value.
        raise SearchError("value", name, f"Parameter {shown} is not UTF-8.") from None
    if _CONTROL.search(decoded):
        raise SearchError("value", name, f"Parameter {shown} has control characters.")
    return decoded


def write_query(pairs: Pairs) -> str:
    """The query of a self link, percent-encoded where RFC 3986 asks it; ``parse_query`` reads it back."""
    return "&".join(f"{quote(name, safe=':.-_')}={quote(value, safe=':/,-._$@')}" for name, value in pairs)
