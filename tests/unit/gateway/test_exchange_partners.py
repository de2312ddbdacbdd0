"""Calling another institution: an answer that drips or does not end is an answer that is not there."""

import asyncio
import time
from collections.abc import Callable

import httpx
import pytest
from servers import free_port

from gateway.exchange.partners import PartnerAnswer, asked, call
from gateway.exchange.trust import PartnerFault

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\nconnection: close\r\n\r\n"
Answering = Callable[[asyncio.StreamWriter], "asyncio.Future[None]"]


async def _drip(writer: asyncio.StreamWriter) -> None:
    """A byte every now and then, for ever: no single read waits long."""
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _flood(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


def called(answering: object, **options: float) -> tuple[PartnerAnswer | PartnerFault, float]:
    """What a call of a server that answers so comes to, and how long it took."""

    async def go() -> PartnerAnswer | PartnerFault:
        port = free_port()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(HEAD)
                await answering(writer)  # type: ignore[operator]
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", port)
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            try:
                return await call(client, "GET", f"http://127.0.0.1:{port}/fhir", {}, **options)  # type: ignore[arg-type]
            except PartnerFault as fault:
                return fault
            finally:
                server.close()

    start = time.monotonic()
    return asyncio.run(go()), time.monotonic() - start


def test_an_answer_that_drips_ends_in_time() -> None:
    """The time is that of the whole answer, not of one piece; it may be tried again."""
    fault, took = called(_drip, seconds=0.3)
    assert isinstance(fault, PartnerFault)
    assert (fault.later, took < 5) == (True, True)
    assert "not there after" in fault.text


def test_an_answer_without_end_is_cut() -> None:
    """More bytes than were agreed: nothing is kept of it, and trying again does not help."""
    fault, _ = called(_flood, most=200_000)
    assert isinstance(fault, PartnerFault)
    assert not fault.later
    assert "longer than 200000 bytes" in fault.text


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://[broken/x"])
def test_who_cannot_be_reached_is_told_so(url: str) -> None:
    async def go() -> None:
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            await asked(client, "GET", url, {})

    with pytest.raises(PartnerFault) as caught:
        asyncio.run(go())
    assert caught.value.later
