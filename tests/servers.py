"""A running gateway for tests: the real application on a real socket, in a thread of this process."""

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import uvicorn
from pydantic import BaseModel
from timing import START

from gateway.app import create_app
from gateway.cli.db import upgrade
from gateway.settings import Settings, load
from gateway.store.engine import open_engine
from workbench.demo.seed import seed
from workbench.plugin import workbench


@dataclass(frozen=True)
class Running:
    """A gateway that serves: its address and its settings."""

    base: str
    settings: Settings


def free_port() -> int:
    """A port of the loopback interface that nobody uses now.

    Below those that the system gives to outgoing connections: one of these could take it before the server does.
    """
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as found:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


PATIENCE = {"audit_seconds": 20, "database_seconds": 20}
"""A machine that tests run on may stand still for longer than a hospital's may; how long is tested where it matters."""


def settings_for(url: str, port: int, **overrides: Any) -> Settings:
    """Test mode on this database and port, with the patience of a test."""
    settings = load()
    settings = settings.model_copy(update={"limits": settings.limits.model_copy(update=PATIENCE)})
    listen = settings.listen.model_copy(update={"port": port})
    # A section given as a table changes only the values in it.
    update = {}
    for name, value in overrides.items():
        now = getattr(settings, name)
        update[name] = now.model_copy(update=value) if isinstance(now, BaseModel) and isinstance(value, dict) else value
    return settings.model_copy(update={"database_url": url, "listen": listen, **update})


@contextmanager
def serving(url: str, *, world: bool = True, visits: bool = False, **overrides: Any) -> Iterator[Running]:
    """Migrate, load the demo world when asked (``visits``: with its PGO), and serve until the block ends."""
    settings = settings_for(url, free_port(), **overrides)
    engine = open_engine(url)
    upgrade(engine)
    if world:
        seed(engine, settings, datetime.now(UTC).date())
    engine.dispose()
    config = uvicorn.Config(
        create_app(settings, workbench=workbench, demo=visits),
        host="127.0.0.1",
        port=settings.listen.port,
        log_config=None,
        access_log=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + START
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the gateway did not start")
        time.sleep(0.02)
    try:
        yield Running(settings.base_url, settings)
    finally:
        server.should_exit = True
        thread.join(20)
