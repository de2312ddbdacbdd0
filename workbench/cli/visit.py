"""gateway demo visit: a PGO visit in the terminal, against a gateway of its own or a running one."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import click
import httpx

from gateway.cli.context import console, fail
from workbench.demo.ehr.division import LIVE
from workbench.demo.ehr.switches import Switch
from workbench.demo.visit import run
from workbench.demo.world import World, load
from workbench.pgo.endpoints import GatewayEndpoints

READY_SECONDS = 240
"""Twenty times what it takes: a busy machine is waited for, and a process that ended is seen at once."""


@click.command()
@click.option("--base-url", help="A demo gateway that runs; without it one is started for this visit.")
@click.option("--provider", default="ziekenhuiszandoord", show_default=True, help="MedMij name of the care provider.")
@click.option("--person", help="Name of the person who visits; default: the first patient of the provider.")
@click.option(
    "--fault",
    type=click.Choice([one.value for one in Switch]),
    help="What goes wrong with the provider's live source after consent; see /demo-ehr/.",
)
def visit(base_url: str | None, provider: str, person: str | None, fault: str | None) -> None:
    """Authorize, log in, consent, collect everything, print it. Ends with 0 when every search was answered."""
    who = _person(load(datetime.now(UTC).date()), provider, person)
    wrong = (_source(provider), fault) if fault else None
    if base_url is not None:
        raise SystemExit(run(_endpoints(base_url.rstrip("/")), provider, who, console, wrong))
    with started() as own:
        code = run(_endpoints(own), provider, who, console, wrong)
    raise SystemExit(code)


def _source(provider: str) -> str:
    if provider not in LIVE:
        fail(f"{provider} has no live source in the demo; {', '.join(LIVE)} have")
    return LIVE[provider]


def _endpoints(base_url: str) -> GatewayEndpoints:
    return GatewayEndpoints(base_url, f"{base_url}/demo-pgo/callback")


def _person(world: World, provider: str, name: str | None) -> str:
    patients = world.patients_of(provider)
    if not patients:
        fail(f"unknown provider {provider}; known are {', '.join(one.name for one in world.providers)}")
    found = [one.name for one in patients if name is None or one.name.lower().startswith(name.lower())]
    if not found:
        fail(f"unknown person {name}; known are {', '.join(one.name for one in patients)}")
    return found[0]


@contextmanager
def started(port: int = 0, settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    """A demo gateway in a process of its own, with a store that is thrown away; gives its base URL.

    ``port`` is where it listens, 0 for any that is free; ``settings`` are environment variables for it alone.
    Ends the command when it does not become ready.
    """
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as folder:
        port = port or _free_port()
        own = {"GATEWAY_DATABASE_URL": f"sqlite:///{folder}/demo.db", "GATEWAY_MODE": "test", **settings}
        environment = {**os.environ, **own}
        start = "from gateway.cli.main import main; main()"
        command = [sys.executable, "-c", start, "demo", "serve", "--port", str(port)]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait(process, f"http://127.0.0.1:{port}", Path(folder, "log"))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(process: "subprocess.Popen[bytes]", base_url: str, log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    with console.status("De demo start…"):
        while time.monotonic() < until and process.poll() is None:
            try:
                if httpx.get(f"{base_url}/health/ready", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
    fail("the demo gateway did not start:\n" + log.read_text("utf-8", "replace")[-2000:])
