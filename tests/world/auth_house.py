"""The authorization server in a small world: providers, clients, persons, a fake host, and the people who use it.

`House` wires the real application on a real database; `Pgo` plays a client with a browser in front of it. Nothing is
patched: lists, host and clock are plain objects, the identity provider is the real test provider over ASGI.
"""

import itertools
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import anyio
import httpx
from sqlalchemy import Engine, delete
from starlette.applications import Starlette

from auth import ports, router
from auth.bearer import ANY_CLIENT
from auth.bridges import OidcSettings
from auth.crypto import digest
from auth.events import Event
from auth.login.oidc import OidcLogin
from auth.login.open import logout_of
from auth.login.port import Login
from auth.ports import (
    AbsenceReason,
    Available,
    Client,
    Function,
    Level,
    Peer,
    Person,
    Provider,
    Representation,
    ServiceInfo,
)
from auth.settings import AuthSettings
from auth.store.rows import Family, milliseconds
from auth.store.store import metadata
from workbench.idp.provider import TestPerson, TestProvider

FRONT, IDP = "https://medmij.zandoord.example", "https://inloggen.example/idp"
D, G, V = "medmij.mijndossierboom.example", "koppel.gezondheidsmap.example", "pgo.vlinderzorg.example"
WHITELIST_ONLY = "dva.hoekseheuvel.example"
ZANDOORD = "ziekenhuiszandoord"
START = datetime(2026, 2, 3, 9, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)


@dataclass
class FakeLists:
    """The national lists as plain tables."""

    entries: dict[str, Client]
    hosts: set[str]
    service_names: dict[str, str]
    old: timedelta = timedelta(minutes=3)
    fresh: bool = True

    @property
    def clients(self) -> "_Clients":
        return _Clients(self.entries)

    @property
    def whitelist(self) -> "_Hosts":
        return _Hosts(self.hosts)

    @property
    def names(self) -> "_Names":
        return _Names(self.service_names)

    @property
    def state(self) -> "FakeLists":
        return self

    def age(self) -> timedelta:
        return self.old

    def usable(self) -> bool:
        return self.fresh


class _Clients(dict[str, Client]):
    def find(self, hostname: str) -> Client | None:
        return self.get(hostname)


class _Names(dict[str, str]):
    def find(self, service_id: str) -> str | None:
        return self.get(service_id)


class _Hosts(set[str]):
    def holds(self, hostname: str) -> bool:
        return hostname in self


class _Providers(dict[str, Provider]):
    def find(self, name: str) -> Provider | None:
        return self.get(name)


@dataclass
class FakeHost:
    """A gateway that knows four persons; notes events in a list."""

    known: dict[str, Available] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    asked: list[tuple[str, str, frozenset[str]]] = field(default_factory=list)
    accesses: list[ports.AccessEntry] = field(default_factory=list)
    """Collections of the data of everybody; those of one person are in `log`, by pseudonym."""
    log: dict[str, list[ports.AccessEntry]] = field(default_factory=dict)
    shared: dict[str, list[ports.SentEntry]] = field(default_factory=dict)
    """What persons sent, by pseudonym."""
    fault: Exception | None = None
    slow: float = 0

    async def availability(
        self, provider: Provider, person: Person, services: frozenset[str], actor: Person | None
    ) -> Available:
        return await self._answer("availability", person, services)

    async def receivability(
        self, provider: Provider, person: Person, services: frozenset[str], actor: Person | None
    ) -> Available:
        return await self._answer("receivability", person, services)

    async def _answer(self, test: str, person: Person, services: frozenset[str]) -> Available:
        self.asked.append((test, person.bsn, services))
        if self.slow:
            await anyio.sleep(self.slow)
        if self.fault is not None:
            raise self.fault
        found = self.known.get(person.bsn, Available(frozenset(), AbsenceReason.NO_RELATION))
        return replace(found, services=found.services & services)

    async def access_log(self, pseudonym: str, limit: int) -> Sequence[ports.AccessEntry]:
        return [*self.accesses, *self.log.get(pseudonym, [])][:limit]

    async def sent(self, pseudonym: str, limit: int) -> Sequence[ports.SentEntry]:
        return self.shared.get(pseudonym, [])[:limit]

    def note(self, event: Event) -> None:
        self.events.append(event)

    def told(self) -> list[str]:
        """The types of the events so far."""
        return [str(event.type) for event in self.events]


def _bsn(number: int) -> str:
    """The first test number from 999000000 + 1000 * number that passes the eleven test."""
    for candidate in itertools.count(999_000_000 + 1000 * number):
        digits = [int(figure) for figure in str(candidate)]
        if sum(w * d for w, d in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), digits, strict=True)) % 11 == 0:
            return str(candidate)
    raise AssertionError


P1, P2, P3, P4, CHILD, CARER = (_bsn(n) for n in range(1, 7))
ALL = frozenset({"48", "50", "51", "53", "63", "65"})


def years_before(day: date, years: int, days: int = 0) -> date:
    """The date so many years (and days) before."""
    return day.replace(year=day.year - years) - timedelta(days=days)


class House:
    """One authorization server and everything around it."""

    def __init__(self, engine: Engine, login: Login | None = None, **settings: Any) -> None:
        self.engine = engine
        self.clock = Clock()
        today = self.clock.now.date()
        self.host = FakeHost(
            known={
                P1: Available(ALL, birth_date=date(1980, 5, 17)),
                P2: Available(ALL, birth_date=years_before(today, 15)),
                P4: Available(frozenset({"48"}), birth_date=date(1975, 1, 2)),
                CHILD: Available(ALL, birth_date=years_before(today, 8)),
            }
        )
        self.lists = FakeLists(
            entries={
                D: Client(D, "Mijn Dossierboom", frozenset({"48", "50", "53", "65"})),
                G: Client(G, "De Gezondheidsmap", frozenset({"48"})),
                V: Client(V, "Vlinderzorg PGO", frozenset({"99"})),
            },
            hosts={D, G, V, WHITELIST_ONLY, "medmij.zandoord.example"},
            service_names={
                "48": "Verzamelen Basisgegevens zorg 3.0",
                "65": "Verzamelen Integrale Zwangerschapskaart 1.0",
            },
        )
        self.providers = _Providers(
            {
                ZANDOORD: Provider(
                    ZANDOORD,
                    "Ziekenhuis Zandoord",
                    {
                        "48": ServiceInfo("48", "Basisgegevens zorg", Function.COLLECT),
                        "65": ServiceInfo("65", "Zwangerschapskaart", Function.COLLECT, subscribe_max_days=365),
                        "53": ServiceInfo("53", "Afspraken", Function.SHARE),
                    },
                    privacy_url="https://zandoord.example/privacy",
                    phone="010 - 555 01 01",
                    representation=frozenset(Representation),
                ),
                "ggzdewadden": Provider(
                    "ggzdewadden",
                    "GGZ De Wadden",
                    {"50": ServiceInfo("50", "Basisgegevens GGZ", Function.COLLECT)},
                    level_floor=Level.SUBSTANTIEEL,
                ),
            }
        )
        self.peer: Peer = Peer(None)
        oidc = OidcSettings(issuer=IDP, **settings.pop("oidc", {}))
        self.settings = AuthSettings(
            base_url=FRONT, dva_name="Zandoord Koppelingen", dva_phone="010 - 555 00 00", login=oidc, **settings
        )
        persons = [TestPerson(P1, "Truus van Zand"), TestPerson(P2, "Bo de Jong"), TestPerson(CHILD, "Kim Klein")]
        self.idp = TestProvider(oidc, persons, [f"{FRONT}/login/callback"])
        self.idp_app = Starlette()
        self.idp_app.mount("/idp", self.idp.app)
        self.mounts: dict[str, httpx.AsyncBaseTransport] = {}
        """Further places that a browser can reach."""
        self.login = login or self._oidc_login(oidc)
        self.logout = logout_of(self.settings, self.login)
        self.auth = self.build()
        self.auth.parts.store.create()
        self.app = Starlette(routes=self.auth.routes)

    def build(self) -> router.AuthApp:
        """Wire the application; a second call gives a second worker on the same database."""
        return router.build(
            self.settings,
            engine=self.engine,
            lists=self.lists,
            providers=self.providers,
            host=self.host,
            login=self.login,
            logout=self.logout,
            peer_of=self._peer_of,
            clock=self.clock,
        )

    def _oidc_login(self, settings: OidcSettings) -> Login:
        """How the application reaches the identity provider."""
        return OidcLogin(settings, httpx.ASGITransport(self.idp_app))

    def _peer_of(self, _scope: Mapping[str, object]) -> Peer:
        """Who is at the other end."""
        return self.peer

    def pgo(self, hostname: str = D) -> "Pgo":
        """A client, with a fresh browser."""
        return Pgo(self, hostname)

    def static_token(
        self, token: str, services: Sequence[str], bsn: str | None = None, patient: str | None = None
    ) -> None:
        """Keep a token that no flow issued, as `gateway tokens load` does."""
        parts, now = self.auth.parts, milliseconds(self.clock.now)
        family = Family(
            id=f"static-{token}", consent_id=None, client=ANY_CLIENT, provider=ZANDOORD, function="collect",
            dialect="C", services=frozenset(services), days=None, subject=parts.pseudonyms.of(bsn or "patient"),
            sealed_bsn=parts.ring.seal("bsn", bsn.encode()) if bsn else None, patient=patient, actor=None,
            sealed_actor=None, sealed_birth_date=None, representation=None, lasting=False, created=now, used=now,
        )  # fmt: skip
        parts.store.issue_static(digest(token), family, self.clock.now + timedelta(days=1))

    def dump(self) -> str:
        """Everything in the database as text, for leak searches."""
        found = []
        with self.engine.connect() as connection:
            for table in metadata.sorted_tables:
                for row in connection.execute(table.select()):
                    found += [value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row]
        return "\n".join(found)


class Pgo:
    """A client's server, and the browser of the person who uses it."""

    def __init__(self, house: House, hostname: str) -> None:
        self.house = house
        self.hostname = hostname
        self.redirect_uri = f"https://{hostname}/cb"
        self.state = "Zk4-" + uuid.uuid4().hex
        self.correlation = str(uuid.uuid4())
        self._connect()

    def _connect(self) -> None:
        """Make the clients of the browser and of the server."""
        app = httpx.ASGITransport(self.house.app, raise_app_exceptions=False)
        self.browser = httpx.AsyncClient(
            transport=httpx.MockTransport(lambda request: httpx.Response(599)),
            mounts={
                "https://medmij.zandoord.example": app,
                "https://inloggen.example": httpx.ASGITransport(self.house.idp_app),
                **self.house.mounts,
            },
            headers={"Accept-Language": "nl"},
        )
        self.server = httpx.AsyncClient(transport=app, base_url=FRONT)

    # --- the browser -----------------------------------------------------------------------------------------------

    def parameters(self, **changes: Any) -> dict[str, str]:
        """The std request, with changes; None leaves a parameter out."""
        std: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.hostname,
            "redirect_uri": self.redirect_uri,
            "scope": ZANDOORD,
            "state": self.state,
            "MedMij-Request-ID": str(uuid.uuid4()),
            "X-Correlation-ID": self.correlation,
        }
        names = {"request_id": "MedMij-Request-ID", "correlation_id": "X-Correlation-ID"}
        std |= {names.get(name, name): value for name, value in changes.items()}
        return {name: value for name, value in std.items() if value is not None}

    async def authorize(self, **changes: Any) -> httpx.Response:
        """GET the authorization endpoint with the std request."""
        return await self.browser.get(f"{FRONT}/oauth/authorize?{urlencode(self.parameters(**changes))}")

    async def submit(self, page: httpx.Response, form: str, **fields: Any) -> httpx.Response:
        """Post one of the forms of a page, as a browser would."""
        action, hidden = read_form(page.text, form)
        url = str(httpx.URL(str(page.url)).join(action))
        return await self.browser.post(url, data={**hidden, **fields})

    async def follow(self, answer: httpx.Response) -> httpx.Response:
        """Follow redirects inside our pages and the login, until a page or the client."""
        while answer.is_redirect and not answer.headers["location"].startswith(self.redirect_uri):
            answer = await self.browser.get(str(httpx.URL(str(answer.url)).join(answer.headers["location"])))
        return answer

    async def to_login(self, landing: httpx.Response) -> httpx.Response:
        """From the landing page to the login page."""
        return await self.follow(await self.submit(landing, "continue"))

    async def log_in(
        self, login: httpx.Response, bsn: str, level: Level = Level.MIDDEN, **fields: Any
    ) -> httpx.Response:
        """Log in; the page after it."""
        return await self.follow(
            await self.submit(login, "login", typed=bsn, level=str(int(level)), action="login", **fields)
        )

    async def to_consent(self, bsn: str = P1, level: Level = Level.MIDDEN, **changes: Any) -> httpx.Response:
        """From the std request to the page after login."""
        return await self.log_in(await self.to_login(await self.authorize(**changes)), bsn, level)

    async def grant(self, consent: httpx.Response, *, lasting: bool = False) -> str:
        """Give consent; returns the code."""
        fields = {"decision": "give", **({"duration": "lasting"} if lasting else {})}
        answer = await self.submit(consent, "decide", **fields)
        return returned(answer)["code"]

    async def code(self, bsn: str = P1, *, lasting: bool = False, **changes: Any) -> str:
        """The whole visit: a code."""
        return await self.grant(await self.to_consent(bsn, **changes), lasting=lasting)

    # --- the server ------------------------------------------------------------------------------------------------

    @contextmanager
    def connected(self, *names: str) -> Iterator[None]:
        """Be the peer with these names (default: our own) for the calls inside."""
        before, self.house.peer = self.house.peer, Peer(names or (self.hostname,))
        try:
            yield
        finally:
            self.house.peer = before

    async def post(self, path: str, form: Mapping[str, str], peer: str | None = None, **headers: str) -> httpx.Response:
        """POST a form over the back channel."""
        ids = {"MedMij-Request-ID": str(uuid.uuid4()), "X-Correlation-ID": self.correlation}
        names = {"request_id": "MedMij-Request-ID", "correlation_id": "X-Correlation-ID"}
        ids |= {names.get(name, name): value for name, value in headers.items()}
        with self.connected(*([peer] if peer else [])):
            return await self.server.post(path, data=dict(form), headers=ids)

    async def token(self, code: str, *, peer: str | None = None, **changes: Any) -> httpx.Response:
        """Redeem a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self.hostname,
            "redirect_uri": self.redirect_uri,
            **changes,
        }
        return await self.post("/oauth/token", {k: v for k, v in form.items() if v is not None}, peer)

    async def refresh(
        self, refresh_token: str, *, peer: str | None = None, request_id: str | None = None, **changes: Any
    ) -> httpx.Response:
        """Use a refresh token."""
        form = {
            "grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": self.hostname, **changes,
        }  # fmt: skip
        ids = {"request_id": request_id or str(uuid.uuid4()), "correlation_id": str(uuid.uuid4())}
        return await self.post("/oauth/token", form, peer, **ids)

    async def tokens(self, bsn: str = P1, *, lasting: bool = False, **changes: Any) -> dict[str, Any]:
        """The whole visit and the token call."""
        answer = await self.token(await self.code(bsn, lasting=lasting, **changes))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def check(self, access_token: str, peer: str | None = None) -> Any:
        """Ask the bearer check about a token of this client."""
        return await self.house.auth.bearer.check(f"Bearer {access_token}", Peer((peer or self.hostname,)))


def read_form(html: str, form_id: str) -> tuple[str, dict[str, str]]:
    """Action and hidden fields of a form in a page."""
    found = re.search(rf'<form id="{form_id}"[^>]*action="([^"]*)"[^>]*>(.*?)</form>', html, re.S)
    assert found, f"no form {form_id} in {html[:2000]}"
    hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', found[2])
    return unescape(found[1]), {name: unescape(value) for name, value in hidden}


def returned(answer: httpx.Response) -> dict[str, str]:
    """The parameters with which the browser came back to the client."""
    assert answer.status_code == 302, (answer.status_code, answer.text[:2000])
    query = parse_qs(urlsplit(answer.headers["location"]).query, keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in query.values())
    return {name: values[0] for name, values in query.items()}


def raw_query(parameters: Mapping[str, str]) -> str:
    """Parameters as an encoder writes them that leaves `=` and `~` alone."""
    return "&".join(f"{name}={quote(value, safe='~=')}" for name, value in parameters.items())


def empty(engine: Engine) -> None:
    """Delete every row."""
    metadata.create_all(engine)
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(delete(table))
