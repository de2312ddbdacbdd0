"""What the gateway changes in a resource before it is served, each change with a line for the repair log.

The rules are general and few: the BSN is masked (IDN-06), references inside a Bundle become ``Type/id``, a reference
without ``display`` gets one from its target, and a resource that claims no profile claims the one its standard expects.
Clinical values are never touched.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from profiles.fhir.tree import Resource
from profiles.record.bsn import BSN_OID, is_bsn_system, may_stand_in, pattern_of
from profiles.record.label import label
from profiles.record.neighbours import Neighbours
from profiles.record.walk import nodes

_ESCAPED = re.compile(r"\\[nrtbf]")
"""White space as JSON writes it."""

CUT = "Composition"
"""The type of which displays may have been cut: a GP's consult, whose lines are in other resources."""

_LINE = re.compile(r"^Composition\.section\[\d+\].*\.entry\[\d+\]$")
SHORT = 20
"""Shorter displays are names of lines, not lines that were cut."""

MASKED = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]}


@dataclass(frozen=True, slots=True)
class Repair:
    """One change: which rule made it, and where (a FHIRPath)."""

    rule: str
    expression: str


def mask_bsn(resource: Resource, known: Iterable[str] = ()) -> list[Repair]:
    """Mask every BSN in place: identifiers with the BSN system, and ``known`` numbers wherever they stand in text,
    also with spaces, dots or hyphens between the digits and as character references."""
    repairs = []
    numbers = {number for number in known if number}
    for path, node in nodes(resource):
        if is_bsn_system(node.get("system")) and isinstance(node.get("value"), str):
            numbers.add(node.pop("value"))
            node["_value"] = {**MASKED}
            repairs.append(Repair("bsn-masked", f"{path}.value"))
    if numbers:
        _star(resource, str(resource.get("resourceType", "")), numbers, repairs)
    return repairs


def may_hold_bsn(text: bytes, known: str | None = None) -> bool:
    """Whether `mask_bsn` could find something in a resource with this JSON text: a quick look before a long one."""
    lower = text.lower()
    if b"namingsystem/bsn" in lower or BSN_OID.encode() in lower:
        return True
    if not known or not may_stand_in(text, [known]):
        return False
    pattern = pattern_of([known])
    return pattern is not None and pattern.search(_ESCAPED.sub(" ", text.decode("utf-8", "replace"))) is not None


def _star(node: Any, path: str, numbers: Collection[str], repairs: list[Repair]) -> None:
    """Put stars in place of the numbers in any text below ``node``."""
    places: list[tuple[Any, str]] = []
    if isinstance(node, dict):
        places = [(name, f"{path}.{name}") for name in node]
    elif isinstance(node, list):
        places = [(index, f"{path}[{index}]") for index in range(len(node))]
    for place, below in places:
        value = node[place]
        if not isinstance(value, str):
            _star(value, below, numbers, repairs)
        elif (
            may_stand_in(value.encode("utf-8", "surrogatepass"), numbers)
            and (pattern := pattern_of(numbers)) is not None
            and pattern.search(value)
        ):
            node[place] = pattern.sub(lambda found: "*" * len(found.group()), value)
            repairs.append(Repair("bsn-masked", below))


def resolve_urns(resource: Resource, by_url: Mapping[str, tuple[str, str]]) -> list[Repair]:
    """Replace references to a Bundle entry's ``fullUrl`` by ``Type/id``, in place."""
    repairs = []
    for path, node in nodes(resource):
        reference = node.get("reference")
        if isinstance(reference, str) and reference in by_url:
            literal = "/".join(by_url[reference])
            if literal != reference:
                node["reference"] = literal
                repairs.append(Repair("reference-made-relative", f"{path}.reference"))
    return repairs


def fill_display(resource: Resource, neighbours: Neighbours) -> list[Repair]:
    """Give a reference without ``display`` the name of its target, in place.

    The target is a contained resource, or one of the neighbours: of the same person, or shared. A reference to what is
    another person's keeps no name of ours; a display that came from the source stays as it came, but for one that
    breaks off: the line of a GP's consult that was cut is written out.
    """
    repairs = []
    contained = {item.get("id"): item for item in resource.get("contained", ()) if isinstance(item, dict)}
    for path, node in nodes(resource):
        reference = node.get("reference")
        display = node.get("display")
        cut = isinstance(display, str) and len(display) >= SHORT and _LINE.search(path) is not None
        if not isinstance(reference, str) or (("display" in node or "_display" in node) and not cut):
            continue
        local = reference.startswith("#")
        target = contained.get(reference[1:]) if local else neighbours.find(reference)
        text = label(target) if target else None
        if text and not cut:
            node["display"] = text
            repairs.append(Repair("display-from-target", f"{path}.display"))
        elif text and text != display and text.startswith(str(display).rstrip(" .…")):
            node["display"] = text
            repairs.append(Repair("display-completed", f"{path}.display"))
    return repairs


def claim_profile(resource: Resource, canonicals: Iterable[str]) -> list[Repair]:
    """Let a resource that claims no profile claim ``canonicals``, in place."""
    wanted = list(canonicals)
    meta = resource.get("meta")
    claimed = meta.get("profile") if isinstance(meta, dict) else None
    if not wanted or claimed or (meta is not None and not isinstance(meta, dict)):
        return []
    if isinstance(meta, dict):
        meta["profile"] = wanted
    else:
        rest = {name: value for name, value in resource.items() if name not in ("resourceType", "id")}
        for name in rest:
            del resource[name]
        resource["meta"] = {"profile": wanted}
        resource.update(rest)
    return [Repair("profile-claimed", f"{resource.get('resourceType')}.meta.profile")]
