"""The gateway as its operator runs it: production mode, processes on one database, and the outside world around it.

The processes are started with one configuration file and the command of the product. The outside world is in this
process, on sockets: the node of the registration, which asks for a certificate, and an identity provider. What the
gateway calls is `localhost`, since the invented host names of the framework lead nowhere.
"""

import base64
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from security.pki import SERVER
from security.socketworld import BACK, BACK_HOST, FRONT_HOST, IDP_HOST, Certificates, Slot, SocketPgo
from security.tlsworld import get, serving
from servers import free_port
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send
from timing import START
from unit.auth_lists import listdocs as docs
from world.auth_house import FRONT, ZANDOORD, D, G

from auth.bridges import OidcSettings
from auth.clients.model import ListKind
from auth.peer.tls import back_channel_context
from gateway.settings import load
from gateway.store.engine import open_engine
from workbench.demo import world
from workbench.demo.seed import seed
from workbench.idp.provider import TestPerson, TestProvider

READY_SECONDS = START
SERVICES = ["48", "51"]
MANY = tuple(f"pgo{number:02}.fictief.example" for number in range(50))
"""Clients for a load; each may have a consent of the same person."""
LISTED = (FRONT_HOST, BACK_HOST, D, G, *MANY)
EPD, NEWCOMER = "epd.intern.example", "999990019"
CLIENT_SECRET = secrets.token_urlsafe(16)


class Node:
    """The node of the registration: the lists as a test publishes them, for who shows a certificate."""

    def __init__(self) -> None:
        self.published: dict[str, bytes] = {}
        self.publish(number=7)

    def publish(self, *, number: int, hosts: Sequence[str] = LISTED, **others: bytes) -> None:
        """New lists with this number; `others` replaces documents by the name of their kind."""
        heading = {"number": str(number)}
        clients = [docs.client(host, f"Organisatie van {host}", SERVICES) for host in (D, G, *MANY)]
        services = [docs.service(service) for service in SERVICES]
        found = {
            "WHITELIST": docs.whitelist(hosts, **heading),
            "CLIENTS": docs.clients(clients, **heading),
            "PROVIDERS": docs.providers([docs.provider(f"{ZANDOORD}@medmij", *services)], **heading),
            "NAMES": docs.names([(service, f"Dienst {service}") for service in SERVICES], **heading),
        } | others
        self.published = {ListKind[name].file_name: document for name, document in found.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        document = self.published.get(scope["path"].rpartition("/")[2])
        start = {"type": "http.response.start", "status": 200 if document else 404, "headers": []}
        await send({**start, "headers": [(b"content-type", b"application/xml")]})
        await send({"type": "http.response.body", "body": document or b""})


class Processes(Certificates):
    """Two workers of one installation, and what they call."""

    def __init__(self, folder: Path, database_url: str) -> None:
        super().__init__(folder)
        self.node = Node()
        self._url = database_url
        self._oidc = OidcSettings(issuer=f"https://{IDP_HOST}/idp", client_secret=CLIENT_SECRET)
        self._settings: dict[str, Any] = {}
        self._outside: dict[str, int] = {}
        self.world: world.World
        self.intake = 0
        self.logs: list[Path] = []
        self._idp = Slot()

    @property
    def config(self) -> Path:
        """The configuration file of the installation."""
        return self.folder / "gateway.toml"

    @contextmanager
    def running(self, workers: int = 2) -> Iterator["Processes"]:
        """The installation with the demo world in its store, serving until the block ends."""
        with ExitStack() as stack:
            stack.enter_context(self._outer_world())
            self.configure()
            done = self.command("db", "upgrade")
            assert done.returncode == 0, done.stderr
            settings = load(self.config)
            engine = open_engine(self._url)
            today = datetime.now(UTC).date()
            others = {one.name for one in world.load(today).providers} - {ZANDOORD}
            self.world = seed(engine, settings, today, elsewhere=others)
            engine.dispose()
            self._admit()
            for _ in range(workers):
                self.ports.append(stack.enter_context(self.worker()))
            self.intake = free_port()
            chosen = {"GATEWAY_INTAKE__PORT": str(self.intake)}
            stack.enter_context(self._process("intake", chosen, BACK_HOST, self.intake))
            yield self

    @contextmanager
    def _outer_world(self) -> Iterator[None]:
        node = self.pki.issuing.issue("localhost", usages=[SERVER]).write(self.folder, "node")
        asking = back_channel_context(*node, self.pki.trust)
        asking.verify_mode = asking.verify_mode.CERT_REQUIRED
        with serving(self.node, asking) as lists, serving(self._idp, self.login_context()) as idp:
            self._outside = {"lists": lists, IDP_HOST: idp}
            yield

    def _admit(self) -> None:
        """Let the persons of the demo world log in, and one whom no store knows yet."""
        persons = [TestPerson(one.bsn, one.name, one.born) for one in self.world.persons]
        persons.append(TestPerson(NEWCOMER, "Tessa Testpersoon"))
        provider = TestProvider(self._oidc, persons, [f"{FRONT}/login/callback"])
        self._idp.app = Starlette(routes=[Mount("/idp", provider.app)])

    def configure(self, **changes: Mapping[str, Any]) -> None:
        """Write the configuration file; `changes` go over its sections."""

        def key() -> str:
            return base64.b64encode(secrets.token_bytes(32)).decode()

        tls = json.loads(self.tls.model_dump_json(exclude_defaults=True))
        sections: dict[str, dict[str, Any]] = self._settings or {
            "": {"mode": "production", "database_url": self._url, "audit_key": key()},
            "listen": {"base_url": BACK},
            "limits": {"audit_seconds": 20, "database_seconds": 20},
            "tls": {**tls, "front_port": 1},
            "lists": {
                "source": "node",
                "url": f"https://localhost:{self._outside['lists']}/",
                "copies": str(self.folder / "lists"),
            },
            "auth": {"base_url": FRONT, "pseudonym_key": key(), "seal_with": "one"},
            "auth.seal_keys": {"one": key()},
            "auth.login": {
                "issuer": self._oidc.issuer,
                "internal_issuer": f"https://localhost:{self._outside[IDP_HOST]}/idp",
                "client_secret": CLIENT_SECRET,
            },
            f"providers.{ZANDOORD}": {"display_name": "Ziekenhuis Zandoord", "services": SERVICES},
            "intake.tls": {name: value for name, value in tls.items() if not name.startswith("front")},
            "intake.sources.epd": {"provider": ZANDOORD, "auth": {"kind": "mtls", "hosts": [EPD]}},
        }
        self._settings = sections
        lines = []
        for name, values in sections.items():
            lines += [f"[{name}]"] if name else []
            lines += [f"{setting} = {_toml(value)}" for setting, value in (values | changes.get(name, {})).items()]
        self.config.write_text("\n".join(lines))

    def command(self, *words: str, **chosen: str) -> subprocess.CompletedProcess[str]:
        """One command of the product with this configuration and these variables, run to its end."""
        return subprocess.run(
            [*_PRODUCT, *words, "--config", str(self.config)],
            env={**self._environment(), **chosen}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    @contextmanager
    def worker(self) -> Iterator[dict[str, int]]:
        """One more process for the world; gives the port of each host name, once it is ready."""
        ports = {BACK_HOST: free_port(), FRONT_HOST: free_port(), IDP_HOST: self._outside[IDP_HOST]}
        chosen = {"GATEWAY_LISTEN__PORT": str(ports[BACK_HOST]), "GATEWAY_TLS__FRONT_PORT": str(ports[FRONT_HOST])}
        with self._process("public", chosen, FRONT_HOST, ports[FRONT_HOST]):
            yield ports

    @contextmanager
    def _process(self, part: str, chosen: Mapping[str, str], host: str, port: int) -> Iterator[None]:
        """A part of the gateway with these variables, from when it answers as this host until the block ends."""
        log = self.folder / f"process-{len(self.logs)}.log"
        self.logs.append(log)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_PRODUCT, "serve", "--part", part, "--config", str(self.config)],
                env={**self._environment(), **chosen}, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            self._wait(process, host, port, log)
            yield
        finally:
            process.terminate()
            assert process.wait(timeout=20) in (0, -15), log.read_text()[-2000:]
            assert "shutdown exceeded" not in log.read_text()

    def _wait(self, process: "subprocess.Popen[bytes]", host: str, port: int, log: Path) -> None:
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and process.poll() is None:
            try:
                # The internal listener has no such page: that it answers is enough.
                # A process without any list is not ready and stays so; what it does then is tried too.
                answer = get(port, host, self.context(None), "/health/ready")
                if answer.status_code != 503 or "no lists" in answer.text:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError(f"the gateway did not start: {log.read_text()[-4000:]}")

    def _environment(self) -> dict[str, str]:
        """Ours, with the PKI of the test in the place of the public authorities."""
        return {**os.environ, "SSL_CERT_FILE": str(self.pki.trust)}

    def told(self) -> str:
        """What all processes wrote."""
        return "\n".join(log.read_text() for log in self.logs)


def _toml(value: object) -> str:
    """A value as TOML writes it: as JSON, but for tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + "}"
    return json.dumps(value)


_PRODUCT = [sys.executable, "-c", "from gateway.cli.main import main; main()"]


class ProcessHouse:
    """The installation as `SocketPgo` needs it."""

    def __init__(self, processes: Processes) -> None:
        self.sockets = processes
        self.pgos: list[SocketPgo] = []
        self.grants: dict[bytes, Any] = {}

    def bsn(self, person: str) -> str:
        """The number of a person of the demo world."""
        return self.sockets.world.person(person).bsn

    def pgo(self, hostname: str = D) -> SocketPgo:
        """A client, with a fresh browser, at the first worker."""
        return SocketPgo(self, hostname)

    async def close(self) -> None:
        """End every connection."""
        for pgo in self.pgos:
            await pgo.close()
