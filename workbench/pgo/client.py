"""The client of a PGO: tokens, every search of a grant, pages and documents, at a gateway of ours or any other DVA.

There is one: ``gateway pgo``, the visit in the terminal, the pages of the demo PGO and the flow tests all use it.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import httpx

from profiles.fhir.version import FhirVersion
from workbench.pgo.answers import SearchAnswer, next_page, origins_of, read
from workbench.pgo.endpoints import Dva, EndpointError
from workbench.pgo.oauth import (
    CORRELATION_ID,
    REQUEST_ID,
    PendingAuthorization,
    PgoError,
    TokenAnswer,
    Tokens,
    code_of,
)
from workbench.pgo.searches import SearchRequest, accept, first_searches, granted_rows, later_searches, waiting_rows
from workbench.pgo.sharing import ShareAnswer, share

AT_ONCE = 32
"""Searches under way at the same time."""

WHOLE = 65.0
"""Seconds that an answer may take: a little more than a DVA may take (RES-02)."""

NO_PAGE = "Een deel ontbreekt: een volgende pagina kwam niet."


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a PGO waits, and what it does then.

    ``whole`` is what one answer may take, in seconds; ``first_byte`` what may pass
    before it begins. A search without an answer in time is asked again ``repeats`` times; a token request never is, its
    code being good for once. ``pages`` is how many pages of an answer are read.
    """

    whole: float = WHOLE
    first_byte: float | None = None
    repeats: int = 0
    pages: int = 1


FIRST_BYTE = 5.0
"""Seconds after which the national client gives up on an answer that has not begun (SC-P5)."""

NATIONAL = Patience(whole=10.0, first_byte=FIRST_BYTE, repeats=1)
"""As the ministry's client was measured: it asks once more, and its front end stops at ten seconds (SC-P5)."""

Progress = Callable[[SearchAnswer, int], None]
"""Called after every search, with the number of searches that the visit is known to have."""


def tls(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Whom to trust, and who we are. Raises EndpointError when a file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise EndpointError(f"certificate files: {error}") from error
    return context


def connect(
    context: ssl.SSLContext | bool = True,
    *,
    timeout: float = WHOLE,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """An HTTP client with this identity: no redirects, no proxies, room for all searches at once."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
    return httpx.AsyncClient(verify=context, timeout=timeout, transport=transport, limits=limits, trust_env=False)


class PgoClient:
    """A PGO at one DVA. ``http`` carries our identity and must not follow redirects (see ``connect``)."""

    def __init__(self, http: httpx.AsyncClient, dva: Dva, patience: Patience = NATIONAL) -> None:
        self._http = http
        self._dva = dva
        self._patience = patience

    @property
    def dva(self) -> Dva:
        """Where this client goes."""
        return self._dva

    async def exchange(self, asked: PendingAuthorization, code: str) -> TokenAnswer:
        """Offer the code over the back channel (TOKEN-01, TOKEN-02, TOKEN-03). Raises httpx.HTTPError."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self._dva.client_id,
            "redirect_uri": self._dva.redirect_uri,
        }
        return await self._post(self._dva.token_url, form, asked.correlation)

    async def redeem(self, asked: PendingAuthorization, answer: Mapping[str, str]) -> Tokens:
        """The redirect that came back against tokens. Raises PgoError."""
        code = code_of(asked, answer)
        try:
            given = await self.exchange(asked, code)
        except httpx.HTTPError as error:
            raise PgoError("De zorgaanbieder gaf geen leesbaar antwoord.", "unreachable") from error
        if not given.given:
            raise PgoError("Het ophalen is niet gelukt: de toegang werd geweigerd.", str(given.body.get("error", "")))
        return given.tokens(asked.provider)

    async def refresh(self, refresh_token: str) -> TokenAnswer:
        """New tokens without the person (TOKEN-04, LTC-11). Raises httpx.HTTPError."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": self._dva.client_id}
        return await self._post(self._dva.token_url, form, str(uuid4()))

    async def revoke(self, url: str, token: str, hint: str = "") -> TokenAnswer:
        """End the grant of a token at the revocation endpoint (LTC-08). Raises httpx.HTTPError."""
        form = {"token": token, "client_id": self._dva.client_id} | ({"token_type_hint": hint} if hint else {})
        return await self._post(url, form, str(uuid4()))

    async def share(self, tokens: Tokens, service: str, body: bytes, version: FhirVersion) -> ShareAnswer:
        """Send a Bundle. Raises httpx.HTTPError and EndpointError."""
        return await share(self._http, self._dva, tokens, service, body, version)

    async def collect(
        self, tokens: Tokens, progress: Progress = lambda _answer, _total: None
    ) -> tuple[SearchAnswer, ...]:
        """Send every search of the granted services and wait for all answers, in the order of the standards' rows.

        Failures become answers with a problem; nothing is raised for them. Raises EndpointError.
        """
        gate = asyncio.Semaphore(AT_ONCE)
        first = first_searches(self._dva, tokens)
        total = len(first) + len(waiting_rows(tokens))

        async def one(search: SearchRequest) -> SearchAnswer:
            async with gate:
                answer = await self.search(search, tokens)
            progress(answer, total)
            return answer

        answers = list(await asyncio.gather(*map(one, first)))
        later = later_searches(self._dva, tokens, _episodes(answers))
        total = len(first) + len(later)
        answers += await asyncio.gather(*map(one, later))
        order = {id(row.rule): place for place, row in enumerate(granted_rows(tokens))}
        return tuple(sorted(answers, key=lambda answer: order[id(answer.search.rule)]))

    async def search(self, search: SearchRequest, tokens: Tokens) -> SearchAnswer:
        """One search, with as many of its pages as our patience reads. Nothing is raised for what goes wrong."""
        start = time.perf_counter()
        try:
            response, tries = await self._asked(search.url, tokens, accept(search.standard))
        except httpx.HTTPError as error:
            name = type(error).__name__
            return SearchAnswer(search, 0, _since(start), (), (), (f"Geen antwoord ({name}).",), b"", failure=name)
        answer = replace(_answer(search, response, _since(start)), tries=tries)
        return await self._with_more(answer, tokens) if self._patience.pages > 1 else answer

    async def read(self, url: str, tokens: Tokens, media: str) -> httpx.Response | None:
        """One more GET with the visit's token; None when it gives nothing, for one because the token has ended."""
        try:
            response, _ = await self._asked(url, tokens, media)
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        return response if response.status_code == 200 else None

    async def document(self, tokens: Tokens, service: str, binary: str) -> bytes | None:
        """A PDF by the id of its Binary, as the data service has it; None when it does not come."""
        url = f"{self._dva.resource(tokens.provider, service)}/Binary/{quote(binary, safe='')}"
        response = await self.read(url, tokens, "application/pdf")
        if response is None or not response.headers.get("content-type", "").startswith("application/pdf"):
            return None
        return response.content

    async def put(self, url: str, tokens: Tokens, body: bytes, media: str) -> httpx.Response:
        """Put a resource back. Raises httpx.HTTPError."""
        headers = {
            "Authorization": f"Bearer {tokens.access_token}", "Content-Type": media, "Accept": media,
            REQUEST_ID: str(uuid4()), CORRELATION_ID: tokens.correlation,
        }  # fmt: skip
        return await self._http.put(url, content=body, headers=headers)

    async def fetch(self, url: str, tokens: Tokens, media: str) -> httpx.Response:
        """One GET with the token and the ids that every request carries (RES-04, HDR-01). Raises httpx.HTTPError."""
        request = self._http.build_request(
            "GET",
            url,
            headers={
                "Authorization": f"Bearer {tokens.access_token}",
                "Accept": media,
                REQUEST_ID: str(uuid4()),
                CORRELATION_ID: tokens.correlation,
            },
            timeout=self._patience.whole,
        )
        try:
            async with asyncio.timeout(self._patience.whole):
                async with asyncio.timeout(self._patience.first_byte):
                    response = await self._http.send(request, stream=True)
                try:
                    await response.aread()
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise httpx.ReadTimeout("the answer did not come in time", request=request) from error
        return response

    async def _asked(self, url: str, tokens: Tokens, media: str) -> tuple[httpx.Response, int]:
        """The answer, and at which try it came."""
        for tries in range(1, self._patience.repeats + 1):
            try:
                return await self.fetch(url, tokens, media), tries
            except httpx.TransportError:
                continue
        return await self.fetch(url, tokens, media), self._patience.repeats + 1

    async def _with_more(self, answer: SearchAnswer, tokens: Tokens) -> SearchAnswer:
        """The answer and its further pages; one that does not come is a problem, and takes nothing away."""
        page = answer.raw
        for _ in range(self._patience.pages - 1):
            url = next_page(page, answer.search.url)
            if url is None:
                break
            response = await self.read(url, tokens, accept(answer.search.standard))
            if response is None:
                return replace(answer, problems=(*answer.problems, NO_PAGE))
            page = response.content
            matches, included, problems = read(page)
            answer = replace(
                answer,
                matches=(*answer.matches, *matches),
                included=(*answer.included, *included),
                problems=(*answer.problems, *problems),
                more=(*answer.more, page),
            )
        return answer

    async def _post(self, url: str, form: Mapping[str, str], correlation: str) -> TokenAnswer:
        """One call of the back channel with its two ids (HDR-01). Raises httpx.HTTPError."""
        headers = {REQUEST_ID: str(uuid4()), CORRELATION_ID: correlation, "Accept": "application/json"}
        response = await self._http.post(url, data=dict(form), headers=headers, timeout=self._patience.whole)
        try:
            body = response.json()
        except (ValueError, RecursionError):
            body = {}
        return TokenAnswer(response.status_code, response.headers, body if isinstance(body, dict) else {}, correlation)


def _answer(search: SearchRequest, response: httpx.Response, milliseconds: int) -> SearchAnswer:
    matches, included, problems = read(response.content)
    if response.status_code != 200 and not problems:
        problems = (f"De zorgaanbieder antwoordde met status {response.status_code}.",)
    origins = tuple(origins_of(response.headers.get("gateway-source", "")))
    media = response.headers.get("content-type", "")
    status, raw = response.status_code, response.content
    return SearchAnswer(search, status, milliseconds, matches, included, problems, raw, origins, media)


def _episodes(answers: Iterable[SearchAnswer]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for answer in answers:
        matches = (item for item in answer.matches if item["resourceType"] == "EpisodeOfCare" and "id" in item)
        found.setdefault(answer.search.service.id, []).extend(str(item["id"]) for item in matches)
    return found


def _since(start: float) -> int:
    return round((time.perf_counter() - start) * 1000)
