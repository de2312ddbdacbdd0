"""Search keys: a resource cut down to what search looks at, kept with it so that matching parses nothing else.

The keys have the shape of the resource, so the same code matches on both: every element that some search parameter, an
include, a sort or ``$lastn`` can reach is there, everything else is not. They are made by the tables that matching
reads; a change of a table (or of this module) changes `FINGERPRINT`, and keys of another fingerprint are made anew.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import pack, unpack
from profiles.fhir.search.marks import BITS, marks_of
from profiles.fhir.search.paths import PERIOD_OF_USE, PERIOD_URLS, alternatives, steps
from profiles.fhir.search.searchparams import ours, parameters
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

_FORM = b"3"
"""To be changed when this module cuts differently."""

_ALWAYS = ("resourceType", "id")
_PARTS: Mapping[str, frozenset[str]] = {
    "token": frozenset({"coding", "system", "code", "value"}),
    "reference": frozenset({"reference"}),
    "date": frozenset({"start", "end", "event"}),
    "special": frozenset({"start", "end", "event"}),
    "quantity": frozenset({"value", "system", "code", "unit"}),
    "string": frozenset(
        {"text", "family", "given", "prefix", "suffix", "line", "city", "postalCode", "country"},
    ),
    "uri": frozenset(),
}
"""What the tests of a kind of parameter look at in a complex value (profiles.fhir.search.matching, comparing)."""

_ALSO = {
    "": ("uri meta.profile", "date meta.lastUpdated", "token meta.security"),
    "Composition": ("token status", "token type", "token class | category", "date date"),
    "DiagnosticReport": ("token status", "token category", "token code", "date issued"),
    "DocumentReference": ("token status", "token type", "token class | category", "date indexed | created | date"),
    "Observation": (
        "token status",
        "token category",
        "token code",
        "string code.text",
        "date effectiveDateTime | effectivePeriod | effectiveInstant | issued",
    ),
}
"""What is looked at without a parameter: claimed profiles (availability), what ``$lastn`` groups and orders by, and
what decides whether something may be shown (gateway.release)."""


@dataclass(slots=True)
class Cut:
    """What stays of a value: parts of a complex one, elements with cuts of their own, extensions by url."""

    parts: set[str] = field(default_factory=set)
    elements: dict[str, "Cut"] = field(default_factory=dict)
    extensions: dict[str, "Cut"] = field(default_factory=dict)

    def __call__(self, value: Any) -> Any:
        """The value cut down; lists keep their length, simple values stay."""
        if isinstance(value, list):
            return [self(part) for part in value]
        if not isinstance(value, dict):
            return value
        made: Resource = {}
        for name, part in value.items():
            if name in self.parts:
                made[name] = _codings(part) if name == "coding" and name not in self.elements else part
            elif name in self.elements:
                made[name] = self.elements[name](part)
            elif name == "extension" and self.extensions:
                made[name] = [
                    {"url": each["url"], **self.extensions[each["url"]](each)}
                    for each in (part if isinstance(part, list) else [part])
                    if isinstance(each, dict) and isinstance(each.get("url"), str) and each["url"] in self.extensions
                ]
        return made


def keys(version: FhirVersion, resource: Resource) -> Resource:
    """The keys of a resource. Searching them gives what searching the resource gives."""
    made: Resource = _cut(version, str(resource.get("resourceType")))(resource)
    for name in _ALWAYS:
        if name in resource:
            made[name] = resource[name]
    contained = resource.get("contained")
    if isinstance(contained, list):
        # A chain can end in a resource that is contained.
        made["contained"] = [keys(version, one) for one in contained if isinstance(one, dict)]
    for name in ("extension", "modifierExtension"):
        if periods := _periods(resource.get(name)):
            made[name] = [*made.get(name, ()), *periods]
    return made


class KeptKeys(NamedTuple):
    """What is kept beside a resource: its keys, packed, and its marks (`profiles.fhir.search.marks`)."""

    search: bytes
    marks: int


def stored(version: FhirVersion, resource: Resource) -> KeptKeys:
    """The keys as they are kept beside a resource."""
    made = keys(version, resource)
    return KeptKeys(FINGERPRINT + pack(jsonio.dump(made)), TABLES << BITS | marks_of(version, made))


def opened(kept: bytes | None) -> Resource | None:
    """Kept keys as data; None when there are none, or they were made for other tables."""
    if kept is None or not kept.startswith(FINGERPRINT):
        return None
    found = jsonio.load(unpack(kept[len(FINGERPRINT) :]))
    return found if isinstance(found, dict) else None


@cache
def _cut(version: FhirVersion, type_: str) -> Cut:
    whole = Cut()
    known = (*parameters(version, type_).values(), *ours(version, type_).values())
    lines = [(param.kind, param.path) for param in known]
    for line in (*_ALSO[""], *_ALSO.get(type_, ())):
        kind, _, path = line.partition(" ")
        lines.append((kind, path))
    for kind, text in lines:
        if text == PERIOD_OF_USE:
            # A duration may hang on the period itself.
            own = whole.elements.setdefault("effectivePeriod", Cut())
            own.parts |= _PARTS["date"] | {"extension", "modifierExtension"}
        for path in alternatives(text):
            at = whole
            for step in steps(path):
                inside, name = (at.elements, step) if isinstance(step, str) else (at.extensions, step[0])
                at = inside.setdefault(name, Cut())
            at.parts |= _PARTS[kind]
    return whole


def _codings(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [
        {name: one[name] for name in ("system", "code") if name in one} if isinstance(one, dict) else one
        for one in value
    ]


def _periods(extensions: Any) -> list[Any]:
    """The extensions that say when a medicine is to be used."""
    if not isinstance(extensions, list):
        return []
    return [one for one in extensions if isinstance(one, dict) and one.get("url") in PERIOD_URLS]


def _fingerprint() -> bytes:
    found = hashlib.sha256(_FORM)
    for version in FhirVersion:
        found.update((Path(__file__).parents[1] / "data" / f"searchparams-{version.value}.toml").read_bytes())
    return found.digest()[:4]


FINGERPRINT = _fingerprint()
"""What the keys of this version of the tables begin with."""

TABLES = int.from_bytes(FINGERPRINT[:2])
"""What stands above the bits of marks that were made by this version."""
