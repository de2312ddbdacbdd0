"""The answer to what was sent: every entry back, with its id, its fullUrl and what became of it.

With ``Prefer: return=representation`` the resources as they are kept, the Patient as the provider knows them; else
status and location (DL-21). The same answer can be made again from what was kept.
"""

import base64
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.share.lifting import LEAST, Content
from gateway.share.outcome import EntryOutcome
from gateway.share.sharer import Sharer
from profiles.fhir.outcome import Issue, operation_outcome
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.stamp import moment
from profiles.record.walk import Key

STATUS = {200: "200 OK", 201: "201 Created", 400: "400 Bad Request", 422: "422 Unprocessable Entity"}
ELEMENT = {FhirVersion.STU3: "content", FhirVersion.R4: "data"}
_ACKNOWLEDGED = uuid.UUID("3f2b1a6e-5a52-5b7e-9d0c-8a5c2f0f7f11")


@dataclass(frozen=True, slots=True)
class ShareAnswered:
    """A share that was taken in, before its answer is written: what became of each entry, and what it holds."""

    bundle: str
    submission: str
    outcomes: Sequence[EntryOutcome]
    resources: Mapping[Key, Resource] = field(repr=False)
    received: datetime
    file: Callable[[Key], Content] = field(repr=False, default=lambda _key: b"")
    """The file of a Binary that was kept."""
    repeated: bool = False

    @property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """How many entries of each type were taken, for the audit record."""
        found: dict[str, int] = {}
        for one in self.outcomes:
            if one.status < 400:
                found[one.type] = found.get(one.type, 0) + 1
        return tuple(sorted(found.items()))

    @property
    def status(self) -> int:
        """The HTTP status of the whole: 201 for one created resource, else 200."""
        return self.outcomes[0].status if not self.bundle and self.outcomes else 200


def body_of(answered: ShareAnswered, sharer: Sharer, *, whole: bool) -> tuple[Resource, dict[bytes, Content]]:
    """The resource that is the answer, ``whole``: with the resources themselves; and the files of its Binaries.

    A file stands there by a name that nobody else can write; `woven` puts it in while the answer is sent.
    """
    files = _Files()
    return _body(answered, sharer, files, whole=whole), files.named


def woven(document: bytes, files: Mapping[bytes, Content]) -> list[bytes | Content]:
    """A serialised answer in parts, in order: text, and files that are to be written in base64 between."""
    parts: list[bytes | Content] = [document]
    for name, content in files.items():
        before, _, after = parts.pop().partition(name)  # type: ignore[union-attr]
        parts += [before, content, after]
    return parts


class _Files:
    """The files of one answer, in the order in which it names them."""

    def __init__(self) -> None:
        self._mark = uuid.uuid4().hex
        self.named: dict[bytes, Content] = {}

    def name(self, content: Content) -> str:
        name = f"file:{self._mark}:{len(self.named)}:"
        self.named[name.encode()] = content
        return name


def _body(answered: ShareAnswered, sharer: Sharer, files: _Files, *, whole: bool) -> Resource:
    if not answered.bundle:
        return _resource(answered.outcomes[0], answered, sharer, files) or _said("Received.")
    entries = [_entry(one, answered, sharer, files, whole=whole) for one in answered.outcomes]
    if sharer.receives.acknowledgement:
        entries.append(_acknowledgement(answered, sharer))
    return {"resourceType": "Bundle", "type": f"{answered.bundle}-response", "entry": entries}


def _entry(
    given: EntryOutcome, answered: ShareAnswered, sharer: Sharer, files: _Files, *, whole: bool
) -> dict[str, Any]:
    status = STATUS.get(given.status, str(given.status))
    if given.status >= 400:
        outcome = operation_outcome(given.told)
        # A refused entry has no address here; a urn keeps the form that all others have.
        return {"fullUrl": f"urn:uuid:{uuid.uuid4()}", "response": {"status": status, "outcome": outcome}}
    resource = _resource(given, answered, sharer, files if whole else None)
    entry: dict[str, Any] = {"fullUrl": f"{sharer.base}/{given.type}/{given.id}"}
    if whole and resource is not None:
        entry["resource"] = resource
    number = str((resource or {}).get("meta", {}).get("versionId", "1"))
    at = (resource or {}).get("meta", {}).get("lastUpdated", moment(answered.received))
    location = f"{given.type}/{given.id}" + ("" if given.role == "person" else f"/_history/{number}")
    return entry | {
        "response": {"status": status, "location": location, "etag": f'W/"{number}"', "lastModified": at},
    }


def _resource(given: EntryOutcome, answered: ShareAnswered, sharer: Sharer, files: _Files | None) -> Resource | None:
    if given.role == "person":
        return sharer.patient
    resource = answered.resources.get(given.key)
    if resource is None or given.type != "Binary" or files is None:
        return resource
    content = answered.file(given.key)
    text = files.name(content) if len(content) >= LEAST else base64.b64encode(content).decode()
    return {**resource, ELEMENT[sharer.version]: text}


def _acknowledgement(answered: ShareAnswered, sharer: Sharer) -> dict[str, Any]:
    full_url = f"urn:uuid:{uuid.uuid5(_ACKNOWLEDGED, answered.submission)}"
    said = _said(sharer.receives.acknowledgement)
    return {"fullUrl": full_url, "resource": said, "response": {"status": STATUS[200]}}


def _said(text: str) -> Resource:
    return operation_outcome([Issue("information", "informational", text)])
