"""gateway serve --workers N: one parent that holds the listening sockets, and processes that answer on them.

The parent answers nothing itself. It starts a worker anew that ended by itself, and on SIGHUP replaces them one after
the other by new ones, which read configuration, keys, lists and catalogue afresh: the next is only told to stop when
its successor is ready, and what waits on the shared sockets is taken by whoever is there. When the parent is gone, its
workers stop.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.metrics import METRICS, merged

log = logging.getLogger("gateway.workers")

READY_SECONDS, STOP_SECONDS = 120.0, 20.0
PAUSE_SECONDS = 1.0
"""Between two starts of a worker that ends again and again."""
FIGURES_SECONDS = 2.0
COMMAND = (sys.executable, "-c", "from gateway.cli.main import main; main()")


@dataclass(frozen=True, slots=True)
class Post:
    """What a worker is given: listening sockets, its line to the parent, where its figures go."""

    name: str
    sockets: tuple[int, ...]
    line: int
    figures: str

    def argument(self) -> str:
        """For the command line."""
        return json.dumps([self.name, self.sockets, self.line, self.figures])

    @classmethod
    def of(cls, argument: str) -> "Post":
        """As the parent wrote it."""
        name, sockets, line, figures = json.loads(argument)
        return cls(name, tuple(sockets), line, figures)

    def listening(self) -> list[socket.socket]:
        """The sockets to accept on."""
        return [socket.socket(fileno=number) for number in self.sockets]

    def ready(self) -> None:
        """Tell the parent."""
        os.write(self.line, b"r")

    @contextmanager
    def manned(self) -> Iterator[None]:
        """Write figures as long as the block runs, and stop this process when the parent is gone."""
        over = threading.Event()
        threading.Thread(target=self._follow, daemon=True, name="parent").start()
        writer = threading.Thread(target=self._write, args=(over,), daemon=True, name="figures")
        writer.start()
        try:
            yield
        finally:
            over.set()
            writer.join(5)

    def _follow(self) -> None:
        os.read(self.line, 1)  # nothing is ever sent: this returns when the other end is closed
        os.kill(os.getpid(), signal.SIGTERM)

    def _write(self, over: threading.Event) -> None:
        file = Path(self.figures)
        while True:
            last = over.wait(FIGURES_SECONDS)
            try:
                file.with_suffix(".new").write_text(METRICS.text({"worker": self.name}), "utf-8")
                file.with_suffix(".new").replace(file)
            except (OSError, RuntimeError) as fault:
                log.warning("figures were not written: %s", type(fault).__name__)
            if last:
                return


@dataclass(slots=True)
class RunningWorker:
    """One running process."""

    process: asyncio.subprocess.Process
    line: socket.socket
    started: float = field(default_factory=time.monotonic)

    async def is_ready(self) -> bool:
        """Whether it came up in time; False when it ended instead."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(READY_SECONDS):
                return await loop.sock_recv(self.line, 1) == b"r"
        except (TimeoutError, OSError):
            return False

    async def stop(self) -> None:
        """Let it finish what it has; it is killed when it does not end."""
        if self.process.returncode is None:
            self.process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        self.line.close()


class Crew:
    """The workers, by name. ``arguments`` is the command line of the parent; ``parts``: what each worker runs."""

    def __init__(self, arguments: Sequence[str], parts: dict[str, str], sockets: Sequence[socket.socket]) -> None:
        self._arguments = arguments
        self._parts = parts
        self._sockets = sockets
        self._folder = tempfile.TemporaryDirectory(prefix="gateway-")
        self._workers: dict[str, RunningWorker] = {}
        self._stopping = asyncio.Event()
        self._reload = asyncio.Event()

    async def run(self, started: Callable[[], None] = lambda: None) -> bool:
        """Start all and keep them until a signal; False when the first ones did not come up."""
        loop = asyncio.get_running_loop()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        up = True
        for name in self._parts:
            self._workers[name] = worker = await self._start(name)
            up = up and await worker.is_ready()
            if not up:
                log.error("worker %s did not start", name)
                break
        else:
            started()
            log.info("%d workers are ready", len(self._workers))
            keepers = [asyncio.create_task(self._keep(name), name=f"worker {name}") for name in self._parts]
            await self._until_stopped()
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers.values()))
        self._folder.cleanup()
        return up

    def figures(self) -> str:
        """The figures of all workers, as Prometheus reads them."""
        texts = []
        for name in self._parts:
            file = self._figures(name)
            if file.exists():
                texts.append(file.read_text("utf-8"))
        return merged(texts)

    def _figures(self, name: str) -> Path:
        return Path(self._folder.name) / f"{name}.prom"

    async def _until_stopped(self) -> None:
        while True:
            waits = [asyncio.create_task(one.wait()) for one in (self._stopping, self._reload)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            if self._stopping.is_set():
                return
            self._reload.clear()
            await self._replace_all()

    async def _replace_all(self) -> None:
        log.info("reloading: the workers are replaced one after the other")
        for name, part in self._parts.items():
            old = self._workers[name]
            if part == "intake":
                # It has ports of its own: the new one can only listen when the old one has left.
                await old.stop()
                continue  # its keeper starts the next
            new = await self._start(name)
            if self._stopping.is_set() or not await new.is_ready():
                log.error("reloading ended: the new worker %s did not start, the old ones go on", name)
                await new.stop()
                return
            self._workers[name] = new
            await old.stop()
        log.info("reloading is done")

    async def _keep(self, name: str) -> None:
        """Start a worker anew when it ended and nobody has replaced it."""
        while True:
            worker = self._workers[name]
            status = await worker.process.wait()
            if self._workers[name] is not worker:
                continue
            log.warning("worker %s ended with status %s; another is started", name, status)
            if time.monotonic() - worker.started < PAUSE_SECONDS * 5:
                await asyncio.sleep(PAUSE_SECONDS)
            worker.line.close()
            self._workers[name] = new = await self._start(name)
            if not await new.is_ready():
                log.error("worker %s did not start", name)
                await new.stop()

    async def _start(self, name: str) -> RunningWorker:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        part = self._parts[name]
        sockets = tuple(one.fileno() for one in self._sockets) if part != "intake" else ()
        post = Post(name, sockets, theirs.fileno(), str(self._figures(name)))
        arguments = (*self._arguments, "--part", part, "--workers", "1", "--post", post.argument())
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *COMMAND, *arguments, pass_fds=(*sockets, theirs.fileno()), stdin=asyncio.subprocess.DEVNULL
            )
        return RunningWorker(process, ours)
