"""What a BgZ search costs, beside a static route that sends the same bytes.

Starts two servers (uvicorn, one process each): the gateway with the demo world, and a Starlette application with one
route that returns the gateway's own answer from memory. Both get the same number of requests over the same number of
keep-alive connections; the CPU time of each server process is read from the operating system before and after.

    python benchmarks/read_path.py [--requests 4000] [--connections 16]

Prints CPU per request of both and their ratio (static / gateway): 1.0 would mean that token, restriction, search,
assembly and durable audit cost nothing.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from gateway.cli.db import upgrade
from gateway.settings import load as settings
from gateway.store.engine import open_engine
from workbench.demo.seed import seed

TOKEN = "benchmark-token-0123456789abcdef"  # a test token, made for this run only
PROVIDER, BSN = "ziekenhuiszandoord", "999951750"
LAB = "category=http://snomed.info/sct|275711006&_include=Observation:related-target&_include=Observation:specimen"
QUERIES = ("Condition", f"Observation/$lastn?{LAB}", "Patient?_include=Patient:general-practitioner")

STATIC = """
import sys, pathlib, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
body = pathlib.Path(sys.argv[1]).read_bytes()
async def page(request):
    return Response(body, media_type="application/fhir+json")
app = Starlette(routes=[Route("/{path:path}", page)])
uvicorn.run(app, port=int(sys.argv[2]), log_level="error", access_log=False)
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> tuple[int, bytes]:
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Accept: application/fhir+json\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return status, await reader.readexactly(length)


async def load(port: int, path: str, requests: int, connections: int) -> bytes:
    left = iter(range(requests))
    last = b""

    async def client() -> None:
        nonlocal last
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            status, last = await request(reader, writer, path)
            if status != 200:
                raise SystemExit(f"status {status}: {last[:200]!r}")
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return last


def wait_for(port: int) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("the server did not start")


def measured(pid: int, port: int, path: str, requests: int, connections: int) -> tuple[float, float]:
    asyncio.run(load(port, path, requests // 10, connections))
    cpu, wall = cpu_seconds(pid), time.perf_counter()
    asyncio.run(load(port, path, requests, connections))
    return (cpu_seconds(pid) - cpu) / requests * 1e6, requests / (time.perf_counter() - wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--database", help="database URL; left out: a fresh SQLite file")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), chosen)


def fill(url: str) -> None:
    """Put the demo world into the store, all of it: this is about what was pushed, not about live sources."""
    engine = open_engine(url)
    upgrade(engine)
    seed(engine, settings(), datetime.now(UTC).date())
    engine.dispose()


def compare(folder: Path, chosen: argparse.Namespace) -> None:
    gateway = str(Path(sys.executable).parent / "gateway")
    url = chosen.database or f"sqlite:///{folder}/gateway.db"
    environment = {**os.environ, "GATEWAY_MODE": "test", "GATEWAY_DATABASE_URL": url}
    port, static_port = free_port(), free_port()
    (folder / "tokens.json").write_text(
        json.dumps([{"token": TOKEN, "provider": PROVIDER, "services": ["48"], "bsn": BSN}])
    )
    fill(url)
    server = subprocess.Popen([gateway, "serve", "--port", str(port)], env=environment, cwd=folder,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    static = None
    try:
        wait_for(port)
        subprocess.run([gateway, "tokens", "load", "tokens.json"], env=environment, cwd=folder, check=True)
        for query in QUERIES:
            path = f"/{PROVIDER}/48/fhir/{query}"
            body = asyncio.run(load(port, path, 1, 1))
            (folder / "body").write_bytes(body)
            static = subprocess.Popen([sys.executable, "-c", STATIC, str(folder / "body"), str(static_port)])
            wait_for(static_port)
            ours, ours_rate = measured(server.pid, port, path, chosen.requests, chosen.connections)
            base, base_rate = measured(static.pid, static_port, "/x", chosen.requests, chosen.connections)
            static.terminate()
            static.wait()
            print(f"{query[:60]:60} {len(body):7} bytes  gateway {ours:6.0f} us CPU {ours_rate:6.0f}/s   "
                  f"static {base:5.0f} us CPU {base_rate:6.0f}/s   ratio {base / ours:.2f}", flush=True)  # fmt: skip
    finally:
        for process in (server, static):
            if process is not None:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
