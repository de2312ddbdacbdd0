"""The token endpoint under fifty parallel clients, over real sockets (CT-105, TOKEN-14, SLA-01)."""

import statistics
import threading
import time

import anyio
import httpx
import pytest
import uvicorn
from servers import free_port
from sqlalchemy import Engine
from world.auth_house import D, House

from auth.crypto import digest, new_token
from auth.ports import Peer

pytestmark = pytest.mark.anyio

CLIENTS, CALLS = 50, 4


@pytest.fixture
def served(engine: Engine) -> House:
    house = House(engine, client_authentication="asserted")
    house.peer = Peer(None)
    return house


async def _codes(house: House, count: int) -> list[str]:
    """One visit, and as many codes of its consent as are needed."""
    pgo, parts = house.pgo(), house.auth.parts
    first = parts.store.spend_code(digest(await pgo.code()), 1).code
    assert first is not None
    drawn = [new_token() for _ in range(count)]
    for one in drawn:
        assert parts.store.add_code(digest(one), first)
    return drawn


def serve(house: House) -> tuple[uvicorn.Server, threading.Thread, int]:
    """The application on a free port, in a thread of its own, ready for calls."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(house.app, port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    return server, thread, port


async def test_ct_105_fifty_clients(served: House) -> None:
    """CT-105: every answer is a token, p99 stays far below ten seconds."""
    pgo = served.pgo()
    codes = await _codes(served, CLIENTS * CALLS)
    server, thread, port = serve(served)
    taken: list[float] = []

    async def client(caller: httpx.AsyncClient, mine: list[str]) -> None:
        for code in mine:
            form = {
                "grant_type": "authorization_code", "code": code, "client_id": D, "redirect_uri": pgo.redirect_uri,
            }  # fmt: skip
            started = time.perf_counter()
            answer = await caller.post("/oauth/token", data=form)
            taken.append(time.perf_counter() - started)
            assert answer.status_code == 200, answer.text

    try:
        pool = httpx.AsyncHTTPTransport(verify=False, limits=httpx.Limits(max_connections=CLIENTS))
        async with (
            httpx.AsyncClient(transport=pool, base_url=f"http://127.0.0.1:{port}", timeout=30) as caller,
            anyio.create_task_group() as group,
        ):
            for number in range(CLIENTS):
                group.start_soon(client, caller, codes[number::CLIENTS])
    finally:
        server.should_exit = True
        thread.join(10)
    assert len(taken) == CLIENTS * CALLS
    assert statistics.quantiles(taken, n=100)[98] < 10
