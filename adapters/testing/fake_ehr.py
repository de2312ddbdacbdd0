"""An EHR that speaks FHIR and does as it is told: an ASGI application for tests, testers and the demo.

It knows patients by BSN, searches by patient with a few parameters, pages, reads by id, and has a switch per fault
(`Fault`). ``POST /_fault/{name}`` throws a switch over HTTP. Data calls are counted in ``calls``.
"""

import base64
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from adapters.guard import Guard, Whose
from adapters.testing.faults import FakeAnswer, Fault, Send, as_json, as_xml, change, send, spoil
from profiles.fhir.search.search import SearchError, compile_search
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.bsn import bsns
from profiles.record.whose import OWNERS

Pairs = list[tuple[str, str]]

UNDERSTOOD = {"_id", "target", "episodeofcare", "patient", "status", "code", "category", "date", "class", "beneficiary"}


@dataclass(slots=True)
class FakeEhr:
    """``resources`` of all patients, first come first listed. ``login`` is ``none``, ``basic`` or ``smart``."""

    resources: Iterable[Resource]
    version: FhirVersion = FhirVersion.STU3
    login: str = "none"
    username: str = "gateway"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)
    page_size: int = 50
    understands: frozenset[str] = frozenset(UNDERSTOOD)
    post_search: bool = True
    slow: float = 1.0
    address: str | None = None
    """Its own FHIR base, when its resources refer to themselves with it."""

    raw_binaries: bool = False
    """Hand documents out as bytes instead of as Binary resources."""

    fault: Fault = Fault.NONE
    fault_on: str | None = None
    """The one resource type that the fault is for; all when None."""

    calls: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list, repr=False)
    assertions: list[str] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.resources = list(self.resources)

    async def __call__(self, scope: Mapping[str, Any], receive: Any, out: Send) -> None:
        """One HTTP request."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        path = [part for part in scope["path"].split("/") if part and part != "fhir"]
        query = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        fault = self.fault
        if path[:1] == ["_fault"] and scope["method"] == "POST":
            self.fault, fault = Fault(path[1]), Fault.NONE
            answer = FakeAnswer(200, self.fault.value.encode(), "text/plain")
        elif path == ["metadata"]:
            fault = Fault.NONE
            answer = as_json(self.statement())
        elif path == ["token"]:
            fault = Fault.NONE
            answer = self._token(parse_qsl(body.decode()))
        elif not self._lets_in(headers.get("authorization", "")):
            answer = FakeAnswer(401, b"", "text/plain")
        else:
            if path[1:] == ["_search"]:
                query += parse_qsl(body.decode())
            answer, fault = self._data(scope["method"], path, query)
        if "xml" in headers.get("accept", "") and answer.resource is not None:
            answer = as_xml(answer, self.version)
        await send(fault, change(fault, answer), out, self.slow)

    def statement(self) -> Resource:
        """The CapabilityStatement."""
        kinds = sorted({one["resourceType"] for one in self.resources})
        interactions = [{"code": "read"}, {"code": "search-type"}]
        named = [{"name": name, "type": "token"} for name in sorted(self.understands)]
        parts = [{"type": kind, "interaction": interactions, "searchParam": named} for kind in kinds]
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-01-01",
            "kind": "instance",
            "fhirVersion": self.version.number,
            "format": ["json"],
            "rest": [{"mode": "server", "resource": parts}],
        }

    def _data(self, method: str, path: list[str], query: Pairs) -> tuple[FakeAnswer, Fault]:
        self.calls.append(f"{method} {'/'.join(path)}")
        lookup = path[:1] == ["Patient"] and any(name == "identifier" for name, _ in query)
        fault = self.fault if self.fault_on in (None, path[0]) and not lookup else Fault.NONE
        if path[1:] == ["_search"] and not self.post_search:
            return FakeAnswer(405, b"", "text/plain"), fault
        if len(path) == 2 and path[1] != "_search":
            held = [one for one in self.resources if one["resourceType"] == path[0] and one.get("id") == path[1]]
            if held and path[0] == "Binary" and self.raw_binaries:
                return _raw(held[0]), fault
            return (as_json(held[0]) if held else as_json(_outcome("not-found"), 404)), fault
        page = int(dict(query).get("_page", "1"))
        if fault is Fault.HALF and page > 1:
            return FakeAnswer(500, b"", "text/plain"), fault
        held = self._search(path[0], query)
        size = 1 if fault is Fault.HALF else self.page_size
        bundle = self._bundle(path[0], query, held, page, size)
        return as_json(spoil(fault, bundle, self._stranger(query))), fault

    def _search(self, kind: str, query: Pairs) -> list[Resource]:
        held = [one for one in self.resources if one["resourceType"] == kind]
        asked = dict(query)
        if "identifier" in asked and kind == "Patient":
            number = asked["identifier"].rpartition("|")[2]
            return [one for one in held if number in bsns(one)]
        patients = asked.get("patient", asked.get("beneficiary"))
        if patients is not None:
            guard = Guard(frozenset(one.removeprefix("Patient/") for one in patients.split(",")), base=self.address)
            held = [one for one in held if guard.whose(one) is Whose.OURS]
        elif kind not in OWNERS.shared and not asked.keys() & {"_id", "target", "episodeofcare"}:
            return []
        rest = [(n, v) for n, v in query if n in self.understands - {"patient", "beneficiary"}]
        try:
            search = compile_search(self.version, kind, rest)
        except SearchError:
            return held
        return [one for one in held if search.matches(one)]

    def _bundle(self, kind: str, query: Pairs, found: list[Resource], page: int, size: int) -> Resource:
        shown = found[(page - 1) * size : page * size]
        bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
        if len(found) > page * size:
            rest = "&".join(f"{name}={value}" for name, value in query if name not in ("_page", "identifier"))
            bundle["link"] = [{"relation": "next", "url": f"{kind}?{rest}&_page={page + 1}"}]
        if shown:
            bundle["entry"] = [{"resource": dict(one), "search": {"mode": "match"}} for one in shown]
        return bundle

    def _stranger(self, query: Pairs) -> Resource | None:
        mine = Guard(frozenset(dict(query).get("patient", "").split(",")))
        return next((dict(one) for one in self.resources if mine.whose(one) is Whose.FOREIGN), None)

    def _token(self, form: Pairs) -> FakeAnswer:
        asked = dict(form)
        if asked.get("grant_type") != "client_credentials" or "client_assertion" not in asked:
            return FakeAnswer(400, b'{"error":"invalid_request"}', "application/json")
        self.assertions.append(asked["client_assertion"])
        self.tokens.append(secrets.token_urlsafe(16))
        body = f'{{"access_token":"{self.tokens[-1]}","token_type":"bearer","expires_in":300}}'
        return FakeAnswer(200, body.encode(), "application/json")

    def _lets_in(self, authorization: str) -> bool:
        if self.login == "none":
            return True
        right = f"Bearer {self.tokens[-1] if self.tokens else secrets.token_urlsafe(8)}"
        if self.login == "basic":
            right = "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return hmac.compare_digest(authorization.encode(), right.encode())


def _raw(binary: Resource) -> FakeAnswer:
    data = base64.b64decode(str(binary.get("content", binary.get("data", ""))))
    return FakeAnswer(200, data, binary["contentType"])


async def _body(receive: Any) -> bytes:
    body = bytearray()
    while True:
        message: dict[str, Any] = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


def _outcome(code: str) -> Resource:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}
