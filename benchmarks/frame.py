"""What all benchmarks share: the machine's name, servers with their processor time, ratios, a table, and options.

A figure says nothing without what it is compared with, over whom, and where. So each is a ratio against a baseline that
was measured in the same run, and each table says its population and its machine. Processor time counts, not the clock:
that of a server's own process, as the operating system keeps it.
"""

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from gateway.store.engine import open_engine


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing: ``cost`` per unit in ``unit``, ``baseline`` in the same unit, and what the baseline is."""

    name: str
    cost: float
    unit: str
    baseline: float | None = None
    against: str = ""
    note: str = ""

    @property
    def share(self) -> float | None:
        """Baseline divided by cost: 1.0 would be as cheap as the baseline."""
        return None if self.baseline is None or not self.cost else self.baseline / self.cost


@dataclass(slots=True)
class Bench:
    """The results of one run of one benchmark."""

    name: str
    population: str
    machine: str
    figures: list[Figure] = field(default_factory=list)

    def add(self, figure: Figure) -> None:
        """Keep and show a figure."""
        if not self.figures:
            print(f"\n{self.name}: {self.population}\n  on {self.machine}")
            print(f"  {'':52} {'cost':>12} {'baseline':>10} {'share':>7}")
        self.figures.append(figure)
        cost = f"{figure.cost:,.1f} {figure.unit}" if figure.cost < 1_000_000 else f"{figure.cost:,.0f} {figure.unit}"
        base = "" if figure.baseline is None else f"{figure.baseline:,.1f}"
        share = "" if figure.share is None else f"{figure.share:.3f}"
        tail = "  ".join(part for part in (figure.against and f"against {figure.against}", figure.note) if part)
        print(f"  {figure.name[:52]:52} {cost:>12} {base:>10} {share:>7}  {tail}", flush=True)

    def json(self) -> dict[str, Any]:
        """For other programs."""
        rows = [{**asdict(figure), "share": figure.share} for figure in self.figures]
        return {"benchmark": self.name, "population": self.population, "machine": self.machine, "figures": rows}


def machine(database: str = "") -> str:
    """The machine in one line; with a database URL also its version."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    parts = [f"{model}, {os.cpu_count()} cores", f"{platform.system()} {platform.release()}"]
    parts.append(f"Python {platform.python_version()}")
    if database:
        engine = open_engine(database)
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                parts.append(f"SQLite {connection.execute(text('SELECT sqlite_version()')).scalar_one()}")
            else:
                parts.append(f"PostgreSQL {connection.execute(text('SHOW server_version')).scalar_one()}")
        engine.dispose()
    return ", ".join(parts)


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used, of all its threads."""
    # Finer than the ticks of /proc/PID/stat: the sum over the threads, in nanoseconds.
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def server(
    command: list[str], port: int, environment: dict[str, str] | None = None, log: Path | None = None
) -> Iterator[int]:
    """A server process for the length of the block; its process id, once it listens. RuntimeError when it does not.

    What it says goes to the file ``log``, else nowhere.
    """
    root = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    with (log or Path(os.devnull)).open("ab") as said:
        running = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
            stdout=said,
            stderr=None if os.environ.get("BENCH_LOUD") else said,
        )
    try:
        until = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if running.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} did not start to listen")
            time.sleep(0.05)
        yield running.pid
    finally:
        running.terminate()
        try:
            running.wait(15)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def python(module: str, *arguments: str) -> list[str]:
    """The command for a module of ours."""
    return [sys.executable, "-m", module, *arguments]


def gateway(*arguments: str) -> list[str]:
    """The command for the gateway's own command line."""
    return [str(Path(sys.executable).parent / "gateway"), *arguments]


def best_of(work: Callable[[], object], calls: int, rounds: int = 5) -> float:
    """Microseconds of processor time per call: the best of some rounds, which others disturbed least."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        best = min(best, (time.process_time() - started) / calls * 1e6)
    return best


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which a share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def options(description: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """The options that every benchmark has; ``defaults`` replace theirs."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=1_000, help="size of the population")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fullness", type=float, default=1.0, help="how much each person has, beside the usual")
    parser.add_argument("--visitors", type=int, default=200, help="persons whose data are asked, in turn")
    parser.add_argument("--database", default="", help="URL of an empty database; left out: a new SQLite file")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.set_defaults(**defaults)
    return parser


def finish(done: Iterable[Bench], path: Path | None) -> None:
    """Write the figures down when asked."""
    if path is not None:
        path.write_text(json.dumps([one.json() for one in done], indent=1) + "\n", encoding="utf-8")
