"""What only shows in the long run: many starts, and a long time under a light load. At night."""

import http.client
import os
import threading
import time
from pathlib import Path

import pytest
from databases import database
from timing import START, until

from benchmarks.client import Call
from benchmarks.flood import Told
from benchmarks.frame import cpu_seconds, free_port, gateway, server
from benchmarks.overload import flooded
from benchmarks.population import Population
from benchmarks.reads import prepare, searches, token

STARTS = int(os.environ.get("GATEWAY_STARTS", "100"))
SOAK_SECONDS = int(os.environ.get("GATEWAY_SOAK_SECONDS", "600"))
PERSONS = 50


def ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.mark.nightly
def test_a_hundred_fresh_starts(tmp_path: Path) -> None:
    """Each is ready within 3 s of processor time; none hangs, none crashes."""
    spent = []
    with database("sqlite", tmp_path) as url:
        prepare(url, Population(1, 1, 0.1), 1)
        for _ in range(STARTS):
            port = free_port()
            environment = {"GATEWAY_MODE": "test", "GATEWAY_DATABASE_URL": url}
            with server(gateway("serve", "--port", str(port)), port, environment) as pid:
                assert until(lambda port=port: ready(port), START)  # type: ignore[misc]
                spent.append(cpu_seconds(pid))
    print(f"{STARTS} starts: median {sorted(spent)[len(spent) // 2]:.2f} s of processor time, most {max(spent):.2f} s")
    assert max(spent) < 3.0


def figures(pid: int) -> tuple[int, int]:
    """Resident memory in kB, and open descriptors."""
    status = Path(f"/proc/{pid}/status").read_text()
    memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return memory, len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.nightly
def test_ten_minutes_at_a_fifth_of_the_capacity(tmp_path: Path) -> None:
    """Memory and descriptors are flat."""
    seen: list[tuple[int, int]] = []
    told: list[Told] = []
    with database("sqlite", tmp_path) as url:
        prepare(url, Population(PERSONS, 1, 0.3), PERSONS)
        port = free_port()
        environment = {"GATEWAY_MODE": "test", "GATEWAY_DATABASE_URL": url, "GATEWAY_OVERLOAD__PERSON_PER_SECOND": "0"}
        environment["GATEWAY_CONNECTIONS__PER_ADDRESS"] = "3000"
        with server(gateway("serve", "--port", str(port)), port, environment) as pid:
            calls = [Call(path, token(one)) for one in range(PERSONS) for path in searches()]
            flooded(port, calls, 100, 20, tmp_path)  # what every process makes once
            load = threading.Thread(target=lambda: told.extend(flooded(port, calls, 100, SOAK_SECONDS, tmp_path)))
            load.start()
            end = time.monotonic() + SOAK_SECONDS
            while time.monotonic() < end:
                time.sleep(SOAK_SECONDS / 20)
                seen.append(figures(pid))
            load.join()
    print(f"{SOAK_SECONDS} s at 100/s, {PERSONS} persons: memory and descriptors {seen[0]}, ... {seen[-1]}")
    assert {one.status for one in told} == {200}
    third = len(seen) // 3
    early, late = seen[:third], seen[-third:]
    assert max(one[0] for one in late) < 1.1 * max(one[0] for one in early)
    assert max(one[1] for one in late) <= max(one[1] for one in early) + 10
