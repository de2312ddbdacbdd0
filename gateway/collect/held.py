"""A resource on its way out: ready bytes, and data only for who asks."""

from functools import lru_cache
from typing import Any

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

PARSED = 4096
"""How many resources are kept as data between requests: the searches of one visit ask for the same ones."""


class Held:
    """A resource with its bytes in both formats; parsed or serialised at most once, and only when needed."""

    __slots__ = ("_data", "_digest", "_json", "_version", "_xml", "id", "patient_id", "source", "type")

    def __init__(
        self,
        type_: str,
        id_: str,
        version: FhirVersion,
        *,
        source: str,
        patient_id: str,
        data: Resource | None = None,
        json: bytes | None = None,
        xml: bytes | None = None,
        digest: bytes | None = None,
    ) -> None:
        self.type = type_
        self.id = id_
        self.source = source
        self.patient_id = patient_id
        self._version = version
        self._data = data
        self._json = json
        self._xml = xml
        self._digest = digest

    @property
    def live(self) -> bool:
        """Whether it came out of a source for this request; else it was in the store."""
        return self._digest is None

    @property
    def data(self) -> Resource:
        """The resource as plain data. Not to be changed."""
        if self._data is None:
            json = self._json or b"{}"
            self._data = jsonio.load(json) if self._digest is None else _parsed(_Content(self._digest, json))
        return self._data

    def body(self, format_: Format) -> bytes:
        """The bytes to splice into an answer: JSON, or an XML element without its namespace declaration."""
        if format_ is Format.JSON:
            if self._json is None:
                self._json = jsonio.dump(self.data)
            return self._json
        if self._xml is None:
            self._xml = xmlio.fragment(self.data, self._version)
        return self._xml


class _Content:
    """Bytes that are told apart by their digest, which is cheaper than hashing or comparing them."""

    __slots__ = ("digest", "json")

    def __init__(self, digest: bytes, json: bytes) -> None:
        self.digest = digest
        self.json = json

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and other.digest == self.digest


@lru_cache(maxsize=PARSED)
def _parsed(content: _Content) -> Resource:
    parsed: Any = jsonio.load(content.json)
    return parsed if isinstance(parsed, dict) else {}
