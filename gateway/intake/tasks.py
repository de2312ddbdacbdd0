"""What a request asks for, as a list of tasks: one per interaction, a Bundle taken apart."""

import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gateway.intake.preconditions import HEADERS, Preconditions, preconditions
from gateway.intake.refusal import Refusal, refusal
from profiles.fhir.basetypes import facts
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

Key = tuple[str, str]

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
BATCH, IMPORT = "batch", "import"
_IN_BUNDLE = {"ifMatch": "if-match", "ifNoneMatch": "if-none-match"}
"""Preconditions in the request of an entry, by the headers that they stand for."""
_NAMESPACE = uuid.UUID("6f0f6f5e-51d3-5c0e-9a53-1f1f4a6f2d11")


@dataclass(slots=True)
class Task:
    """One interaction. ``id`` is empty until it is known; ``only_new`` leaves alone what is there already."""

    method: str
    type: str
    id: str = ""
    resource: Resource | None = None
    original: bytes = b""
    format: str = "json"
    condition: tuple[str, str] | None = None
    only_if: Preconditions | None = None
    only_new: bool = False
    received: tuple[bytes, str] | None = None
    """What it was made of, with its format, when that is not ``original``."""
    place: str = ""
    full_url: str = ""
    urls: Mapping[str, Key] | None = None
    """Type and id behind each fullUrl of the Bundle that it stood in, when that is not the whole push."""
    patient: str = ""
    """Whose it is, as who sends it says: places what nothing else places, and is never believed against a reference."""
    second: bool = False
    """Whether it is the same resource once more, for another FHIR release."""
    apart: bool = False
    """Whether it names a person with a record of their own: an episode of somebody else does not take it away."""
    origin: str = ""
    """Where it was read, for people: a file and a line."""
    refused: Refusal | None = None

    @property
    def key(self) -> Key:
        """Type and id."""
        return self.type, self.id


@dataclass(frozen=True, slots=True)
class Push:
    """What comes in at once, whichever door it takes: its tasks, and whether they stand or fall together."""

    version: FhirVersion
    tasks: list[Task]
    bundle: str = ""
    """transaction, batch or import; empty for a single interaction."""
    request_id: str = ""
    digest: bytes = b""
    urls: dict[str, Key] = field(default_factory=dict)
    bsn: Mapping[str, str] = field(default_factory=dict)
    """The BSN of patients, by id, whose own resource does not hold it (test sets bring them in a table)."""

    @property
    def together(self) -> bool:
        """All or nothing."""
        return self.bundle not in (BATCH, IMPORT)

    @property
    def interaction(self) -> str:
        """How the access trail calls it."""
        return self.bundle or self.tasks[0].method.lower()


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request as it came in over HTTP, read whole."""

    method: str
    path: tuple[str, ...]
    query: str
    body: bytes
    format: Format
    version: FhirVersion
    headers: Mapping[str, str] = field(default_factory=dict)


def tasks_of(call: HttpCall, most: int) -> Push:
    """The tasks of a request. Raises Refusal, or FormatError for a body that cannot be read."""
    digest = hashlib.sha256(
        b"\0".join((call.method.encode(), "/".join(call.path).encode(), call.query.encode(), call.body))
    ).digest()
    resource = None
    if call.method != "DELETE":
        resource = jsonio.parse(call.body) if call.format is Format.JSON else xmlio.parse(call.body, call.version)
    push = Push(call.version, [], "", call.headers.get("x-request-id", ""), digest)
    if not call.path:
        return _bundle(push, resource or {}, most)
    condition = call.query if call.method != "POST" else call.headers.get("if-none-exist", "")
    task = _task(call.method, call.path, condition, call.headers, resource, call.version, "")
    task.original, task.format = call.body, call.format.value
    push.tasks.append(task)
    return push


def _bundle(push: Push, bundle: Resource, most: int) -> Push:
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") not in ("transaction", "batch"):
        raise refusal(400, "invalid", "the base takes a Bundle of type transaction or batch", "Bundle.type")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or len(entries) > most:
        raise refusal(413, "too-costly", f"a Bundle has at most {most} entries", "Bundle.entry")
    made = Push(push.version, [], str(bundle["type"]), push.request_id, push.digest)
    for index, entry in enumerate(entries):
        place = f"Bundle.entry[{index}]"
        try:
            task = _entry(entry, push.version, place)
        except Refusal as fault:
            if made.together:
                raise
            task = Task("", "", place=place, refused=fault)
        made.tasks.append(task)
    return made


def _entry(entry: Any, version: FhirVersion, place: str) -> Task:
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise refusal(400, "required", "an entry has a request with method and url", f"{place}.request")
    method, resource = request.get("method"), entry.get("resource")
    if method not in ("POST", "PUT", "DELETE"):
        raise refusal(405, "not-supported", "the listener takes POST, PUT and DELETE", f"{place}.request.method")
    if method != "DELETE" and not isinstance(resource, dict):
        raise refusal(400, "required", "the entry has no resource", f"{place}.resource")
    parts = urlsplit(request["url"])
    path = tuple(part for part in parts.path.split("/") if part)
    condition = parts.query if method != "POST" else str(request.get("ifNoneExist", ""))
    given = resource if method != "DELETE" else None
    headers = {header: str(request[name]) for name, header in _IN_BUNDLE.items() if request.get(name)}
    task = _task(method, path, condition, headers, given, version, place)
    task.full_url = entry["fullUrl"] if isinstance(entry.get("fullUrl"), str) else ""
    task.original = jsonio.dump(given) if given is not None else b""
    return task


def _task(
    method: str,
    path: tuple[str, ...],
    condition: str,
    headers: Mapping[str, str],
    resource: Resource | None,
    version: FhirVersion,
    place: str,
) -> Task:
    if len(path) not in ((1,) if method == "POST" else (1, 2)) or not is_stored_type(path[0], version):
        raise refusal(404, "not-found", "the address is not Type or Type/id", place or None)
    type_, id_ = path[0], path[1] if len(path) == 2 else ""
    if id_ and not ID.fullmatch(id_):
        raise refusal(400, "invalid", "an id has 1 to 64 letters, digits, - and .", place or None)
    asked = identifier_asked(condition, place) if condition and not id_ else None
    if not id_ and asked is None and method != "POST":
        raise refusal(400, "required", "an update or delete names an id, or one identifier", place or None)
    if resource is not None:
        if resource.get("resourceType") != type_:
            raise refusal(
                400, "invalid", f"the resource is not of type {type_}", f"{place}.resource" if place else type_
            )
        if method == "PUT" and (given := resource.get("id")) is not None and id_ and given != id_:
            raise refusal(400, "invalid", "the id in the resource is not the one in the address", f"{type_}.id")
    if method == "POST" and any(headers.get(name) for name in HEADERS):
        text = "a create has no version to compare; to create only what is not there, use If-None-Exist"
        raise refusal(400, "not-supported", text, place or None)
    return Task(method, type_, id_, resource, condition=asked, only_if=preconditions(headers, place), place=place)


def is_stored_type(name: str, version: FhirVersion) -> bool:
    """Whether resources of this type are taken in: not Bundles, and not what only travels."""
    found = facts(version).types.get(name)
    return found is not None and found.kind == "resource" and name not in ("Bundle", "Parameters", "OperationOutcome")


def identifier_asked(query: str, place: str) -> tuple[str, str]:
    """System and value of a search for one identifier, percent-decoded as a URI is. Raises Refusal 400."""
    pairs = parse_qsl(query.partition("?")[2] or query, keep_blank_values=True)
    if len(pairs) != 1 or pairs[0][0] != "identifier" or pairs[0][1].count("|") != 1:
        text = "a condition is one identifier: identifier=system|value"
        raise refusal(400, "not-supported", text, place or None)
    system, value = pairs[0][1].split("|")
    if not system or not value:
        raise refusal(400, "invalid", "a condition needs a system and a value", place or None)
    return system, value


class GivenIds:
    """Gives ids to what a source creates: the same content of the same source always gets the same id."""

    def __init__(self, provider: str, source: str, version: FhirVersion) -> None:
        self._scope = f"{provider}|{source}|{version.value}"
        self._seen: Counter[bytes] = Counter()

    def assign(self, task: Task, salt: int = 0) -> str:
        """The id for a created resource. Equal resources in one request are told apart by their order."""
        content = {name: value for name, value in (task.resource or {}).items() if name != "id"}
        digest = hashlib.sha256(jsonio.dump(content)).digest()
        turn = self._seen[digest]
        self._seen[digest] += 0 if salt else 1
        name = f"{self._scope}|{task.type}|{digest.hex()}|{turn}|{salt}"
        return str(uuid.uuid5(_NAMESPACE, name))


def set_id(resource: Resource, id_: str) -> None:
    """Give a resource its id, right behind its type, in place."""
    if resource.get("id") == id_:
        return
    rest = {name: value for name, value in resource.items() if name not in ("resourceType", "id")}
    kind = resource.get("resourceType")
    resource.clear()
    resource["resourceType"] = kind
    resource["id"] = id_
    resource.update(rest)
