"""An answer that is not sent gives back what it holds: a PACS has a bounded number of connections."""

import asyncio
from collections.abc import AsyncIterator

from gateway.http.reply import Reply, Stream, discard


class Held:
    """A body behind which something is open."""

    def __init__(self) -> None:
        self.open = True

    async def pieces(self) -> AsyncIterator[bytes]:
        yield b"never sent"

    async def close(self) -> None:
        self.open = False


def test_what_is_not_sent_is_closed() -> None:
    held = Held()
    asyncio.run(discard(Reply(200, Stream(None, held.pieces, held.close), "application/dicom")))
    assert not held.open


def test_an_answer_of_bytes_or_of_the_store_has_nothing_to_give_back() -> None:
    asyncio.run(discard(Reply(200, b"{}", "application/fhir+json")))
    asyncio.run(discard(Reply(200, Stream(4, Held().pieces), "application/pdf")))
