"""Request parameters as they stand on the wire: decoded, and raw where a value must go back unchanged."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

MAX_PARAMETERS = 64
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_QUERY_SAFE = re.compile(r"[A-Za-z0-9\-._~!$'()*+,;:@/?=%]*")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class ParameterError(ValueError):
    """Parameters that cannot be read at all: too many, too long, or not text."""


@dataclass(frozen=True, slots=True)
class FormParameter:
    """One name and value; `raw` is the value before decoding."""

    name: str
    value: str
    raw: str


class Parameters:
    """The parameters of one request, in order, duplicates included."""

    def __init__(self, items: list[FormParameter]) -> None:
        self._items = items
        self._counts = Counter(item.name for item in items)

    @classmethod
    def read(cls, text: bytes, limit: int) -> "Parameters":
        """Read a query string or form body of at most `limit` bytes. Raises ParameterError."""
        if len(text) > limit:
            raise ParameterError("too long")
        try:
            parts = [part for part in text.decode("ascii").split("&") if part]
            if len(parts) > MAX_PARAMETERS:
                raise ParameterError("too many")
            return cls([_parameter(part) for part in parts])
        except UnicodeDecodeError as error:
            raise ParameterError("not text") from error

    def __iter__(self) -> Iterator[FormParameter]:
        return iter(self._items)

    def __bool__(self) -> bool:
        return bool(self._items)

    def count(self, name: str) -> int:
        """How often a parameter occurs."""
        return self._counts[name]

    def find(self, name: str) -> FormParameter | None:
        """The parameter when it occurs exactly once, else None."""
        if self._counts[name] != 1:
            return None
        return next(item for item in self._items if item.name == name)

    def value(self, name: str) -> str | None:
        """The value when the parameter occurs exactly once, else None."""
        found = self.find(name)
        return None if found is None else found.value

    def all(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return [item.value for item in self._items if item.name == name]

    @property
    def repeated(self) -> bool:
        """True when any parameter occurs more than once (AUTH-07)."""
        return len(self._counts) != len(self._items)

    def as_dict(self) -> dict[str, str]:
        """Names and values; only meaningful when nothing is repeated."""
        return {item.name: item.value for item in self._items}


def is_uuid(text: str | None) -> bool:
    """True for the textual form of a UUID of any version, in either case."""
    return text is not None and _UUID.fullmatch(text) is not None


def is_query_safe(raw: str) -> bool:
    """True when raw text may stand in a URL's query as it is: no control, space, quote, `&`, `#` or broken escape."""
    return _QUERY_SAFE.fullmatch(raw) is not None and _BROKEN_ESCAPE.search(raw) is None


def _parameter(part: str) -> FormParameter:
    name, _, raw = part.partition("=")
    return FormParameter(_decoded(name), _decoded(raw), raw)


def _decoded(raw: str) -> str:
    return unquote_to_bytes(raw.replace("+", " ")).decode("utf-8")
