"""One request of a script and its answer: building, sending, and reading each body once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote, unquote, urljoin, urlsplit

import httpx
import msgspec

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.fhirpath import ElementNode, rooted
from workbench.qualify.masking import excerpt, masked
from workbench.qualify.results import Traffic
from workbench.qualify.script import Operation

_LAID_OUT = 500_000

MEDIA = {"xml": "application/fhir+xml", "json": "application/fhir+json"}
METHODS = {
    "read": "GET", "vread": "GET", "search": "GET", "search-type": "GET", "search-system": "GET", "history": "GET",
    "capabilities": "GET", "get": "GET", "create": "POST", "transaction": "POST", "batch": "POST", "post": "POST",
    "update": "PUT", "updateCreate": "PUT", "put": "PUT", "delete": "DELETE", "patch": "PATCH", "head": "HEAD",
    "purge": "POST",
}  # fmt: skip


class Unsendable(ValueError):
    """A request that cannot be made from the script as it stands."""


@dataclass
class Body:
    """A FHIR document in some format: parsed when first asked for."""

    body: bytes
    media: str
    version: FhirVersion

    @cached_property
    def read(self) -> Resource | FormatError | None:
        """The resource, the fault that makes it unreadable, or None when it is not FHIR."""
        kind = self.media.partition(";")[0].strip().lower()
        if not self.body.strip():
            return None
        try:
            if kind.endswith("json"):
                return jsonio.parse(self.body)
            if kind.endswith("xml"):
                return xmlio.parse(self.body, self.version)
        except FormatError as error:
            return error
        return None

    @property
    def resource(self) -> Resource | None:
        """The resource; None when there is none to read."""
        return self.read if isinstance(self.read, dict) else None

    @cached_property
    def node(self) -> ElementNode | None:
        """The resource for FHIRPath, shared by all expressions so that its descendants are found once."""
        return rooted(self.resource, self.version) if self.resource is not None else None

    @property
    def fault(self) -> str:
        """Why there is no resource."""
        if isinstance(self.read, FormatError):
            return f"the body cannot be read: {self.read}"
        return f"the body is no FHIR resource ({self.media or 'no content type'}, {len(self.body)} bytes)"

    def in_format(self, wanted: str) -> bytes:
        """The document in xml or json; as it stands when it is in that format already. Unsendable when unreadable."""
        if wanted not in MEDIA or self.media.partition(";")[0].strip().endswith(wanted):
            return self.body
        if self.resource is None:
            raise Unsendable(self.fault)
        return jsonio.dump(self.resource) if wanted == "json" else xmlio.dump(self.resource, self.version)


@dataclass
class ScriptExchange:
    """A request that was sent and the answer to it."""

    method: str
    url: str
    headers: Mapping[str, str]
    sent: Body | None
    status: int = 0
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    answer: Body | None = None
    seconds: float = 0.0

    @property
    def traffic(self) -> Traffic:
        """The exchange as a reader of a report may see it."""
        request = "\n".join([f"{self.method} {self.url}", *_lines(self.headers)])
        if self.sent and self.sent.body:
            request += f"\n\n{_shown(self.sent)}"
        response = "\n".join([f"HTTP {self.status}", *_lines(self.answer_headers)])
        if self.answer and self.answer.body:
            response += f"\n\n{_shown(self.answer)}"
        return Traffic(masked(request), masked(response), self.seconds)


def _lines(headers: Mapping[str, str]) -> list[str]:
    return [f"{name}: {'(masked)' if name.lower() == 'authorization' else value}" for name, value in headers.items()]


def _shown(content: Body) -> str:
    kind = content.media.lower()
    if any(part in kind for part in ("json", "xml", "text", "html")):
        return excerpt(_laid_out(content.body, kind).decode("utf-8", "replace"))
    return f"({len(content.body)} bytes of {content.media or 'unknown type'})"


def _laid_out(body: bytes, kind: str) -> bytes:
    """JSON with a line per property, its values untouched; anything else as it is."""
    if "json" not in kind or len(body) > _LAID_OUT:
        return body
    try:
        return msgspec.json.format(body, indent=1)
    except msgspec.DecodeError:
        return body


def target(operation: Operation, base: str, filled: Mapping[str, str | None], target_id: str | None = None) -> str:
    """The URL of an operation: its own url, or base, type and params. Unsendable for anything but http(s)."""
    if filled.get("url"):
        url = urljoin(f"{base}/", str(filled["url"]))
    else:
        url = base
        if operation.resource and operation.code not in ("transaction", "batch", "capabilities"):
            url += f"/{operation.resource}"
        if operation.code == "capabilities":
            url += "/metadata"
        params = filled.get("params") or (f"/{target_id}" if target_id else "")
        url += params if not params or params[0] in "/?" else f"/{params}"
    if urlsplit(url).scheme not in ("http", "https"):
        raise Unsendable(f"{masked(url)!r} is no http or https URL")
    return encoded(url) if operation.encode else url


def encoded(url: str) -> str:
    """The URL with path and query percent-encoded, what is encoded already left as it is."""
    head, mark, query = url.partition("?")
    parts = urlsplit(head)
    path = quote(unquote(parts.path), safe="/$:@!*'(),;=~")
    coded = "&".join(_encoded_pair(*pair.partition("=")) for pair in query.split("&"))
    return f"{parts.scheme}://{parts.netloc}{path}{mark}{coded}"


def _encoded_pair(name: str, sign: str, value: str) -> str:
    return f"{quote(unquote(name), safe=':$')}{sign}{quote(unquote(value), safe=',')}"


def method(operation: Operation) -> str:
    """The HTTP method of an operation. Unsendable for an operation that is not known."""
    found = (operation.method or METHODS.get(operation.code) or "").upper()
    if not found:
        raise Unsendable(f"the operation {operation.code!r} is not known")
    return found


async def send(client: httpx.AsyncClient, exchange: ScriptExchange, version: FhirVersion) -> ScriptExchange:
    """Send the request and fill in the answer; httpx.HTTPError when there is none."""
    body = exchange.sent.body if exchange.sent else None
    request = client.build_request(exchange.method, exchange.url, headers=dict(exchange.headers), content=body)
    if not any(name.lower() == "accept" for name in exchange.headers):
        del request.headers["accept"]
    response = await client.send(request)
    exchange.status = response.status_code
    exchange.answer_headers = dict(response.headers)
    exchange.answer = Body(response.content, response.headers.get("content-type", ""), version)
    exchange.seconds = response.elapsed.total_seconds()
    return exchange


def media_type(name: str | None) -> str | None:
    """The media type for ``accept`` and ``contentType``: xml and json are FHIR's, none is no header."""
    if not name or name == "none":
        return None
    return MEDIA.get(name, name)


def fixture_media(reference: str, data: bytes) -> str:
    """The media type of a fixture file, by its name or else its first character."""
    is_json = reference.lower().endswith(".json") or data.lstrip()[:1] == b"{"
    return MEDIA["json"] if is_json else MEDIA["xml"]
