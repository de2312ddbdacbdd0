"""What small reads notice of long work: a transaction of 5,000 entries, and a body of 400,000 keys to validate.

    python -m benchmarks.long_work [--entries N] [--keys N]

One process has the public port and the listener for pushed data, on SQLite. Somebody reads a Patient twenty times a
second, first alone (the baseline), then while each of the two is under way.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks.frame import Bench, Figure, finish, free_port, gateway, machine, options, quantile, server
from benchmarks.population import PROVIDER, Population
from benchmarks.reads import prepare, token

PAUSE = 0.05


class Reader:
    """Reads on and on; keeps how long each took, and what was no good answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.took: list[float] = []
        self.wrong: list[int] = []

    def beside(self, work: Callable[[], None]) -> list[float]:
        """The times of the reads while the work runs."""
        self.took, over = [], threading.Event()
        thread = threading.Thread(target=self._run, args=(over,))
        thread.start()
        try:
            work()
        finally:
            over.set()
            thread.join()
        return self.took

    def _run(self, over: threading.Event) -> None:
        headers = {"authorization": f"Bearer {token(0)}", "accept": ""}
        with httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=60, headers=headers) as web:
            while not over.wait(PAUSE):
                begun = time.perf_counter()
                status = web.get(f"/{PROVIDER}/48/fhir/Patient").status_code
                self.took.append(time.perf_counter() - begun)
                if status != 200:
                    self.wrong.append(status)


def entries(count: int) -> bytes:
    """A transaction of one patient and so many observations."""
    found: list[dict[str, object]] = [{"resourceType": "Patient", "id": "long", "gender": "female"}]
    for number in range(count - 1):
        value = {"value": number, "unit": "mmol/l", "system": "http://unitsofmeasure.org", "code": "mmol/L"}
        coding = {"system": "http://loinc.org", "code": "2823-3", "display": "Kalium"}
        found.append({
            "resourceType": "Observation", "id": f"long-{number}", "status": "final", "code": {"coding": [coding]},
            "subject": {"reference": "Patient/long"}, "effectiveDateTime": "2026-01-31T10:00:00+01:00",
            "valueQuantity": value,
        })  # fmt: skip
    rows = [{"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
            for one in found]  # fmt: skip
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": rows}).encode()


def keys(count: int) -> bytes:
    """A resource of so many keys."""
    held = [{"url": "http://example.org/x", "valueString": "x"} for _ in range(count // 2)]
    return json.dumps({"resourceType": "Basic", "code": {"text": "Parameters"}, "extension": held}).encode()


def measure(url: str, bodies: tuple[bytes, bytes]) -> tuple[dict[str, list[float]], list[int], dict[str, int]]:
    """Times of reads by what was under way, statuses of those that went wrong, and the statuses of the long work."""
    port, pushed = free_port(), free_port()
    source = {"bench": {"provider": PROVIDER, "auth": {"kind": "none"}, "policy": {"*": "observe"}}}
    environment = {
        "GATEWAY_MODE": "test", "GATEWAY_DATABASE_URL": url, "GATEWAY_INTAKE__PORT": str(pushed),
        "GATEWAY_INTAKE__SOURCES": json.dumps(source), "GATEWAY_OVERLOAD__PERSON_PER_SECOND": "0",
    }  # fmt: skip
    statuses: dict[str, int] = {}

    def post(name: str, address: str, body: bytes) -> None:
        headers = {"content-type": "application/fhir+json"}
        statuses[name] = httpx.post(address, content=body, headers=headers, timeout=120).status_code

    with server(gateway("serve", "--port", str(port)), port, environment):
        reader = Reader(port)
        transaction, document = bodies
        reader.beside(lambda: time.sleep(1))
        times = {"nothing else": list(reader.beside(lambda: time.sleep(5)))}
        for name, address, body in (
            ("a transaction", f"http://127.0.0.1:{pushed}/intake/bench", transaction),
            ("a validation", f"http://127.0.0.1:{port}/fhir/stu3/$validate", document),
        ):
            times[name] = list(reader.beside(lambda: post(name, address, body)))  # noqa: B023 - runs at once
    return times, reader.wrong, statuses


def long_work(asked: argparse.Namespace, folder: Path) -> Bench:
    """The whole benchmark."""
    url = f"sqlite:///{folder}/long.db"
    count = prepare(url, Population(asked.persons, asked.seed, asked.fullness), 1)
    asks = f"{asked.entries:,} entries, {asked.keys:,} keys"
    bench = Bench("long work", f"{asked.persons:,} persons, {count:,} resources; {asks}", machine(url))
    times, wrong, statuses = measure(url, (entries(asked.entries), keys(asked.keys)))
    alone = times["nothing else"]
    for name, took in times.items():
        for share in (0.5, 0.99):
            label = f"a small read beside {name}: p{share * 100:.0f}"
            note = f"{len(took)} reads, longest {max(took, default=0.0) * 1e3:.0f} ms"
            bench.add(Figure(label, quantile(took, share) * 1e3, "ms", quantile(alone, share) * 1e3, "alone", note))
    if set(statuses.values()) != {200}:
        raise SystemExit(f"the long work was not taken: {statuses}")
    bench.add(Figure("reads that were not answered with 200", len(wrong), "reads"))
    return bench


def main() -> None:
    """Entry point."""
    parser = options(__doc__, persons=100)
    parser.add_argument("--entries", type=int, default=5_000)
    parser.add_argument("--keys", type=int, default=400_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish([long_work(asked, Path(folder))], asked.json)


if __name__ == "__main__":
    main()
