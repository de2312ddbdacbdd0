"""A hospital with subscriptions: the PGOs that it tells, and the time, which a test moves."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal
from databases import database
from sqlalchemy import Engine, delete, insert, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from world.intake_house import House, condition, pushing, source
from world.share_house import ANNA, NAMES, patient

from auth.clients.model import ListedClient, Notify
from auth.crypto import digest
from auth.store.store import Family, Store, milliseconds
from gateway.app import create_app
from gateway.calendar import today_here
from gateway.cli.db import upgrade
from gateway.intake.settings import IntakeSettings
from gateway.sections import ProviderSettings
from gateway.settings import Settings, load
from gateway.store.engine import open_engine, reading
from gateway.store.shared import shared_item, submission, subscription
from gateway.subscriptions.notify import Notifier
from gateway.subscriptions.register import Register
from gateway.subscriptions.settings import SubscriptionSettings
from gateway.wiring import keys_of
from profiles.standards.load import catalogue
from workbench.plugin import workbench

PROVIDER, SERVICE = "ziekenhuiszandoord", "48"
ONE, TWO = "een.pgo.example", "twee.pgo.example"
QUICK = SubscriptionSettings(jitter_seconds=0)


class Pgo:
    """The notification server of PGOs. ``mode`` is an HTTP status, ``slow`` or ``redirect``, by host name."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.mode: dict[str, Any] = {}
        self.waiting = asyncio.Event()
        self.app = Starlette(routes=[Route("/{kind}/Notification", self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        mode = self.mode.get(request.url.hostname or "", 200)
        if mode == "redirect":
            return RedirectResponse("https://elsewhere.example/nieuws/Notification", 307)
        if mode == "slow":
            await self.waiting.wait()
        if mode == 200:
            self.bodies.append((str(request.url.hostname), await request.body()))
            self.headers.append(dict(request.headers))
        if mode == "big":
            return Response(b"x" * 1_000_000)
        return Response(b'{"received":"yes"}', mode if isinstance(mode, int) else 200)

    def told(self, host: str = ONE) -> list[dict[str, str]]:
        """What a PGO was told."""
        return [json.loads(body) for at, body in self.bodies if at == host]


class SubscriptionHouse:
    """The hospital, its PGOs, and the time."""

    def __init__(self, intake: House, settings: Settings, call: Callable[..., httpx.Response]) -> None:
        self.intake = intake
        self.settings = settings
        self.call = call
        self.engine = intake.engine
        self.pgo = Pgo()
        self.clients = {
            host: ListedClient(
                host, host, None,
                notify=MappingProxyType({SERVICE: Notify(f"https://{host}/abonnement", f"https://{host}/nieuws")}),
            )
            for host in (ONE, TWO)
        }  # fmt: skip
        self.listed = dict(self.clients)
        self.services = {SERVICE}
        self.day = today_here()
        self.now = datetime.now(UTC)
        self.tokens: dict[str, str] = {}

    def token(self, bsn: str = ANNA, client: str = ONE, days: int | None = 90, function: str = "subscribe") -> str:
        """A token as the authorization server gives it."""
        pseudonyms, ring = keys_of(self.settings)
        text, now, consent = f"token-{uuid.uuid4()}", datetime.now(UTC), str(uuid.uuid4())
        Store(self.engine).issue_static(
            digest(text),
            Family(
                id=str(uuid.uuid4())[:30], consent_id=consent, client=client, provider=PROVIDER, function=function,
                dialect="C", services=frozenset({SERVICE}), days=days, subject=pseudonyms.of(bsn),
                sealed_bsn=ring.seal("bsn", bsn.encode()), patient=None, actor=None, sealed_actor=None,
                sealed_birth_date=None, representation=None, lasting=False, created=milliseconds(now),
                used=milliseconds(now),
            ),
            now + timedelta(hours=1),
        )  # fmt: skip
        self.tokens[text] = consent
        return text

    def ask(self, token: str, method: str = "POST", id_: str = "", body: Any = None, **more: Any) -> httpx.Response:
        """A request to the subscription interface."""
        path = f"/{PROVIDER}/{more.pop('service', SERVICE)}/abonneren/Subscription" + (f"/{id_}" if id_ else "")
        headers = {"authorization": f"Bearer {token}", "medmij-request-id": str(uuid.uuid4())}
        if method != "GET":
            headers["content-type"] = "application/json"
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        return self.call(method, path, content=content, headers=headers | more.pop("headers", {}))

    def subscribed(self, bsn: str = ANNA, client: str = ONE) -> str:
        """The id of a fresh subscription."""
        answer = self.ask(self.token(bsn, client))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["subscription_id"])

    def push(self, id_: str = "c1", whose: str = "anna", **change: Any) -> None:
        """Something new in a record."""
        assert self.intake.send("PUT", f"/intake/epd/Condition/{id_}", condition(id_, whose, **change)).is_success

    def notifier(self, **change: Any) -> Notifier:
        """What notices and tells."""
        given = {
            "engine": self.engine, "settings": QUICK, "catalogue": catalogue(), "client": self.client,
            "listed": self.listed.get, "served": lambda _provider, service: service in self.services,
            "today": lambda: self.day, "production": False,
        }  # fmt: skip
        return Notifier(**given | change)

    def client(self) -> httpx.AsyncClient:
        """How PGOs are reached."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.pgo.app))

    def later(self, **span: float) -> None:
        """Time passes; news is noticed, and notifications are sent."""
        self.now += timedelta(**span)
        notifier = self.notifier()
        notifier.look(self.now)

        async def go() -> None:
            await notifier.send(self.now)

        asyncio.run(go())

    def register(self, deed: Callable[[Register], Any]) -> Any:
        """Something that the provider does."""
        with self.engine.begin() as connection:
            return deed(Register(connection, self.now, self.day))

    def status(self, id_: str) -> tuple[str, str]:
        """Whether it is active, and by whom it ended."""
        with reading(self.engine).connect() as connection:
            row = connection.execute(select(subscription).where(subscription.c.id == id_)).one()
            return row.status, row.ended_by

    def forget(self) -> None:
        """An empty house for the next test; the records stay."""
        with self.engine.begin() as connection:
            connection.execute(delete(subscription))
        self.pgo, self.day, self.services = Pgo(), today_here(), {SERVICE}
        self.listed = dict(self.clients)
        self.now = datetime.now(UTC)


def filed_for(engine: Engine, client: str, type_: str) -> str:
    """Something that a PGO sent and that was filed; the id of its item."""
    item = str(uuid.uuid4())
    with engine.begin() as connection:
        sent = {
            "id": str(uuid.uuid4()), "provider": PROVIDER, "service": "9008", "standard": "x", "rule": "x",
            "fhir": "stu3", "client": client, "person": "p", "actor": "", "patient_id": "anna", "basis": "",
            "request_id": str(uuid.uuid4()), "correlation_id": "", "digest": b"", "content": b"", "bundle": "",
            "received": datetime.now(UTC), "outcomes": b"[]", "duplicate_of": "", "department": "", "assignee": "",
        }  # fmt: skip
        pk = connection.execute(insert(submission).values(sent).returning(submission.c.pk)).scalar_one()
        kept = {
            "submission_pk": pk, "position": 0, "type": type_, "id": item, "role": "item", "state": "filed",
            "reason": "", "filed_as": "", "json": b"", "findings": b"", "sealed": b"", "digest": b"", "size": 0,
        }  # fmt: skip
        connection.execute(insert(shared_item).values(kept))
    return item


@contextmanager
def subscription_house(kind: str, folder: Path) -> Iterator[SubscriptionHouse]:
    provider = ProviderSettings(display_name="Zandoord", services=(SERVICE, "52"), subscriptions={SERVICE: 365})
    with database(kind, folder) as url:
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        limits = load().limits.model_copy(update={"audit_seconds": 20, "database_seconds": 20})
        update_ = {"database_url": url, "providers": {PROVIDER: provider}, "limits": limits}
        settings = load().model_copy(update=update_)
        with pushing(url, IntakeSettings(sources={"epd": source()})) as intake, start_blocking_portal() as portal:
            for bsn in NAMES:
                made = patient(bsn)
                assert intake.send("PUT", f"/intake/epd/Patient/{made['id']}", made).is_success
            app = create_app(settings, workbench=workbench)

            async def send(method: str, path: str, **options: Any) -> httpx.Response:
                transport = httpx.ASGITransport(app=app)
                async with httpx.AsyncClient(transport=transport, base_url=settings.base_url) as client:
                    return await client.request(method, path, **options)

            yield SubscriptionHouse(intake, settings, lambda *args, **more: portal.call(partial(send, *args, **more)))
