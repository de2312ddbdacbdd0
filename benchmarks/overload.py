"""What becomes of a gateway of which five times as much is asked as it can do, and how soon it is itself again.

    python -m benchmarks.overload [--persons N] [--seconds N] [--times N]

Capacity is what a closed loop of 24 connections gets, measured before. Then a second process asks a multiple of that,
whatever becomes of it, while a third asks for health and for a token every tenth of a second.
"""

import argparse
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.client import Call, run
from benchmarks.flood import Told
from benchmarks.frame import (
    Bench,
    Figure,
    cpu_seconds,
    finish,
    free_port,
    gateway,
    machine,
    options,
    python,
    quantile,
    server,
)  # fmt: skip
from benchmarks.population import Population
from benchmarks.reads import prepare, searches, token

ABREAST = 24
WIDE_OPEN = {"PERSON_PER_SECOND": "0", "CLIENT_PER_SECOND": "0"}
"""The limits per client and person are not what is measured: a few hundred persons ask here for a whole hospital."""


def flooded(port: int, calls: Sequence[Call], rate: float, seconds: float, folder: Path) -> list[Told]:
    """The flood from a process of its own."""
    file = folder / "calls.json"
    file.write_text(json.dumps([(call.path, call.token) for call in calls]), "utf-8")
    made = subprocess.run(
        python("benchmarks.flood", str(port), str(rate), str(seconds), str(file)),
        cwd=Path(__file__).resolve().parents[1], capture_output=True, check=True,
    )  # fmt: skip
    return [Told(**json.loads(line)) for line in made.stdout.splitlines()]


class Watch:
    """Somebody who asks for health, and for a token with a code that nobody gave, ten times a second."""

    def __init__(self, port: int) -> None:
        self.took: list[float] = []
        self.wrong: list[str] = []
        self._base = f"http://127.0.0.1:{port}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        form = {"grant_type": "authorization_code", "code": "x" * 40, "redirect_uri": "https://pgo.demo.example/cb"}
        with httpx.Client(base_url=self._base, timeout=20) as web:
            while not self._over.wait(0.1):
                for ask, expected in (
                    (lambda: web.get("/health/live"), 200),
                    (lambda: web.post("/oauth/token", data={**form, "client_id": "pgo.demo.example"}), 400),
                ):
                    begun = time.perf_counter()
                    status = ask().status_code
                    self.took.append(time.perf_counter() - begun)
                    if status != expected:
                        self.wrong.append(str(status))


@dataclass(frozen=True, slots=True)
class Flooded:
    """What was seen: capacity before and after, processor time of a search, and what became of the flood."""

    able: float
    apiece: float
    told: Sequence[Told]
    spent: float
    watch: Watch
    again: float
    said: str

    def with_status(self, status: int) -> list[Told]:
        """The requests that got this."""
        return [one for one in self.told if one.status == status]

    @property
    def thrift(self) -> float:
        """What was served well per processor second, beside the same of the closed loop before the flood."""
        return len(self.with_status(200)) / self.spent * self.apiece / 1e6


def measure(url: str, people: Sequence[int], seconds: int, times: float, folder: Path) -> Flooded:
    """Run a gateway on a prepared store, flood it and look at it again."""
    calls = [Call(path, token(one)) for one in people for path in searches()]
    port, log = free_port(), folder / "gateway.log"
    environment = {"GATEWAY_MODE": "test", "GATEWAY_DATABASE_URL": url}
    environment |= {f"GATEWAY_OVERLOAD__{name}": value for name, value in WIDE_OPEN.items()}
    environment |= {"GATEWAY_CONNECTIONS__PER_ADDRESS": "3000"}
    with server(gateway("serve", "--port", str(port)), port, environment, log) as pid:
        able, apiece = _capacity(pid, port, calls)
        before = cpu_seconds(pid)
        with Watch(port) as watch:
            told = flooded(port, calls, able * times, seconds, folder)
        spent = cpu_seconds(pid) - before
        again, _ = _capacity(pid, port, calls)
    return Flooded(able, apiece, told, spent, watch, again, log.read_text("utf-8"))


def overload(asked: argparse.Namespace, folder: Path) -> Bench:
    """The whole benchmark."""
    url = asked.database or f"sqlite:///{folder}/overload.db"
    visitors = min(asked.visitors, asked.persons)
    count = prepare(url, Population(asked.persons, asked.seed, asked.fullness), visitors)
    bench = Bench("overload", f"{asked.persons:,} persons, {count:,} resources, {visitors} in turn", machine(url))
    seen = measure(url, range(visitors), asked.seconds, asked.times, folder)
    good, refused = seen.with_status(200), seen.with_status(503)
    lost = len(seen.told) - len(good) - len(refused)
    note = f"offered {len(seen.told) / asked.seconds:,.0f}/s for {asked.seconds} s"
    wrong = f"of {len(seen.watch.took)}, not as usual: {len(seen.watch.wrong)}"
    bench.add(Figure("capacity", seen.able, "/s", note=f"{seen.apiece:,.0f} us of processor time per search"))
    bench.add(Figure("served well", len(good) / asked.seconds, "/s", note=note))
    bench.add(Figure("served well, share of capacity", len(good) / asked.seconds / seen.able * 100, "%"))
    bench.add(Figure("the same per processor second", seen.thrift * 100, "%"))
    bench.add(Figure("neither answered nor refused", lost, "requests"))
    bench.add(Figure("served: p95", quantile([one.took for one in good], 0.95) * 1e3, "ms"))
    bench.add(Figure("refused: p95", quantile([one.took for one in refused] or [0.0], 0.95) * 1e3, "ms"))
    bench.add(Figure("health and token: p99", quantile(seen.watch.took, 0.99) * 1e3, "ms", note=wrong))
    bench.add(Figure("capacity right after", seen.again, "/s"))
    return bench


def _capacity(pid: int, port: int, calls: Sequence[Call]) -> tuple[float, float]:
    """Searches per second of a closed loop, and microseconds of processor time for each."""
    chosen = calls[: min(len(calls), 3_000)]
    run(port, ABREAST, [chosen[:200]])
    before, begun = cpu_seconds(pid), time.perf_counter()
    run(port, ABREAST, [chosen])
    took, spent = time.perf_counter() - begun, cpu_seconds(pid) - before
    return len(chosen) / took, spent / len(chosen) * 1e6


def main() -> None:
    """Entry point."""
    parser = options(__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long the flood lasts")
    parser.add_argument("--times", type=float, default=5.0, help="how many times the capacity is asked")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish([overload(asked, Path(folder))], asked.json)


if __name__ == "__main__":
    main()
