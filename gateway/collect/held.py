"""A resource on its way out: ready bytes, and data only for who asks."""

from typing import Any

from profiles.fhir import jsonio, xmlio
from profiles.fhir.mediatypes import Format
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion


class Held:
    """A resource with its bytes in both formats; parsed or serialised at most once, and only when needed."""

    __slots__ = ("_data", "_json", "_version", "_xml", "id", "patient_id", "source", "type")

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
    ) -> None:
        self.type = type_
        self.id = id_
        self.source = source
        self.patient_id = patient_id
        self._version = version
        self._data = data
        self._json = json
        self._xml = xml

    @property
    def data(self) -> Resource:
        """The resource as plain data. Not to be changed."""
        if self._data is None:
            parsed: Any = jsonio.load(self._json or b"{}")
            self._data = parsed
        return self._data if self._data is not None else {}

    def body(self, format_: Format) -> bytes:
        """The bytes to splice into an answer: JSON, or an XML element without its namespace declaration."""
        if format_ is Format.JSON:
            if self._json is None:
                self._json = jsonio.dump(self.data)
            return self._json
        if self._xml is None:
            self._xml = xmlio.fragment(self.data, self._version)
        return self._xml
