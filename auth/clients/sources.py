"""Where lists come from: a folder (tests, demo) or the node of the registration, over mutual TLS.

Sources: LIST-01, LIST-04. A source gives bytes; whether they are a list is decided elsewhere.
"""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import httpx

from auth.clients.model import ListKind
from auth.clients.parse import SIZE_LIMITS
from auth.peer.certificates import CertificateRefused


class FetchError(Exception):
    """The source did not deliver; the text is fit for an operator."""


class ListSource(Protocol):
    """Delivers the documents of the lists."""

    @property
    def name(self) -> str:
        """Which source this is; a copy on disk belongs to the source of that name."""

    async def fetch(self, kind: ListKind) -> bytes:
        """The document as published now. Raises FetchError."""


class FilesSource:
    """A folder with the lists, under our names (`whitelist.xml`) or the framework's (`MedMij_Whitelist.xml`)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        """The folder."""
        return f"files {self._folder}"

    async def fetch(self, kind: ListKind) -> bytes:
        """The file's content. Raises FetchError when it is absent, unreadable or too large."""
        return await asyncio.to_thread(self._read, kind)

    def _read(self, kind: ListKind) -> bytes:
        path = self._folder / kind.short_name
        if not path.exists():
            path = self._folder / kind.file_name
        try:
            if path.stat().st_size > SIZE_LIMITS[kind]:
                raise FetchError(f"{path.name} is too large")
            return path.read_bytes()
        except OSError as error:
            raise FetchError(f"{kind.short_name} cannot be read: {error.strerror}") from error


class NodeSource:
    """The node of the registration (stelselnode).

    Takes the publication address, the value of `api` (VER-03), a function that builds the TLS context with our own
    client certificate (called for each document, so that a renewed certificate is used at once), a check of the
    node's certificate beyond the handshake (revocation, TLS-09) that raises CertificateRefused, and the longest time
    for one document. Redirects, compressed answers and proxies from the environment are not followed.
    """

    def __init__(
        self,
        url: str,
        api: str,
        context: Callable[[], ssl.SSLContext],
        *,
        check_server: Callable[[bytes, str], None] = lambda der, host: None,
        timeout_seconds: float = 30.0,
    ) -> None:
        self._url = url.rstrip("/") + "/"
        self._api = api
        self._context = context
        self._check_server = check_server
        self._timeout = timeout_seconds

    @property
    def name(self) -> str:
        """The address with its api number."""
        return f"{self._url}?api={self._api}"

    async def fetch(self, kind: ListKind) -> bytes:
        """The document. Raises FetchError on any fault of network, TLS, status, size or time."""
        try:
            async with asyncio.timeout(self._timeout), self._client() as client:
                return await self._download(client, kind)
        except TimeoutError:
            raise FetchError(f"no complete answer within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise FetchError(f"{type(error).__name__}: {str(error)[:200]}") from error

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=self._context(),
            trust_env=False,
            follow_redirects=False,
            timeout=self._timeout,
            headers={"Accept": "application/xml, text/xml", "Accept-Encoding": "identity"},
        )

    async def _download(self, client: httpx.AsyncClient, kind: ListKind) -> bytes:
        data = bytearray()
        async with client.stream("GET", self._url + kind.file_name, params={"api": self._api}) as response:
            self._check(response)
            if response.status_code != httpx.codes.OK:
                raise FetchError(f"status {response.status_code}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise FetchError("the answer is compressed, which was not asked for")
            async for chunk in response.aiter_raw():
                data += chunk
                if len(data) > SIZE_LIMITS[kind]:
                    raise FetchError("the answer is too large")
        return bytes(data)

    def _check(self, response: httpx.Response) -> None:
        secured: ssl.SSLObject | None = response.extensions["network_stream"].get_extra_info("ssl_object")
        der = secured.getpeercert(binary_form=True) if secured else None
        if der is None:
            raise FetchError("the connection is not TLS")
        try:
            self._check_server(der, response.url.host)
        except CertificateRefused as error:
            raise FetchError(f"the node's certificate: {error}") from None
