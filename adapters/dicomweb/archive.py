"""One PACS behind the gateway: asked by WADO-RS, answered piece by piece.

Nothing of an image is kept or looked into. What is asked, and whether a person may see it, is for the caller to settle.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from adapters.port import AdapterDown


class ImageArchiveSettings(BaseModel):
    """``providers.<name>.pacs``: where the WADO-RS service of the PACS is, and how long it may be silent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://", description="WADO-RS root of the PACS; /studies/... follows")
    token: SecretStr = Field(SecretStr(""), description="bearer token for the PACS; empty: none")
    seconds: float = Field(20, gt=0, le=300, description="longest silence of the PACS")
    connections: int = Field(20, ge=1, le=500, description="most connections at once")


@dataclass(frozen=True, slots=True)
class OpenedStudy:
    """An answer whose head is in. ``pieces`` may be read once; ``close`` ends it at any moment."""

    status: int
    media: str
    length: int | None
    response: httpx.Response

    async def pieces(self) -> AsyncIterator[bytes]:
        """The content as it arrives. A PACS that breaks off is an httpx.HTTPError."""
        try:
            async for piece in self.response.aiter_raw():
                yield piece
        finally:
            await self.response.aclose()

    async def close(self) -> None:
        """Read nothing more."""
        await self.response.aclose()


class ImageArchive:
    """The client of one PACS."""

    def __init__(self, settings: ImageArchiveSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._root = settings.url.rstrip("/")
        token = settings.token.get_secret_value()
        self._headers = {"accept-encoding": "identity", **({"authorization": f"Bearer {token}"} if token else {})}
        self._http = httpx.AsyncClient(
            transport=transport,
            timeout=settings.seconds,
            limits=httpx.Limits(max_connections=settings.connections),
            follow_redirects=False,
            trust_env=False,
        )

    async def open(self, path: str, accept: str) -> OpenedStudy:
        """Ask for ``studies/...``; the caller closes what is open. AdapterDown when the PACS cannot be reached."""
        request = self._http.build_request("GET", f"{self._root}/{path}", headers={**self._headers, "accept": accept})
        try:
            response = await self._http.send(request, stream=True)
        except httpx.HTTPError as fault:
            raise AdapterDown("the image archive cannot be reached", cause=fault) from fault
        stated = response.headers.get("content-length", "")
        length = int(stated) if stated.isdecimal() else None
        return OpenedStudy(response.status_code, response.headers.get("content-type", ""), length, response)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._http.aclose()
