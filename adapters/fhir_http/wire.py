"""One bounded call to the EHR: in time, within size, from the right host, in the right format."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from adapters import port
from adapters.fhir_http.login import SourceLogin
from adapters.port import AdapterDown, AdapterError, AdapterGarbage, AdapterQuery, AdapterRefused, AvailabilityQuery
from adapters.settings import SourceLimits
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

HEADROOM = 0.05
"""Seconds kept back of a deadline, to hand the answer over before it passes."""

PARSE_APART = 200_000
"""Answers larger than this are parsed in a thread, so that other requests go on."""

Pairs = Sequence[tuple[str, str]]

logging.getLogger("httpx").setLevel(logging.WARNING)  # its INFO lines hold whole URLs


@dataclass(slots=True)
class Budget:
    """What one question may still cost: time until a deadline, bytes, and the ids that go along."""

    query: AdapterQuery | AvailabilityQuery
    bytes_left: int

    def seconds(self) -> float:
        """Seconds that may still be used."""
        return self.query.remaining() - HEADROOM

    def spend(self, size: int) -> None:
        """Take bytes; raises `AdapterGarbage` when there are not so many left."""
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise AdapterGarbage("the source sends more data than the limit allows")


@dataclass(frozen=True, slots=True)
class Wire:
    """Calls to one FHIR base. ``base`` has no closing slash."""

    http: httpx.AsyncClient
    base: str
    version: FhirVersion
    xml: bool
    login: SourceLogin
    limits: SourceLimits
    correlation_header: str | None = None

    async def fetch(self, path: str, budget: Budget, query: Pairs = (), form: Pairs | None = None) -> Resource:
        """One resource: GET, or POST when ``form`` is given. ``path`` is below the base, or a link of the same base.

        Raises `AdapterError`; a status 404 or 410 is `NotThere`.
        """
        async with in_time(budget):
            answer = await self._send(path, budget, query, form, self._accept())
            try:
                return await self.parse(answer, budget)
            finally:
                await answer.aclose()

    async def open(self, path: str, budget: Budget) -> httpx.Response:
        """An answer of status 200 in any format, its body still to be read with `parse` or `chunks`; close it."""
        async with in_time(budget):
            return await self._send(path, budget, (), None, f"{self._accept()};q=0.5, */*")

    async def parse(self, answer: httpx.Response, budget: Budget) -> Resource:
        """Read and parse the body of an answer."""
        kind = read_kind(answer.headers.get("content-type"), self.version)
        return await self._parse(await self._read(answer, budget), kind)

    def link(self, url: str) -> str:
        """A next link made absolute. Raises `AdapterGarbage` when it leaves the base: another host, port or path."""
        absolute = urljoin(f"{self.base}/", url)
        if origin(absolute) != origin(self.base) or not under(absolute, self.base):
            raise AdapterGarbage("the source points to another address for the rest of its answer")
        return absolute

    async def _send(self, path: str, budget: Budget, query: Pairs, form: Pairs | None, accept: str) -> httpx.Response:
        url = path if "://" in path else f"{self.base}/{path}"
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        if self.correlation_header and budget.query.correlation:
            headers[self.correlation_header] = budget.query.correlation
        for renew in (False, True):
            login = await self.login.headers(self.http, budget.seconds(), renew=renew)
            request = self._request(url, query, form, headers | login)
            answer = await self.http.send(request, stream=True, follow_redirects=False)
            if answer.status_code == 200:
                return answer
            await answer.aclose()
            if answer.status_code != 401 or not self.login.renews:
                break
        raise refusal(answer)

    def _request(self, url: str, query: Pairs, form: Pairs | None, headers: Mapping[str, str]) -> httpx.Request:
        if form is None:
            return self.http.build_request("GET", url, params=list(query) or None, headers=headers)
        body = str(httpx.QueryParams(list(form))).encode()
        typed = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        return self.http.build_request("POST", url, params=list(query) or None, content=body, headers=typed)

    def _accept(self) -> str:
        return f"application/fhir+{'xml' if self.xml else 'json'}; fhirVersion={self.version.mime}"

    async def _read(self, answer: httpx.Response, budget: Budget) -> bytes:
        data = bytearray()
        async for chunk in chunks(answer, self.limits.answer_bytes, budget):
            data += chunk
        if not data:
            raise AdapterGarbage("the source answered without content")
        return bytes(data)

    async def _parse(self, data: bytes, kind: str) -> Resource:
        try:
            if len(data) > PARSE_APART:
                return await asyncio.to_thread(self._decode, data, kind)
            return self._decode(data, kind)
        except FormatError as error:
            raise AdapterGarbage("the source answered something that is not FHIR", cause=error) from error

    def _decode(self, data: bytes, kind: str) -> Resource:
        return xmlio.parse(data, self.version) if kind == "xml" else jsonio.parse(data)


class NotThere(AdapterError):
    """Status 404 or 410: no such resource, or no such type."""


@asynccontextmanager
async def in_time(budget: Budget) -> AsyncIterator[None]:
    """Run a block before the deadline; what goes wrong on the way comes out as an `AdapterError`."""
    try:
        async with port.in_time(budget.query, HEADROOM):
            yield
    except httpx.TimeoutException as error:
        raise AdapterDown("the source did not answer in time", cause=error) from error
    except httpx.RemoteProtocolError as error:
        raise AdapterDown("the source broke off its answer", cause=error) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        raise AdapterDown("the source cannot be reached", cause=error) from error


async def chunks(answer: httpx.Response, limit: int, budget: Budget) -> AsyncIterator[bytes]:
    """The body as it comes, counted. Raises `AdapterGarbage` at the first byte above a limit."""
    if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise AdapterGarbage("the source answered in an encoding that was not asked for")
    announced = answer.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise AdapterGarbage("the source sends more data than the limit allows")
    size = 0
    async for chunk in answer.aiter_raw():
        size += len(chunk)
        if size > limit:
            raise AdapterGarbage("the source sends more data than the limit allows")
        budget.spend(len(chunk))
        yield chunk


def refusal(answer: httpx.Response) -> AdapterError:
    """The error that a status other than 200 is."""
    status = answer.status_code
    cause = f"status {status}"
    if 300 <= status < 400:
        return AdapterGarbage("the source points to another address", cause=cause)
    if status in (401, 403):
        return AdapterRefused("the source does not let the gateway in", cause=cause)
    if status in (404, 410):
        return NotThere("the source does not have this", cause=cause)
    if status in (408, 425, 429) or status >= 500:
        return AdapterDown("the source is not available", cause=cause, retry_after=retry_after(answer))
    if status < 300:
        return AdapterGarbage("the source answered without content", cause=cause)
    return BadRequest("the source does not understand the question", cause=cause)


class BadRequest(AdapterGarbage):
    """Status 400 and the like: the source does not accept a parameter, a method or a format."""


def retry_after(answer: httpx.Response) -> int | None:
    """Seconds of a Retry-After header; a date or nonsense is None, more than a day is a day."""
    text = answer.headers.get("retry-after", "")
    return min(int(text), 86_400) if text.isascii() and text.isdigit() and len(text) < 10 else None


def read_kind(content_type: str | None, version: FhirVersion) -> str:
    """``json`` or ``xml``. Raises `AdapterGarbage` for anything else (HTML), or for another FHIR version."""
    main, *parameters = (content_type or "").lower().split(";")
    kinds = {
        "application/fhir+json": "json",
        "application/json+fhir": "json",
        "application/json": "json",
        "application/fhir+xml": "xml",
        "application/xml+fhir": "xml",
        "application/xml": "xml",
        "text/xml": "xml",
    }
    kind = kinds.get(main.strip())
    if kind is None:
        raise AdapterGarbage("the source answered something that is not FHIR", cause=f"content type {main.strip()!r}")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        said = value.strip().strip('"')
        if name.strip() == "fhirversion" and said and not version.number.startswith(said):
            raise AdapterGarbage("the source speaks another FHIR version", cause=f"fhirVersion {said}")
    return kind


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname or "", port or {"https": 443}.get(parts.scheme, 80)


def under(url: str, base: str) -> bool:
    """Whether a URL of the same origin is the base (with a query) or below it, without tricks in its path."""
    path, root = urlsplit(url).path, urlsplit(base).path
    steps = path.lower().replace("%2e", ".").replace("%2f", "/").split("/")
    return ".." not in steps and "@" not in urlsplit(url).netloc and (path == root or path.startswith(f"{root}/"))
