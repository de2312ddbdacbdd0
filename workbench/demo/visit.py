"""The PGO visit without a browser: every page is read and answered as a person would, then everything is collected."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from workbench.demo import forms
from workbench.demo.pgo.client import Ask, Dva, PgoError, PgoSettings, Tokens, ask, code_of, redeem
from workbench.demo.pgo.collect import Section, collect
from workbench.demo.pgo.validity import check

MOST_PAGES, MOST_HOPS = 12, 40


class VisitError(Exception):
    """A visit that could not be finished; the text says where it stopped."""


@dataclass(frozen=True, slots=True)
class Step:
    """One page that was met: its heading, the button that was pressed, and how long it took."""

    title: str
    pressed: str
    milliseconds: int


Met = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Aids:
    """What a person does on the pages besides going on: fields to fill, and words beside the boxes to tick."""

    fill: Mapping[str, str] = field(default_factory=dict)
    tick: tuple[str, ...] = ()

    def of(self, form: forms.Form) -> dict[str, str]:
        """What this adds to a form; fields that the form does not have are left out."""
        sent = {name: value for name, value in self.fill.items() if name in form.fields}
        for one in form.choices:
            if one.kind == "checkbox" and any(words.lower() in one.label.lower() for words in self.tick):
                sent[one.name] = one.value
        return sent


NO_AIDS = Aids()


class Visit:
    """One visit of a person to a provider. ``http`` must not follow redirects: the visit looks at every one of them."""

    def __init__(
        self, http: httpx.AsyncClient, settings: Dva, provider: str, person: str, aids: Aids = NO_AIDS
    ) -> None:
        self._http = http
        self._settings = settings
        self._provider = provider
        self._person = person
        self._aids = aids
        self._cookies: dict[tuple[str, str], str] = {}

    async def authorize(self, met: Met = lambda _step: None, asked: Ask | None = None) -> tuple[Ask, dict[str, str]]:
        """Landing, login and consent, to the answer that the browser would bring to the PGO. Raises VisitError.

        ``asked`` is the request to start from; without it one for everything that the provider can deliver.
        """
        asked = asked or ask(self._settings, self._provider)
        response = await self._get(asked.url)
        hops = 0
        for _ in range(MOST_PAGES):
            while response.has_redirect_location:
                hops += 1
                if hops > MOST_HOPS:
                    raise VisitError("the redirects of the visit do not come to an end")
                target = urljoin(str(response.url), response.headers["location"])
                if target.partition("?")[0] == self._settings.redirect_uri:
                    return asked, dict(parse_qsl(urlsplit(target).query))
                response = await self._get(target)
            response = await self._answer(response, met)
        raise VisitError("the pages of the visit do not come to an end")

    async def tokens(self, asked: Ask, answer: dict[str, str]) -> Tokens:
        """The code against a token. Raises VisitError."""
        try:
            return await redeem(self._http, self._settings, asked, code_of(asked, answer))
        except PgoError as error:
            raise VisitError(f"{error} ({error.code})") from error

    async def collect(self, tokens: Tokens, progress: Callable[[Section, int], None]) -> tuple[Section, ...]:
        """Every search of the granted services, at the same time."""
        return await collect(self._http, self._settings, tokens, progress)

    async def _get(self, url: str) -> httpx.Response:
        return await self._send("GET", url, {}, None)

    async def _send(
        self, method: str, url: str, headers: dict[str, str], data: dict[str, str] | None
    ) -> httpx.Response:
        # Kept here and not in the client: a browser sends secure cookies to a loopback address, Python's jar does not.
        host = urlsplit(url).netloc
        cookies = "; ".join(f"{name}={value}" for (at, name), value in self._cookies.items() if at == host)
        headers = {
            **headers,
            "Accept": "text/html",
            "Accept-Language": "nl",
            **({"Cookie": cookies} if cookies else {}),
        }
        try:
            response = await self._http.request(method, url, data=data, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise VisitError(f"no answer from {host or url[:80]!r}: {type(error).__name__}") from error
        for line in response.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self._cookies[host, name] = morsel.value
                if morsel["max-age"] == "0":
                    del self._cookies[host, name]
        return response

    async def _answer(self, page: httpx.Response, met: Met) -> httpx.Response:
        title, found = forms.read(page.text)
        going = forms.forward(found)
        if page.status_code != 200 or going is None:
            raise VisitError(f"stopped at the page {title!r} (status {page.status_code})")
        form, button = going
        # A person looks for their own name among the choices; on pages without it nothing is changed.
        mine = next((one for one in form.choices if one.label.startswith(self._person)), None)
        if mine is None and any(one.kind == "radio" for one in form.choices):
            raise VisitError(f"{self._person} is not on the page {title!r}")
        start = time.perf_counter()
        url = urljoin(str(page.url), form.action)
        origin = {"Origin": _origin(str(page.url))}
        values = form.values(mine, button) | self._aids.of(form)
        response = await self._send(form.method.upper(), url, origin, values)
        met(Step(title, button.label, round((time.perf_counter() - start) * 1000)))
        return response


def client(timeout: float = 10.0, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """An HTTP client for visits: no redirects, no proxies, room for all searches at once."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
    return httpx.AsyncClient(timeout=timeout, transport=transport, limits=limits, trust_env=False)


def run(
    settings: PgoSettings, provider: str, person: str, console: Console, fault: tuple[str, str] | None = None
) -> int:
    """Make a visit and print it; returns the exit code: 0 when every search was answered, else 1.

    ``fault`` is a source of the demo and what goes wrong with it once consent was given.
    """
    try:
        return asyncio.run(_run(settings, provider, person, console, fault))
    except VisitError as error:
        console.print(f"[bold red]The visit stopped:[/] {error}")
        return 1


async def _run(
    settings: PgoSettings, provider: str, person: str, console: Console, fault: tuple[str, str] | None
) -> int:
    console.print(f"\n[bold]{person}[/] bezoekt [bold]{provider}[/] vanuit {settings.client_id}\n", highlight=False)
    async with client() as http:
        visit = Visit(http, settings, provider, person)
        asked, answer = await visit.authorize(
            lambda step: console.print(
                f"  [green]✓[/] {step.title} [dim]→ {step.pressed} ({step.milliseconds} ms)[/]", highlight=False
            )
        )
        tokens = await visit.tokens(asked, answer)
        console.print(f"  [green]✓[/] Toegang voor gegevensdienst {', '.join(tokens.services)}\n", highlight=False)
        if fault:
            await throw(http, settings, *fault)
            console.print(f"  [yellow]![/] Bronsysteem {fault[0]} staat op: {fault[1]}\n", highlight=False)
        start = time.perf_counter()
        try:
            sections = await _shown(visit, tokens, console)
        finally:
            if fault:
                await throw(http, settings, fault[0], "normal")
        spent = time.perf_counter() - start
    console.print(_table(sections))
    console.print("[dim]Bron: live is tijdens dit bezoek opgevraagd, de rest was al aangeleverd.[/]", highlight=False)
    slow = max((section.milliseconds for section in sections), default=0)
    failed = [section for section in sections if section.status != 200]
    console.print(
        f"\n{len(sections)} vragen in {spent:.2f} s, de traagste {slow} ms; {len(failed)} niet beantwoord.\n",
        highlight=False,
    )
    return 1 if failed or not sections else 0


async def throw(http: httpx.AsyncClient, settings: PgoSettings, source: str, switch: str) -> None:
    """Set a simulated source of the demo. Raises VisitError when the gateway has none of that name."""
    answer = await http.post(f"{settings.base_url}/demo-ehr/{source}/switch/{switch}")
    if answer.status_code != 303:
        raise VisitError(f"the gateway has no simulated source {source}, or no switch {switch}")


async def _shown(visit: Visit, tokens: Tokens, console: Console) -> tuple[Section, ...]:
    columns = (TextColumn("  Gegevens ophalen"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        return await visit.collect(tokens, lambda _section, total: bar.update(task, advance=1, total=total))


def _table(sections: tuple[Section, ...]) -> Table:
    table = Table(title="Opgehaald dossier", title_justify="left", header_style="bold")
    table.add_column("Onderdeel", min_width=30)
    table.add_column("Gevonden", justify="right")
    table.add_column("ms", justify="right")
    table.add_column("Bron")
    table.add_column("Controle")
    for service in dict.fromkeys(section.ask.service.name for section in sections):
        table.add_section()
        table.add_row(f"[bold]{service}[/]")
        for section in (one for one in sections if one.ask.service.name == service):
            found = str(len(section.matches)) + (f" +{len(section.included)}" if section.included else "")
            table.add_row(f"  {section.name}", found, str(section.milliseconds), _sources(section), _validity(section))
    return table


def _sources(section: Section) -> str:
    return "\n".join(f"{one.source}{' live' if one.live else ''} {one.count}" for one in section.origins)


def _validity(section: Section) -> str:
    if section.problems:
        return f"[red]{section.problems[0]}[/]"
    if not section.matches:
        return "[dim]niets vastgelegd[/]"
    verdicts = [check(section.ask.standard.fhir, one) for one in (*section.matches, *section.included)]
    wrong = sum(one.kind == "wrong" for one in verdicts)
    if wrong:
        return f"[red]{wrong} met fouten[/]"
    return "[green]in orde[/]" if all(one.kind == "ok" for one in verdicts) else "deels te controleren"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
