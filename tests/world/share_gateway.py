"""The gateway of the hospital in a process of its own, which can be killed and looked at."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from world.share_house import PROVIDER, SERVICES, ShareHouse

ROOT = Path(__file__).parents[2]
PATIENCE = 120
SERVE = """
import uvicorn
from gateway.app import create_app
from gateway.settings import load
from workbench.plugin import workbench
settings = load()
uvicorn.run(create_app(settings, workbench=workbench), host="127.0.0.1", port=settings.listen.port, log_config=None)
"""


def start(house: ShareHouse, port: int) -> "subprocess.Popen[bytes]":
    """The gateway in a process of its own, ready to answer."""
    providers = {PROVIDER: {"display_name": "Zandoord", "services": SERVICES}}
    environment = {
        **os.environ, "GATEWAY_DATABASE_URL": house.settings.database_url, "PYTHONPATH": str(ROOT),
        "GATEWAY_PROVIDERS": json.dumps(providers), "GATEWAY_LISTEN__PORT": str(port),
        "GATEWAY_SHARE__OPEN_ITEMS": "1000000", "GATEWAY_SHARE__BODY_SECONDS": "300",
        "GATEWAY_LIMITS__AUDIT_SECONDS": "30",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", SERVE], env=environment, cwd=ROOT)
    with httpx.Client(timeout=PATIENCE, trust_env=False, transport=httpx.HTTPTransport(retries=0)) as client:
        while process.poll() is None:
            try:
                if client.get(f"http://127.0.0.1:{port}/health/live").status_code == 200:
                    return process
            except httpx.TransportError:
                continue
    raise AssertionError("the gateway did not start")


@contextmanager
def started(house: ShareHouse, port: int) -> "Iterator[tuple[subprocess.Popen[bytes], str]]":
    """The process and its address, while the block runs."""
    process = start(house, port)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
