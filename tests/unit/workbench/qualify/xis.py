"""A stand-in for a care provider's server: holds fixtures per token and answers searches, well or as badly as told."""

import copy
import urllib.parse
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.bundle import BundleEntry, searchset
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.search import execute
from profiles.fhir.search.search import SearchError, compile_search, parse_query
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.place import place

BASE = "https://xis.example/fhir"

Asgi = Callable[[dict[str, Any], Callable[[], Awaitable[Any]], Callable[[dict[str, Any]], Awaitable[None]]], Any]


@dataclass(frozen=True)
class Held:
    """A resource of one patient."""

    data: Resource
    patient: str | None

    @property
    def type(self) -> str:
        return str(self.data["resourceType"])

    @property
    def id(self) -> str:
        return str(self.data["id"])


@dataclass
class Answer:
    """What a handler gives back."""

    status: int
    body: bytes = b""
    media: str = "application/fhir+json"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


class Xis:
    """``tokens`` maps a token to its patient; ``spoil`` may change every Bundle before it is sent."""

    def __init__(
        self,
        version: FhirVersion,
        resources: Iterable[Resource],
        tokens: dict[str, str],
        spoil: Callable[[Resource], None] | None = None,
    ) -> None:
        self.version = version
        found = list(resources)
        patients = place(found).patients
        self.held = {(r["resourceType"], r["id"]): Held(r, patients.get((r["resourceType"], r["id"]))) for r in found}
        self.tokens = tokens
        self.spoil = spoil
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        path = urllib.parse.unquote(scope["path"]).removeprefix("/fhir").strip("/")
        query = scope["query_string"].decode()
        self.requests.append((scope["method"], f"{path}?{query}" if query else path, headers, body))
        answer = self.answer(scope["method"], path, query, headers, body)
        lines = [(b"content-type", answer.media.encode()), *answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": lines})
        await send({"type": "http.response.body", "body": answer.body})

    def answer(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Answer:
        """One answer; the token decides the patient."""
        fmt = Format.XML if "xml" in headers.get("accept", "") else Format.JSON
        patient = self.tokens.get(headers.get("authorization", "").removeprefix("Bearer ").strip())
        if patient is None:
            return self._outcome(401, "login", fmt)
        if method == "PUT":
            return self._put(path, headers, body, patient, fmt)
        if method == "POST":
            return self._post(path, headers, body, fmt)
        parts = path.split("/")
        if parts[1:2] == ["$"]:
            return self._outcome(400, "invalid", fmt)
        if len(parts) == 1 or parts[1] == "$lastn":
            return self._search(parts, query, patient, fmt)
        return self._read(parts, headers, fmt)

    def _search(self, parts: list[str], query: str, patient: str, fmt: Format) -> Answer:
        try:
            search = compile_search(self.version, parts[0], parse_query(query), "lastn" if len(parts) > 1 else None)
        except SearchError as error:
            return self._outcome(400, error.issue_code, fmt)
        own = [held for held in self.held.values() if held.patient == patient]
        own = [held for held in own if held.type != "Patient" or held.id == patient]
        found = execute.run(
            search, own, lambda *key: self.held.get(key), lambda kind: [held for held in own if held.type == kind]
        )
        url = f"{BASE}/{'/'.join(parts)}" + (f"?{query}" if query else "")
        entries = [(held, "match") for held in found.matches] + [(held, "include") for held in found.included]
        if self.spoil is None:
            rows = [
                BundleEntry(f"{BASE}/{h.type}/{h.id}", mode, self._written(h.data, fmt, True)) for h, mode in entries
            ]
            return Answer(200, searchset(fmt, self.version, url, rows), f"application/fhir+{fmt.value}")
        bundle = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found.matches),
            "link": [{"relation": "self", "url": url}],
            "entry": [
                {
                    "fullUrl": f"{BASE}/{h.type}/{h.id}",
                    "resource": copy.deepcopy(h.data),
                    "search": {"mode": mode},
                }
                for h, mode in entries
            ],
        }
        self.spoil(bundle)
        bundle = {name: value for name, value in bundle.items() if value != []}
        return self._answer(200, bundle, fmt)

    def _read(self, parts: list[str], headers: dict[str, str], fmt: Format) -> Answer:
        held = self.held.get((parts[0], parts[1]))
        if held is None:
            return self._outcome(404, "not-found", fmt)
        if held.type == "Binary" and "fhir" not in headers.get("accept", ""):
            return Answer(200, b"%PDF-1.7", str(held.data["contentType"]))
        return self._answer(200, held.data, fmt)

    def _put(self, path: str, headers: dict[str, str], body: bytes, patient: str, fmt: Format) -> Answer:
        resource = self._parsed(headers, body)
        if path != f"{resource['resourceType']}/{resource['id']}":
            return self._outcome(400, "invalid", fmt)
        self.held[resource["resourceType"], resource["id"]] = Held(resource, patient)
        return self._answer(200, resource, fmt)

    def _post(self, path: str, headers: dict[str, str], body: bytes, fmt: Format) -> Answer:
        if path.endswith("$purge"):
            return Answer(204)
        resource = self._parsed(headers, body)
        if resource["resourceType"] != "Bundle":
            return self._answer(201, resource, fmt)
        kind = f"{resource['type']}-response"
        entries = []
        for index, entry in enumerate(resource.get("entry", [])):
            made = {**entry["resource"], "id": f"made-{index}"}
            location = f"{BASE}/{made['resourceType']}/made-{index}"
            entries.append({"fullUrl": location, "resource": made, "response": {"status": "201", "location": location}})
        return self._answer(200, {"resourceType": "Bundle", "type": kind, "entry": entries}, fmt)

    def _parsed(self, headers: dict[str, str], body: bytes) -> Resource:
        if "xml" in headers.get("content-type", ""):
            return xmlio.parse(body, self.version)
        return jsonio.parse(body)

    def _written(self, resource: Resource, fmt: Format, part: bool = False) -> bytes:
        if fmt is Format.JSON:
            return jsonio.dump(resource)
        return (xmlio.fragment if part else xmlio.dump)(resource, self.version)

    def _answer(self, status: int, resource: Resource, fmt: Format) -> Answer:
        return Answer(status, self._written(resource, fmt), f"application/fhir+{fmt.value}")

    def _outcome(self, status: int, code: str, fmt: Format) -> Answer:
        issue = {"severity": "error", "code": code, "details": {"text": "That did not work."}}
        return self._answer(status, {"resourceType": "OperationOutcome", "issue": [issue]}, fmt)
