"""gateway serve --workers: several processes on the same ports, replaced and started anew under load."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import httpx
from databases import database
from security.nginx import nginx_program
from servers import free_port
from timing import LONG, START, until

from benchmarks.population import Population
from benchmarks.reads import prepare, searches, token
from gateway.metrics import Metrics, Sample, merged

SERVE = (sys.executable, "-c", "from gateway.cli.main import main; main()", "serve")


class Parent:
    """A parent with its workers, and what it says."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, metrics: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log
        self.base, self.metrics = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics}"

    def said(self) -> str:
        return self.log.read_text("utf-8")

    def heard(self, text: str, times: int = 1) -> bool:
        return until(lambda: self.said().count(text) >= times, START)

    def workers(self) -> list[int]:
        """The processes that have ever begun to serve, oldest first."""
        found = [int(one) for one in re.findall(r"Started server process \[(\d+)\]", self.said())]
        return [one for one in found if one != self.process.pid]


@contextmanager
def workers(folder: Path, url: str, ends: int = 0) -> Iterator[Parent]:
    port, metrics, log = free_port(), free_port(), folder / "workers.log"
    chosen = {"GATEWAY_DATABASE_URL": url, "GATEWAY_METRICS__PORT": str(metrics), "GATEWAY_MODE": "test"}
    chosen |= {"GATEWAY_OVERLOAD__PERSON_PER_SECOND": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*SERVE, "--port", str(port), "--workers", "2"],
            env={**os.environ, **chosen}, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield Parent(process, port, metrics, log)
    finally:
        process.terminate()
        assert process.wait(START) == ends, log.read_text()[-3000:]


class Readers:
    """Clients that read on and on over their own connections; ``wrong`` is what they did not like."""

    def __init__(self, base: str, retries: int = 0) -> None:
        self._base, self._retries = base, retries
        self.good = 0
        self.wrong: list[str] = []
        self._paths = cycle(searches())
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(4)]

    def __enter__(self) -> "Readers":
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for one in self._threads:
            one.join()

    def _run(self) -> None:
        headers = {"authorization": f"Bearer {token(0)}", "accept": ""}
        with httpx.Client(base_url=self._base, timeout=LONG, headers=headers) as web:
            while not self._over.is_set():
                self._one(web, self._retries)

    def _one(self, web: httpx.Client, retries: int) -> None:
        try:
            answer = web.get(next(self._paths))
            if answer.status_code == 200:
                self.good += 1
            else:
                self.wrong.append(str(answer.status_code))
        except httpx.HTTPError as fault:
            if retries:
                self._one(web, retries - 1)
            else:
                self.wrong.append(repr(fault))


def test_workers_are_replaced_and_started_anew_without_a_lost_request(tmp_path: Path) -> None:
    with database("postgresql", tmp_path) as url:
        prepare(url, Population(2, 1, 0.3), 2)
        with workers(tmp_path, url) as parent:
            assert parent.heard("workers are ready")
            first = parent.workers()
            with Readers(parent.base) as readers:
                assert until(lambda: readers.good > 20, START)
                parent.process.send_signal(signal.SIGHUP)
                assert parent.heard("reloading is done")
                seen = readers.good
                assert until(lambda: readers.good > seen + 20, START)
            assert readers.wrong == []
            now = parent.workers()[2:]
            assert (len(first), len(now), set(first) & set(now)) == (2, 2, set())
            assert all(not Path(f"/proc/{one}").exists() for one in first)

            # A worker that is killed takes its connections along: whoever was on them asks once more.
            with Readers(parent.base, retries=1) as readers:
                assert until(lambda: readers.good > 20, START)
                os.kill(now[0], signal.SIGKILL)
                assert parent.heard("another is started")
                assert until(lambda: len(parent.workers()) >= 5, START), parent.said()[-3000:]
                seen = readers.good
                assert until(lambda: readers.good > seen + 20, START)
            assert readers.wrong == []
            assert until(lambda: _workers_in(httpx.get(f"{parent.metrics}/metrics").text) == {"1", "2"})
            assert httpx.get(f"{parent.metrics}/health/ready").status_code == 200
            alive = parent.workers()[3:]
        assert until(lambda: all(not Path(f"/proc/{one}").exists() for one in alive))


def test_workers_stop_when_their_parent_is_gone(tmp_path: Path) -> None:
    with database("postgresql", tmp_path) as url:
        prepare(url, Population(1, 1, 0.3), 1)
        with workers(tmp_path, url, ends=-signal.SIGKILL) as parent:
            assert parent.heard("workers are ready")
            both = parent.workers()
            parent.process.kill()
        assert len(both) == 2
        assert until(lambda: all(not Path(f"/proc/{one}").exists() for one in both), START)


def test_an_sqlite_file_serves_one_process(tmp_path: Path) -> None:
    chosen = {**os.environ, "GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path}/gateway.db"}
    done = subprocess.run([*SERVE, "--workers", "2"], env=chosen, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.strip() == "gateway: --workers: an SQLite file serves one process; use PostgreSQL"


def _workers_in(text: str) -> set[str]:
    return set(re.findall(r'worker="(\d)"', text))


def test_the_figures_of_several_processes_are_one_text() -> None:
    metrics = Metrics()
    metrics.register("one", {"asked_total": "questions"}, lambda: [Sample("asked_total", 3, {"lane": "reads"})])
    assert merged(metrics.text({"worker": name}) for name in "12").splitlines() == [
        "# HELP asked_total questions",
        "# TYPE asked_total counter",
        'asked_total{lane="reads",worker="1"} 3.0',
        'asked_total{lane="reads",worker="2"} 3.0',
    ]


NGINX = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off; {temporary}
  upstream gateway {{
    server 127.0.0.1:{one} max_fails=1 fail_timeout=1s;
    server 127.0.0.1:{two} max_fails=1 fail_timeout=1s;
    keepalive 16;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://gateway; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_connect_timeout 1s; proxy_next_upstream error timeout http_503; proxy_next_upstream_tries 2;
    }}
  }}
}}
"""


@contextmanager
def proxy(folder: Path, one: int, two: int) -> Iterator[str]:
    """nginx before two nodes; its address."""
    port = free_port()
    temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))  # fmt: skip
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, temporary=temporary, one=one, two=two, port=port))
    process = subprocess.Popen([nginx_program(), "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(LONG)


@contextmanager
def node(folder: Path, url: str) -> Iterator[Parent]:
    """One node of one process, until it ends by whatever way."""
    port, log = free_port(), folder / f"node-{free_port()}.log"
    chosen = {"GATEWAY_DATABASE_URL": url, "GATEWAY_MODE": "test", "GATEWAY_OVERLOAD__PERSON_PER_SECOND": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen([*SERVE, "--port", str(port)], env={**os.environ, **chosen},
                                   stdout=output, stderr=output)  # fmt: skip
    try:
        yield Parent(process, port, 0, log)
    finally:
        process.terminate()
        process.wait(START)


def test_one_of_two_nodes_behind_a_proxy_is_killed_during_visits(tmp_path: Path) -> None:
    with database("postgresql", tmp_path) as url:
        prepare(url, Population(2, 1, 0.3), 2)
        with (
            node(tmp_path, url) as one,
            node(tmp_path, url) as two,
            proxy(tmp_path, one.port, two.port) as base,
        ):
            assert one.heard("listening on")
            assert two.heard("listening on")
            with Readers(base, retries=1) as readers:
                assert until(lambda: readers.good > 20, START)
                one.process.kill()
                seen = readers.good
                assert until(lambda: readers.good > seen + 40, START)
            assert readers.wrong == []
