"""A resource on its way out: ready bytes, keys to match on, and the whole as data only for who asks."""

from collections.abc import Callable, Container, Sequence
from typing import Any

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.codec.packing import unpack
from profiles.fhir.search.keys import FINGERPRINT, opened
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion
from profiles.record.repair import Repair
from profiles.record.walk import Key, references

KEPT = 32 * 1024 * 1024
"""Most bytes of search keys that stay parsed between requests: the searches of one visit ask for the same ones."""


class Held:
    """A resource with its bytes; parsed or serialised at most once, and only when needed.

    One that was in the store has its ``number`` there, its search keys, and bytes in the format of the request when
    they were loaded. One that came out of a live source for this request has only its data.
    """

    __slots__ = (
        "_bodies", "_data", "_keys", "_version", "_whole", "digest", "id", "number", "patient_id", "source", "type",
    )  # fmt: skip

    def __init__(
        self,
        type_: str,
        id_: str,
        version: FhirVersion,
        *,
        source: str,
        patient_id: str,
        data: Resource | None = None,
        digest: bytes | None = None,
        number: int = 0,
        search: bytes | None = None,
    ) -> None:
        self.type = type_
        self.id = id_
        self.source = source
        self.patient_id = patient_id
        self.digest = digest
        self.number = number
        self._version = version
        self._keys = search
        self._data = self._whole = data
        self._bodies: dict[str, bytes] = {}

    @property
    def live(self) -> bool:
        """Whether it came out of a source for this request; else it was in the store."""
        return self.digest is None

    @property
    def data(self) -> Resource:
        """What search looks at: the keys, or the resource itself where there are none. Not to be changed."""
        if self._data is None:
            found = None if self._keys is None else _PARSED.get(self._keys)
            self._data = self.whole if found is None else found
        return self._data

    @property
    def searchable(self) -> bool:
        """Whether there is something to match on; else the JSON has to be loaded first."""
        return not self.unkeyed or "json" in self._bodies

    @property
    def unkeyed(self) -> bool:
        """Whether it was stored without search keys that these tables made."""
        return self._whole is None and (self._keys is None or not self._keys.startswith(FINGERPRINT))

    @property
    def whole(self) -> Resource:
        """The resource as plain data. Not to be changed. RuntimeError when its JSON was not loaded."""
        if self._whole is None:
            if "json" not in self._bodies:
                raise RuntimeError("the JSON of this resource was not loaded")
            found: Any = jsonio.load(unpack(self._bodies["json"]))
            self._whole = found if isinstance(found, dict) else {}
        return self._whole

    def put(self, format_: str, body: bytes) -> None:
        """Add bytes that were loaded."""
        self._bodies[format_] = body

    def change(self, repair: Callable[[Resource, FhirVersion], Sequence[Repair]]) -> Sequence[Repair]:
        """Let a rule change the data of a live one, in place; bytes that were made before are forgotten."""
        repairs = repair(self.whole, self._version)
        if repairs:
            self._bodies.clear()
        return repairs

    def without_names_of(self, hidden: Container[Key]) -> None:
        """Take out what references to hidden resources call these; the reference itself stays. The JSON is loaded."""
        if not any(local_reference(str(one["reference"])) in hidden for one in references(self.whole)):
            return
        copied: Resource = jsonio.load(jsonio.dump(self.whole))
        for one in references(copied):
            if local_reference(one["reference"]) in hidden:
                one.pop("display", None)
        self._whole = copied
        self._bodies = {"json": jsonio.dump(copied)}

    def lacks(self, format_: str) -> bool:
        """Whether bytes in a format have to be loaded before they can be sent."""
        return self.digest is not None and format_ not in self._bodies and "json" not in self._bodies

    def body(self, format_: Format) -> bytes:
        """The bytes to splice into an answer: JSON, or an XML element without its namespace declaration."""
        made = self._bodies.get(format_.value)
        if made is not None:
            made = unpack(made)
        else:
            whole = self.whole
            made = jsonio.dump(whole) if format_ is Format.JSON else xmlio.fragment(whole, self._version)
            self._bodies[format_.value] = made
        return made


class ParsedKeys:
    """Search keys as data, by their bytes: what was used lately stays, within a number of bytes.

    Two halves: what is used moves to the young one; when that is full it becomes the old one, and what was not used
    since then goes. That costs less than a list in order of use.
    """

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._young: dict[bytes, Resource] = {}
        self._old: dict[bytes, Resource] = {}
        self._size = 0

    def get(self, kept: bytes | None) -> Resource | None:
        """The data of kept keys; None when there are none, or of other tables."""
        if kept is None:
            return None
        keys = self._young.get(kept)
        if keys is not None:
            return keys
        keys = self._old.get(kept)
        if keys is None and (keys := opened(kept)) is None:
            return None
        # The data take some ten times the room of the bytes, which are packed to about a quarter.
        self._size += 44 * len(kept) + 300
        if self._size > self._half:
            self._old, self._young, self._size = self._young, {}, 0
        self._young[kept] = keys
        return keys


_PARSED = ParsedKeys(KEPT)
