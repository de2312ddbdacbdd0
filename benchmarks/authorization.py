"""What an authorization costs: CPU per flow, and the latency of the token endpoint at half load.

    python -m benchmarks.authorization [--visitors N] [--database URL]

The application is called in this process without sockets, so the figures are the server's own; the login is a stand-in
(the identity provider's part is not ours). The baseline is one request of a static Starlette route over
a socket, in a process of its own.
"""

import argparse
import asyncio
import re
import tempfile
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from starlette.applications import Starlette

from auth import router
from auth.events import Event
from auth.login.port import Identity, LoginAsk, LoginStart
from auth.ports import AccessEntry, Available, Client, Function, Level, Peer, Person, Provider, ServiceInfo
from auth.settings import AuthSettings
from auth.store.store import engine_for
from benchmarks.client import Call, run
from benchmarks.frame import Bench, Figure, cpu_seconds, finish, free_port, machine, options, python, quantile, server
from benchmarks.static import write
from gateway.store.reader import open_reader

CLIENT, PROVIDER, BSN = "pgo.example", "ziekenhuis", "999990019"
REDIRECT = f"https://{CLIENT}/cb"


class Lists:
    """One client, one host, always fresh."""

    clients = whitelist = names = state = property(lambda self: self)

    def find(self, key: str) -> Any:
        return Client(CLIENT, "Bench PGO", frozenset({"48", "65"})) if key == CLIENT else None

    def holds(self, hostname: str) -> bool:
        return hostname == CLIENT

    def usable(self) -> bool:
        return True

    def age(self) -> timedelta:
        return timedelta(0)


class Host:
    """Everything is available; events are dropped."""

    def find(self, name: str) -> Provider | None:
        services = {key: ServiceInfo(key, f"Dienst {key}", Function.COLLECT) for key in ("48", "65")}
        return Provider(PROVIDER, "Ziekenhuis", services) if name == PROVIDER else None

    async def availability(self, provider: Provider, person: Person, services: frozenset[str], actor: Any) -> Available:
        return Available(services, birth_date=date(1980, 1, 1))

    receivability = availability

    async def access_log(self, pseudonym: str, limit: int) -> list[AccessEntry]:
        return []

    def note(self, event: Event) -> None:
        """Drop it."""


class Login:
    """A login that is always right, at once."""

    async def start(self, ask: LoginAsk) -> LoginStart:
        return LoginStart(f"https://idp.example/?state={ask.state}", {"nonce": "n"})

    async def finish(
        self, answer: Mapping[str, str], kept: Mapping[str, str], ask: LoginAsk, now: datetime
    ) -> Identity:
        return Identity(BSN, Level.MIDDEN, now, "assertion")


class Caller:
    """Calls an ASGI application without sockets."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.cookie = ""

    async def __call__(self, method: str, target: str, form: Mapping[str, str] | None = None) -> tuple[int, Any, str]:
        path, _, query = target.partition("?")
        body = urlencode(form or {}).encode()
        ids = [(b"medmij-request-id", str(uuid.uuid4()).encode()), (b"cookie", self.cookie.encode())]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "https",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(b"host", b"gateway.example"), (b"content-type", b"application/x-www-form-urlencoded"), *ids],
            "server": ("gateway.example", 443), "client": ("127.0.0.1", 1),
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        headers = dict(sent[0]["headers"])
        text = b"".join(part.get("body", b"") for part in sent[1:]).decode()
        return sent[0]["status"], headers, text


async def visit(app: Starlette) -> str:
    """One person's visit; returns the code."""
    call = Caller(app)
    asked = {
        "response_type": "code", "client_id": CLIENT, "redirect_uri": REDIRECT, "scope": PROVIDER, "state": "s" * 40,
        "MedMij-Request-ID": str(uuid.uuid4()), "X-Correlation-ID": str(uuid.uuid4()),
    }  # fmt: skip
    _, headers, page = await call("GET", "/oauth/authorize?" + urlencode(asked))
    call.cookie = headers[b"set-cookie"].decode().partition(";")[0]
    base = re.findall(r'action="([^"]+)/continue"', page)[0]
    form = {"csrf": re.findall(r'name="csrf" value="([^"]+)"', page)[0]}
    _, headers, _ = await call("POST", f"{base}/continue", form)
    state = parse_qs(urlsplit(headers[b"location"].decode()).query)["state"][0]
    _, headers, _ = await call("GET", f"/login/callback?code=x&state={quote(state)}")
    await call("GET", headers[b"location"].decode())
    _, headers, _ = await call("POST", f"{base}/decide", {**form, "decision": "give"})
    code: str = parse_qs(urlsplit(headers[b"location"].decode()).query)["code"][0]
    return code


async def redeem(app: Starlette, code: str) -> None:
    """One token call."""
    form = {"grant_type": "authorization_code", "code": code, "client_id": CLIENT, "redirect_uri": REDIRECT}
    status, _, body = await Caller(app)("POST", "/oauth/token", form)
    if status != 200:
        raise SystemExit(f"token endpoint said {status}: {body}")


def plain(folder: Path, calls: int) -> float:
    """Microseconds of processor time per request of a static route in a process of its own, 2 kB of HTML."""
    write(folder / "page", "text/html", [b"x" * 2_000])
    port = free_port()
    with server(python("benchmarks.static", str(folder / "page"), str(port)), port) as pid:
        run(port, 6, [[Call("/0")] * 50])
        before = cpu_seconds(pid)
        run(port, 6, [[Call("/0")] * calls])
        return (cpu_seconds(pid) - before) / calls * 1e6


async def measure(bench: Bench, app: Starlette, flows: int, base: float) -> None:
    """Run and add the figures."""
    await redeem(app, await visit(app))
    cpu = time.process_time()
    for _ in range(flows):
        await redeem(app, await visit(app))
    flow = (time.process_time() - cpu) / flows * 1e6
    note = f"{flow / base:.0f} times the static request"
    bench.add(Figure("authorization flow, six requests", flow, "us", base, "one request of a static route", note))
    codes = [await visit(app) for _ in range(flows)]
    started = time.perf_counter()
    await asyncio.gather(*(redeem(app, code) for code in codes))
    each = (time.perf_counter() - started) / flows
    codes = [await visit(app) for _ in range(flows * 2)]
    taken: list[float] = []

    async def timed(code: str) -> None:
        before = time.perf_counter()
        await redeem(app, code)
        taken.append((time.perf_counter() - before) * 1000)

    tasks, start = [], time.perf_counter()
    for number, code in enumerate(codes):
        await asyncio.sleep(max(0.0, start + number * each * 2 - time.perf_counter()))
        tasks.append(asyncio.create_task(timed(code)))
    await asyncio.gather(*tasks)
    note = f"{1 / each:.0f}/s at full load; at half of that p50 {quantile(taken, 0.5):.1f} ms"
    bench.add(Figure("token endpoint at half load, p99", quantile(taken, 0.99), "ms", note=note))


def authorization(asked: argparse.Namespace, folder: Path) -> Bench:
    """The whole benchmark."""
    flows = min(asked.visitors, asked.persons)
    url = asked.database or f"sqlite:///{folder}/auth.db"
    bench = Bench("authorization", f"{flows} flows, one after the other", machine(url))
    engine = engine_for(url)
    auth = router.build(
        AuthSettings(base_url="https://gateway.example"),
        engine=engine, lists=Lists(), providers=Host(), host=Host(), login=Login(),
        peer_of=lambda scope: Peer((CLIENT,)), clock=lambda: datetime.now(UTC), reads=open_reader(url).fetch,
    )  # fmt: skip
    auth.parts.store.create()
    asyncio.run(measure(bench, Starlette(routes=auth.routes), flows, plain(folder, max(600, flows * 6))))
    engine.dispose()
    return bench


def main() -> None:
    """Entry point."""
    asked = options(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish([authorization(asked, Path(folder))], asked.json)


if __name__ == "__main__":
    main()
