"""FHIR servers that are not ours, for the adapter tests: fetched once (a small package), run on the loopback interface.

They are put into ``GATEWAY_FOREIGN`` (default: the user's cache folder); .ci/run fetches them beforehand.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import free_port

from profiles.fhir.codec import jsonio

ROOT = Path(os.environ.get("GATEWAY_FOREIGN", Path.home() / ".cache" / "medmij-gateway" / "foreign"))
SNAKE = "fhirsnake==1.1.0"
NODE = "@asymmetrik/node-fhir-server-core@2.2.5"
NODE_SERVER = Path(__file__).parent / "foreign_node" / "server.js"


def fetched(package: str) -> Path:
    """The folder of a package without its dependencies: they are ours too."""
    folder = ROOT / package.replace("==", "-")
    if not (folder / package.split("==", maxsplit=1)[0]).is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), package]
        subprocess.run(command, check=True, timeout=120)
    return folder / package.split("==", maxsplit=1)[0]


@contextmanager
def snake(resources: Iterable[dict[str, Any]], folder: Path) -> Iterator[str]:
    """A fhirsnake server that holds these resources; gives its base URL."""
    app = fetched(SNAKE)
    for resource in resources:
        place = folder / "resources" / resource["resourceType"]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{resource['id']}.json").write_bytes(jsonio.dump(resource))
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "uvicorn", "--app-dir", str(app), "--port", str(port), "main:app"]
    with _running(command, folder, f"http://127.0.0.1:{port}/"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def node(resources: Iterable[dict[str, Any]], folder: Path) -> Iterator[str]:
    """A node-fhir-server-core server (STU3) that holds these resources; gives its base URL."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are needed for this foreign FHIR server")
    modules = ROOT / "node-fhir-server-core-2.2.5"
    if not (modules / "node_modules" / "@asymmetrik").is_dir():
        modules.mkdir(parents=True, exist_ok=True)
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
        command = ["npm", "install", "--prefix", str(modules), *quiet, NODE]
        subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL)
    file = folder / "resources.json"
    file.write_bytes(jsonio.dump(list(resources)))
    port = free_port()
    command = ["node", str(NODE_SERVER), str(modules), str(file), str(port), "3_0_1"]
    with _running(command, folder, f"http://127.0.0.1:{port}/3_0_1/metadata"):
        yield f"http://127.0.0.1:{port}/3_0_1"


@contextmanager
def _running(command: list[str], folder: Path, url: str) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(url, process)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        try:
            httpx.get(url, timeout=1)
        except httpx.HTTPError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the foreign FHIR server did not start")
