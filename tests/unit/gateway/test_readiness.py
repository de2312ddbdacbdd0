"""Ready means: what a patient asks can be answered and recorded. No store or no lists, and no traffic should come."""

import asyncio
from pathlib import Path

import httpx
import pytest
from databases import KINDS, database
from fastapi import FastAPI

from gateway.cli.db import upgrade
from gateway.health import StoreGone, router, store_probe
from gateway.store.engine import open_engine


def asked(app: FastAPI) -> tuple[int, str]:
    async def ask() -> tuple[int, str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
            answer = await client.get("/health/ready")
            return answer.status_code, answer.json()["status"]

    return asyncio.run(ask())


@pytest.mark.parametrize("kind", KINDS)
def test_not_ready_while_there_are_no_lists_at_all(kind: str, tmp_path: Path) -> None:
    """LIST-02: without any list nobody is on the whitelist; as soon as there are lists, it is ready."""
    there: list[str] = []
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        app = FastAPI()
        app.include_router(router(store_probe(engine), listed=lambda: bool(there)))
        assert asked(app) == (503, "no lists")
        there.append("whitelist")
        assert asked(app) == (200, "ready")
        engine.dispose()


@pytest.mark.parametrize("way", ["removed", "replaced"])
def test_not_ready_when_the_file_of_the_store_is_gone_though_what_is_open_still_answers(
    way: str, tmp_path: Path
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/gateway.db")
    upgrade(engine)
    app = FastAPI()
    probe = store_probe(engine)
    app.include_router(router(probe))
    assert asked(app) == (200, "ready")
    (tmp_path / "gateway.db").rename(tmp_path / "elsewhere.db")
    if way == "replaced":
        other = open_engine(f"sqlite:///{tmp_path}/gateway.db")
        upgrade(other)
        other.dispose()
    assert asked(app) == (503, "store unavailable")
    with pytest.raises(StoreGone):
        probe()
    engine.dispose()
