"""Documents: a Binary of the EHR, raw or as a FHIR resource, handed on as it comes."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any

import httpx

from adapters.content import decode, pieces
from adapters.fhir_http.wire import Budget, NotThere, Wire, chunks, in_time, read_kind
from adapters.port import AdapterDown, Content
from profiles.fhir.tree import Resource, local_reference


async def open_binary(
    wire: Wire, source: str, given: str, documents: Sequence[Resource], budget: Budget, fetched: datetime
) -> Content | None:
    """The content of ``Binary/given`` when one of the patient's documents points at it; None when not, or not there."""
    if ("Binary", given) not in set(pointed_at(documents)):
        return None
    try:
        answer = await wire.open(f"Binary/{given}", budget)
    except NotThere:
        return None
    kind = answer.headers.get("content-type", "application/octet-stream")
    if "fhir" not in kind.lower():
        length = answer.headers.get("content-length", "")
        body = raw(answer, wire.limits.content_bytes, budget)
        return Content(source, given, kind, body, fetched, int(length) if length.isdigit() else None)
    try:
        read_kind(kind, wire.version)
        async with in_time(budget):
            resource = await wire.parse(answer, budget)
    finally:
        await answer.aclose()
    data = decode(resource)
    return Content(source, given, str(resource.get("contentType", "")), pieces(data), fetched, len(data))


def pointed_at(documents: Iterable[Resource]) -> Iterable[tuple[str, str] | None]:
    """The type and id of everything that the attachments of documents point at."""
    for document in documents:
        for content in _list(document.get("content")):
            attachment = content.get("attachment") if isinstance(content, dict) else None
            url = attachment.get("url") if isinstance(attachment, dict) else None
            if isinstance(url, str):
                yield local_reference(url)


async def raw(answer: httpx.Response, limit: int, budget: Budget) -> AsyncIterator[bytes]:
    """The body of an answer, each piece in time; the answer is closed at the end, whatever the end is."""
    budget.bytes_left = max(budget.bytes_left, limit)
    body = chunks(answer, limit, budget)
    try:
        while True:
            try:
                piece = await asyncio.wait_for(anext(body), max(0.0, budget.seconds()))
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise AdapterDown("the source did not answer in time", cause=error) from error
            except httpx.HTTPError as error:
                raise AdapterDown("the source broke off its answer", cause=error) from error
            yield piece
    finally:
        await answer.aclose()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
