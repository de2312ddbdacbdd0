"""The demo PGO as an ASGI application: choose an institution, make a real visit, read the record in Dutch."""

import asyncio
import secrets
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from auth.ports import Representation
from workbench.demo.pgo import words
from workbench.demo.pgo.client import PgoSettings, Tokens, ask
from workbench.demo.pgo.collect import Section, accept, fetch
from workbench.demo.pgo.parts import parts_of, person_of
from workbench.demo.pgo.visits import Visit, Visits
from workbench.demo.world import Mandate, World, load

STATIC = Path(__file__).parent / "static"
COOKIE = "demo_pgo"
PATIENCE_SECONDS = 2.0
GROUNDS = {Representation.PARENTAL: "als ouder", Representation.VOLUNTARY: "met een machtiging"}
_AMSTERDAM = ZoneInfo("Europe/Amsterdam")


class Pages:
    """The pages; one instance per process."""

    def __init__(
        self, settings: PgoSettings, http: httpx.AsyncClient | None, world: World, root: str, *, representing: bool
    ) -> None:
        self._settings = settings
        self._representing = representing
        self._root = root
        self._client = http
        self._world = world
        self._visits = Visits(settings, self._http)
        self._templates = Environment(
            loader=PackageLoader("workbench.demo.pgo"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        front = urlsplit(settings.front)
        self._policy = (
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
            f"form-action 'self' {front.scheme}://{front.netloc}"
        )

    async def home(self, _request: Request) -> Response:
        """Choose an institution."""
        offers = [
            (provider, self._world.patients_of(provider.name), self._mandates(provider.name))
            for provider in self._world.providers
        ]
        return self._page("home.html", offers=offers, grounds=GROUNDS)

    async def start(self, request: Request) -> Response:
        """Off to the institution with an authorization request."""
        form = await request.form()
        provider = str(form.get("provider", ""))
        if provider not in {one.name for one in self._world.providers}:
            return self._message("Deze zorgaanbieder kennen wij niet.", 404)
        owner = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
        visit = self._begin(owner, provider, str(form.get("person", "")))
        response = RedirectResponse(visit.asked.url, 303, {"Cache-Control": "no-store"})
        response.set_cookie(COOKIE, owner, httponly=True, samesite="lax", path=self._root or "/")
        return response

    async def callback(self, request: Request) -> Response:
        """The browser comes back from the institution."""
        answer = dict(request.query_params)
        visit = self._visits.of_state(answer.get("state", ""), request.cookies.get(COOKIE, ""))
        if visit is None:
            return self._message("Dit antwoord hoort niet bij een bezoek van u.", 400)
        await self._visits.answered(visit, answer)
        return RedirectResponse(f"{self._root}/bezoek/{visit.id}", 303, {"Cache-Control": "no-store"})

    async def visit(self, request: Request) -> Response:
        """The record, or how far collecting is."""
        visit = self._find(request)
        if visit is None:
            return self._message("Dit bezoek is er niet meer. Haal uw gegevens opnieuw op.", 404)
        provider = self._world.provider(visit.asked.provider)
        if visit.problem:
            return self._message(visit.problem, 200, f"Niets opgehaald bij {provider.display}")
        if visit.task is not None:
            # Most visits are ready within a second: then no progress page is shown at all. That page does not come
            # back by itself, because nobody should have a page changed under their hands (WCAG 2.2.1).
            await asyncio.wait([visit.task], timeout=PATIENCE_SECONDS)
        if visit.finished is None:
            return self._page("waiting.html", visit=visit, provider=provider)
        parts = await asyncio.to_thread(parts_of, visit.sections)
        return self._page(
            "record.html",
            visit=visit,
            provider=provider,
            parts=parts,
            person=person_of(visit.sections),
            moment=words.moment(visit.finished.astimezone(_AMSTERDAM).isoformat()),
        )

    async def raw(self, request: Request) -> Response:
        """One section as it came, in JSON or asked again in XML."""
        visit, form = self._find(request), request.path_params["form"]
        section = self._section(visit, request.path_params["section"])
        if visit is None or visit.tokens is None or section is None or form not in ("json", "xml"):
            return self._message("Dit onderdeel is er niet meer.", 404)
        media = f"application/fhir+{form}; charset=utf-8"
        body = section.raw
        if form == "xml":
            answer = await self._fetch(section.ask.url, visit.tokens, accept(section.ask.standard, "xml"))
            if answer is None:
                return self._message(
                    "De zorgaanbieder kon dit onderdeel nu niet geven. Haal uw gegevens opnieuw op.", 502
                )
            body = answer.content
        name = f"{section.id}.{form}"
        return Response(body, media_type=media, headers={"Content-Disposition": f'attachment; filename="{name}"'})

    async def document(self, request: Request) -> Response:
        """A document, fetched with the visit's token."""
        visit = self._find(request)
        section = self._section(visit, request.path_params["section"])
        if visit is None or visit.tokens is None or section is None:
            return self._message("Dit document is er niet meer.", 404)
        base = section.ask.url.partition("/fhir/")[0] + "/fhir"
        url = f"{base}/Binary/{request.path_params['binary']}"
        answer = await self._fetch(url, visit.tokens, "application/pdf")
        if answer is None or not answer.headers.get("content-type", "").startswith("application/pdf"):
            return self._message("De zorgaanbieder kon dit document nu niet geven. Haal uw gegevens opnieuw op.", 502)
        headers = {"Content-Disposition": "inline", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        return Response(answer.content, media_type="application/pdf", headers=headers)

    async def logo(self, request: Request) -> Response:
        """The logo of an institution."""
        name = request.path_params["provider"]
        if name not in {one.name for one in self._world.providers}:
            return Response(status_code=404)
        return FileResponse(self._world.provider(name).logo, media_type="image/svg+xml")

    async def missing(self, _request: Request, _fault: Exception) -> Response:
        """A page that there is not."""
        return self._message("Deze pagina is er niet.", 404)

    async def style(self, _request: Request) -> Response:
        """The style sheet."""
        return FileResponse(STATIC / "pgo.css", media_type="text/css")

    async def icon(self, _request: Request) -> Response:
        """The icon."""
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")

    def _begin(self, owner: str, provider: str, person: str) -> Visit:
        """A visit for the user's own data, or for those of a person for whom the user keeps a record here as well."""
        found = next((one for one in self._mandates(provider) if one.person.id == person), None)
        if found is None:
            return self._visits.begin(owner, ask(self._settings, provider))
        asked = ask(self._settings, provider, f"{provider} {found.kind}", found.person.born)
        return self._visits.begin(owner, asked, found.person.name)

    def _mandates(self, provider: str) -> tuple[Mandate, ...]:
        return self._world.mandates_at(provider) if self._representing else ()

    def _http(self) -> httpx.AsyncClient:
        # Made on first use: a mounted application has no start-up of its own.
        if self._client is None:
            limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
            self._client = httpx.AsyncClient(timeout=10.0, limits=limits, trust_env=False)
        return self._client

    async def _fetch(self, url: str, tokens: Tokens, media: str) -> httpx.Response | None:
        """One more GET with the visit's token; None when it gives nothing, for one because the token has ended."""
        try:
            answer = await fetch(self._http(), url, tokens, media)
        except httpx.HTTPError:
            return None
        return answer if answer.status_code == 200 else None

    def _find(self, request: Request) -> Visit | None:
        return self._visits.find(request.path_params["visit"], request.cookies.get(COOKIE, ""))

    @staticmethod
    def _section(visit: Visit | None, id_: str) -> Section | None:
        return next((one for one in (visit.sections if visit is not None else ()) if one.id == id_), None)

    def _message(self, text: str, status: int, title: str = "Mijn Dossier") -> Response:
        return self._page("message.html", status=status, text=text, title=title)

    def _page(self, template: str, *, status: int = 200, **values: object) -> Response:
        html = self._templates.get_template(template).render(root=self._root, **values)
        headers = {
            "Content-Security-Policy": self._policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return HTMLResponse(html, status, headers)


def app(
    base_url: str, http: httpx.AsyncClient | None = None, prefix: str = "/demo-pgo", *, representing: bool = False
) -> Starlette:
    """The PGO, to be mounted at ``prefix`` of the gateway's own address ``base_url``.

    ``http`` reaches the gateway; without it a client is made. The gateway must allow ``{base_url}{prefix}/callback``
    as a local redirect of the client pgo.demo.example. ``representing`` offers to collect for somebody else.
    """
    settings = PgoSettings(base_url=base_url, redirect_uri=f"{base_url}{prefix}/callback")
    pages = Pages(settings, http, load(datetime.now(UTC).date()), prefix, representing=representing)
    return Starlette(
        routes=[
            Route("/", pages.home),
            Route("/bezoek", pages.start, methods=["POST"]),
            Route("/callback", pages.callback),
            Route("/bezoek/{visit}", pages.visit),
            Route("/bezoek/{visit}/{section}/document/{binary}", pages.document),
            Route("/bezoek/{visit}/{section}.{form}", pages.raw),
            Route("/logo/{provider}.svg", pages.logo),
            Route("/pgo.css", pages.style),
            Route("/icon.svg", pages.icon),
        ],
        exception_handlers={404: pages.missing},
    )
