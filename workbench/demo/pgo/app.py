"""The demo PGO as an ASGI application: choose an institution, make a real visit, read the record in Dutch."""

import asyncio
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
from jinja2 import PackageLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from auth.ports import Representation
from gateway.calendar import today_here
from gateway.dossier import words
from gateway.dossier.answer import DossierAnswer
from gateway.dossier.pages import STYLE, DossierAddresses, environment
from gateway.dossier.plots import trend_plot
from gateway.dossier.readings import trends
from gateway.dossier.record import Dossier, dossier_of
from workbench.demo.pgo.questionnaires import filled_in, opened, ready
from workbench.demo.pgo.releases import side_by_side
from workbench.demo.pgo.sendings import KINDS, BadWords, Sendings
from workbench.demo.pgo.visits import BrowserVisit, BrowserVisits
from workbench.demo.world import Mandate, World, load
from workbench.pgo.answering import UnfitAnswer
from workbench.pgo.answers import SearchAnswer
from workbench.pgo.client import NATIONAL, PgoClient, connect
from workbench.pgo.endpoints import GatewayEndpoints
from workbench.pgo.oauth import PgoError, authorization_request
from workbench.pgo.searches import accept

STATIC = Path(__file__).parent / "static"
COOKIE = "demo_pgo"
PATIENCE_SECONDS = 2.0
GROUNDS = {Representation.PARENTAL: "als ouder", Representation.VOLUNTARY: "met een machtiging"}
_AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def answered(answer: SearchAnswer) -> DossierAnswer:
    """What a search brought, as a dossier is made of it."""
    return DossierAnswer(
        id=answer.id,
        service=answer.search.service.id,
        service_name=answer.search.service.name,
        name=answer.name,
        type=answer.search.rule.type or "",
        version=answer.search.standard.fhir,
        matches=answer.matches,
        included=answer.included,
        problems=answer.problems if answer.complete or answer.problems else ("De zorgaanbieder gaf geen antwoord.",),
        origins=tuple(map(str, answer.origins)),
        sources=dict(sources_of(answer)),
    )


def sources_of(answer: SearchAnswer) -> Iterator[tuple[str, str]]:
    """The source of each resource: ids of live sources begin with its name; the rest is of the one that delivered."""
    live = sorted((one.source for one in answer.origins if one.live), key=len, reverse=True)
    delivered = [one.source for one in answer.origins if not one.live]
    for resource in (*answer.matches, *answer.included):
        id_ = str(resource.get("id"))
        found = next((name for name in live if id_.startswith(f"{name}-")), "")
        rest = delivered[0] if len(delivered) == 1 else live[0] if not delivered and len(live) == 1 else ""
        yield f"{resource['resourceType']}/{id_}", found or rest


def _dossier(visit: BrowserVisit) -> Dossier:
    """Made once for a visit: its pages all show the same."""
    if visit.dossier is None:
        visit.dossier = dossier_of([answered(one) for one in visit.answers], today_here())
    return visit.dossier


class Pages:
    """The pages; one instance per process."""

    def __init__(
        self, gateway: GatewayEndpoints, http: httpx.AsyncClient | None, world: World, root: str, *, representing: bool
    ) -> None:
        self._gateway = gateway
        self._representing = representing
        self._root = root
        self._http = http
        self._world = world
        self._visits = BrowserVisits(self._pgo)
        self._sendings = Sendings(self._pgo)
        self._templates = environment(PackageLoader("workbench.demo.pgo"))
        front = urlsplit(gateway.front)
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
        sending = await self._sendings.answered(answer, request.cookies.get(COOKIE, ""))
        if sending is not None:
            return RedirectResponse(f"{self._root}/delen/{sending.id}", 303, {"Cache-Control": "no-store"})
        visit = self._visits.of_state(answer.get("state", ""), request.cookies.get(COOKIE, ""))
        if visit is None:
            return self._message("Dit antwoord hoort niet bij een bezoek van u.", 400)
        await self._visits.answered(visit, answer)
        return RedirectResponse(f"{self._root}/bezoek/{visit.id}", 303, {"Cache-Control": "no-store"})

    async def visit(self, request: Request) -> Response:
        """The record, or how far collecting is: its summary, one of its parts, or everything on one page."""
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
        dossier = await asyncio.to_thread(_dossier, visit)
        here = request.path_params.get("part", "")
        if here and dossier.part(here) is None:
            return self._message("Dit onderdeel is er niet. Ga terug naar uw dossier.", 404)
        return self._page(
            "record.html",
            visit=visit,
            provider=provider,
            dossier=dossier,
            here=here,
            whole=request.url.path.endswith("/alles"),
            forms=ready(visit),
            at=DossierAddresses(f"{self._root}/bezoek/{visit.id}"),
            moment=words.moment(visit.finished.astimezone(_AMSTERDAM).isoformat()),
            asked=words.plural(len(visit.answers), "vraag", "vragen"),
        )

    async def releases(self, request: Request) -> Response:
        """The record in STU3 and in R4 side by side, with what is lost on the way."""
        visit = self._find(request)
        if visit is None or visit.finished is None:
            return self._message("Dit bezoek is er niet meer. Haal uw gegevens opnieuw op.", 404)
        both = await asyncio.to_thread(side_by_side, visit.answers, today_here())
        return self._page("releases.html", visit=visit, both=both)

    async def send_form(self, _request: Request) -> Response:
        """Choose what to send, and to whom."""
        offers = {one.name: [kind for kind in KINDS if kind.standard in one.standards] for one in self._world.providers}
        providers = [one for one in self._world.providers if offers[one.name]]
        return self._page("send.html", providers=providers, offers=offers, patients=self._world.patients_of)

    async def send(self, request: Request) -> Response:
        """Off to the institution, to confirm that this may be sent."""
        form = {name: str(value) for name, value in (await request.form()).items()}
        kind = next((one for one in KINDS if one.name == form.get("what")), None)
        provider = next((one for one in self._world.providers if one.name == form.get("provider")), None)
        if kind is None or provider is None or kind.standard not in provider.standards:
            return self._message("Dit kunt u daar niet naartoe sturen.", 404)
        try:
            parcel = kind.parcel(form)
        except BadWords as fault:
            return self._message(str(fault), 400, "Dit kan niet worden gestuurd")
        owner = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
        asked = authorization_request(self._gateway, provider.name, f"{provider.name}~{parcel.service}")
        self._sendings.begin(owner, asked, parcel)
        response = RedirectResponse(asked.url, 303, {"Cache-Control": "no-store"})
        response.set_cookie(COOKIE, owner, httponly=True, samesite="lax", path=self._root or "/")
        return response

    async def sent(self, request: Request) -> Response:
        """What became of it."""
        sending = self._sendings.find(request.path_params["sending"], request.cookies.get(COOKIE, ""))
        if sending is None:
            return self._message("Dit is er niet meer. Stuur het opnieuw.", 404)
        provider = self._world.provider(sending.asked.provider)
        if sending.problem or sending.answer is None:
            return self._message(
                sending.problem or "Er kwam geen antwoord.", 200, f"Niets gestuurd naar {provider.display}"
            )
        plots = [trend_plot(trend) for trend in trends(sending.parcel.resources)]
        title = sending.parcel.title
        return self._page("sent.html", title=title, provider=provider, answer=sending.answer, plots=plots)

    async def questionnaire(self, request: Request) -> Response:
        """One questionnaire to fill in, or what became of it."""
        visit, task = self._find(request), request.path_params["task"]
        if visit is None:
            return self._message("Dit bezoek is er niet meer. Haal uw gegevens opnieuw op.", 404)
        provider, sent = self._world.provider(visit.asked.provider), visit.filled_in.get(task)
        if sent is not None:
            return self._page("sent.html", title=sent.title, provider=provider, answer=sent.answer, plots=[])
        given = {name: str(value) for name, value in (await request.form()).items()}
        problem = ""
        try:
            if request.method == "POST" and await filled_in(self._pgo, visit, task, given) is not None:
                here = f"{self._root}/bezoek/{visit.id}/vragenlijst/{task}"
                return RedirectResponse(here, 303, {"Cache-Control": "no-store"})
        except UnfitAnswer as fault:
            problem = str(fault)
        except PgoError as fault:
            return self._message(str(fault), 502, "De vragenlijst is niet verstuurd")
        try:
            form = await opened(self._pgo, visit, task)
        except PgoError as fault:
            return self._message(str(fault), 502, "De vragenlijst is er nu niet")
        if form is None:
            return self._message("Deze vragenlijst is er niet.", 404)
        status = 400 if problem else 200
        return self._page(
            "questionnaire.html", status=status, form=form, provider=provider, given=given, problem=problem
        )

    async def again(self, request: Request) -> Response:
        """Collect once more: with a lasting consent at once, else by asking the person again."""
        visit = self._find(request)
        if visit is None:
            return self._message("Dit bezoek is er niet meer. Haal uw gegevens opnieuw op.", 404)
        if await self._visits.again(visit):
            return RedirectResponse(f"{self._root}/bezoek/{visit.id}", 303, {"Cache-Control": "no-store"})
        provider = self._world.provider(visit.asked.provider)
        text = f"U gaf {provider.display} toestemming voor één keer, of uw toestemming is gestopt. Begin opnieuw."
        return self._message(text, 200, "Opnieuw ophalen kan niet")

    async def raw(self, request: Request) -> Response:
        """One section as it came, in JSON or asked again in XML."""
        visit, form = self._find(request), request.path_params["form"]
        shown = self._answer(visit, request.path_params["section"])
        if visit is None or visit.tokens is None or shown is None or form not in ("json", "xml"):
            return self._message("Dit onderdeel is er niet meer.", 404)
        media = f"application/fhir+{form}; charset=utf-8"
        body = shown.raw
        if form == "xml":
            again = await self._pgo().read(shown.search.url, visit.tokens, accept(shown.search.standard, "xml"))
            if again is None:
                return self._message(
                    "De zorgaanbieder kon dit onderdeel nu niet geven. Haal uw gegevens opnieuw op.", 502
                )
            body = again.content
        name = f"{shown.id}.{form}"
        return Response(body, media_type=media, headers={"Content-Disposition": f'attachment; filename="{name}"'})

    async def document(self, request: Request) -> Response:
        """A document, fetched with the visit's token."""
        visit = self._find(request)
        found = self._answer(visit, request.path_params["section"])
        if visit is None or visit.tokens is None or found is None:
            return self._message("Dit document is er niet meer.", 404)
        content = await self._pgo().document(visit.tokens, found.search.service.id, request.path_params["binary"])
        if content is None:
            return self._message("De zorgaanbieder kon dit document nu niet geven. Haal uw gegevens opnieuw op.", 502)
        headers = {"Content-Disposition": "inline", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        return Response(content, media_type="application/pdf", headers=headers)

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

    async def dossier_style(self, _request: Request) -> Response:
        """The style sheet of what is the same wherever a dossier is shown."""
        return FileResponse(STYLE, media_type="text/css")

    async def icon(self, _request: Request) -> Response:
        """The icon."""
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")

    def _begin(self, owner: str, provider: str, person: str) -> BrowserVisit:
        """A visit for the user's own data, or for those of a person for whom the user keeps a record here as well."""
        found = next((one for one in self._mandates(provider) if one.person.id == person), None)
        if found is None:
            return self._visits.begin(owner, authorization_request(self._gateway, provider))
        asked = authorization_request(self._gateway, provider, f"{provider} {found.kind}", found.person.born)
        return self._visits.begin(owner, asked, found.person.name)

    def _mandates(self, provider: str) -> tuple[Mandate, ...]:
        return self._world.mandates_at(provider) if self._representing else ()

    def _pgo(self) -> PgoClient:
        # Connected on first use: a mounted application has no start-up of its own.
        if self._http is None:
            self._http = connect(timeout=NATIONAL.whole)
        return PgoClient(self._http, self._gateway)

    def _find(self, request: Request) -> BrowserVisit | None:
        return self._visits.find(request.path_params["visit"], request.cookies.get(COOKIE, ""))

    @staticmethod
    def _answer(visit: BrowserVisit | None, id_: str) -> SearchAnswer | None:
        return next((one for one in (visit.answers if visit is not None else ()) if one.id == id_), None)

    def _message(self, text: str, status: int, title: str = "Demo PGO") -> Response:
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
    gateway = GatewayEndpoints(base_url=base_url, redirect_uri=f"{base_url}{prefix}/callback")
    pages = Pages(gateway, http, load(datetime.now(UTC).date()), prefix, representing=representing)
    return Starlette(
        routes=[
            Route("/", pages.home),
            Route("/bezoek", pages.start, methods=["POST"]),
            Route("/callback", pages.callback),
            Route("/delen", pages.send_form),
            Route("/delen", pages.send, methods=["POST"]),
            Route("/delen/{sending}", pages.sent),
            Route("/bezoek/{visit}", pages.visit),
            Route("/bezoek/{visit}/alles", pages.visit),
            Route("/bezoek/{visit}/deel/{part}", pages.visit),
            Route("/bezoek/{visit}/releases", pages.releases),
            Route("/bezoek/{visit}/vragenlijst/{task}", pages.questionnaire, methods=["GET", "POST"]),
            Route("/bezoek/{visit}/opnieuw", pages.again, methods=["POST"]),
            Route("/bezoek/{visit}/{section}/document/{binary}", pages.document),
            Route("/bezoek/{visit}/{section}.{form}", pages.raw),
            Route("/logo/{provider}.svg", pages.logo),
            Route("/pgo.css", pages.style),
            Route("/dossier.css", pages.dossier_style),
            Route("/icon.svg", pages.icon),
        ],
        exception_handlers={404: pages.missing},
    )
