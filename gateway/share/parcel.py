"""What a citizen sends, taken apart by the row of the standard that lets it in: its shape, not yet its content.

Faults here are of the client's software, so they refuse the whole request, a batch too: nothing is guessed about what
else it may have got wrong. What is wrong in the content of an entry is a fault of that entry (`gateway.share.settle`).
"""

import re
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from gateway.problems import Problem
from gateway.share.lifting import LIFTED, Content
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.record.repair import Repair
from profiles.record.walk import Key
from profiles.standards.receives import EntryRule, Receives, Role
from profiles.validation import Finding

FULL_URL = re.compile(r"urn:(?:uuid:[0-9a-fA-F-]{36}|oid:[0-2](?:\.[0-9]+)*)", re.ASCII)
_URN = re.compile(rb"urn:uuid:[0-9a-fA-F-]{36}")
"""A client makes new ones each time it sends the same."""
CONDITIONS = ("ifNoneExist", "ifMatch", "ifNoneMatch", "ifModifiedSince")
METHODS = {Role.TASK: "PUT"}
"""How entries of a role come; all others are created."""


@dataclass(slots=True)
class Item:
    """One entry on its way. ``id`` is ours; ``resource`` is changed in place, ``original`` is what came."""

    place: str
    rule: EntryRule
    id: str
    resource: Resource
    full_url: str = ""
    original: bytes = b""
    repairs: list[Repair] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    content: Content | None = None
    """The file that a Binary holds."""
    original_digest: bytes = b""
    """SHA-256 of what came, in a form that does not depend on the order of its names."""
    fault: Problem | None = None
    """Why this entry of a batch is not taken."""

    @property
    def key(self) -> Key:
        """Type and id."""
        return self.rule.type, self.id

    @property
    def role(self) -> Role:
        """What it is to who receives it."""
        return self.rule.role


@dataclass(frozen=True, slots=True)
class Parcel:
    """All that came in one request."""

    bundle: str
    """batch, transaction, or empty for one resource."""
    items: Sequence[Item]

    @property
    def together(self) -> bool:
        """Whether one fault refuses everything."""
        return self.bundle != "batch"

    def of(self, role: Role) -> Iterator[Item]:
        """The entries of a role that are not refused."""
        return (item for item in self.items if item.role is role and item.fault is None)

    @property
    def urls(self) -> dict[str, Key]:
        """Type and id behind each fullUrl."""
        return {item.full_url: item.key for item in self.items if item.full_url}


def read_parcel(resource: Resource, receives: Receives, type_: str | None) -> Parcel:
    """Take apart what was sent to a row; ``type_`` is that of the address, none for the base. Raises Problem."""
    if receives.bundles:
        return _bundle(resource, receives)
    if type_ is None or type_ not in receives.rules or resource.get("resourceType") != type_:
        raise Problem(400, "invalid", f"The resource is not of type {type_ or 'Bundle'}.", expression="resourceType")
    return Parcel("", [_item(receives.rules[type_], resource, type_)])


def _bundle(bundle: Resource, receives: Receives) -> Parcel:
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") not in receives.bundles:
        offered = " or ".join(receives.bundles)
        raise Problem(400, "value", f"What is sent is a Bundle of type {offered}.", expression="Bundle.type")
    entries = bundle.get("entry")
    if not isinstance(entries, list) or not entries:
        raise Problem(400, "required", "The Bundle has no entries.", expression="Bundle.entry")
    if len(entries) > receives.entries:
        text = f"A Bundle has at most {receives.entries} entries here."
        raise Problem(413, "too-long", text, expression="Bundle.entry")
    items = [_entry(entry, receives, f"Bundle.entry[{index}]") for index, entry in enumerate(entries)]
    _counted(items, receives)
    named = Counter(item.full_url for item in items if item.full_url)
    if any(count > 1 for count in named.values()):
        raise Problem(400, "duplicate", "Two entries have the same fullUrl.", expression="Bundle.entry.fullUrl")
    return Parcel(str(bundle["type"]), items)


def _entry(entry: Any, receives: Receives, place: str) -> Item:
    request = entry.get("request") if isinstance(entry, dict) else None
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or not isinstance(resource, dict):
        raise Problem(400, "required", "An entry has a resource and a request.", expression=place)
    type_, method, url = resource.get("resourceType"), request.get("method"), request.get("url")
    rule = receives.rules.get(type_) if isinstance(type_, str) else None
    if rule is None:
        raise Problem(422, "not-supported", "This resource type is not taken here.", expression=f"{place}.resource")
    if method != METHODS.get(rule.role, "POST"):
        text = f"Entries of this type come with {METHODS.get(rule.role, 'POST')} here."
        raise Problem(400, "value", text, expression=f"{place}.request.method")
    if any(request.get(name) for name in CONDITIONS):
        raise Problem(400, "not-supported", "Conditions are not supported here.", expression=f"{place}.request")
    full_url = entry.get("fullUrl")
    if rule.role is Role.TASK:
        if url != f"{type_}/{resource.get('id')}":
            text = "The address of the entry is the type and id of its resource."
            raise Problem(400, "value", text, expression=f"{place}.request.url")
    elif url != type_:
        raise Problem(400, "value", "The address of the entry is its type.", expression=f"{place}.request.url")
    elif not isinstance(full_url, str) or FULL_URL.fullmatch(full_url) is None:
        raise Problem(400, "value", "An entry has a urn as its fullUrl.", expression=f"{place}.fullUrl")
    return _item(rule, resource, place, full_url if isinstance(full_url, str) else "")


def _item(rule: EntryRule, resource: Resource, place: str, full_url: str = "") -> Item:
    id_ = str(resource.get("id") or "") if rule.role is Role.TASK else str(uuid.uuid4())
    item = Item(place, rule, id_, resource, full_url, jsonio.dump(_without_file(resource)))
    same = LIFTED.sub(b"lifted:", _URN.sub(b"urn:", jsonio.canonical(resource)))
    item.original_digest = sha256(same).digest()
    return item


def _without_file(resource: Resource) -> Resource:
    """The entry as it came, without the content of a file, which is kept beside it."""
    if resource.get("resourceType") != "Binary":
        return resource
    return {name: value for name, value in resource.items() if name not in ("content", "data")}


def _counted(items: Sequence[Item], receives: Receives) -> None:
    counts = Counter(item.rule.type for item in items)
    for rule in receives.rules.values():
        if counts[rule.type] < rule.least:
            text = f"At least {rule.least} {rule.type} must be among the entries."
            raise Problem(422, "required", text, expression="Bundle.entry")
        if rule.most and counts[rule.type] > rule.most:
            text = f"At most {rule.most} {rule.type} may be among the entries."
            raise Problem(422, "business-rule", text, expression="Bundle.entry")
