"""A small gateway for PGO tests: OAuth pages with a secure cookie, a token endpoint, and FHIR answers by path."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from workbench.pgo.endpoints import GatewayEndpoints

BASE = "http://gateway.test"
SETTINGS = GatewayEndpoints(BASE, f"{BASE}/demo-pgo/callback")
PDF = b"%PDF-1.7 fictief"

Answer = tuple[int, dict[str, Any]]


def bundle(*entries: tuple[dict[str, Any], str]) -> Answer:
    """A searchset with resources and their search modes."""
    found = [{"resource": resource, "search": {"mode": mode}} for resource, mode in entries]
    return 200, {"resourceType": "Bundle", "type": "searchset", "entry": found}


def outcome(text: str) -> dict[str, Any]:
    """An OperationOutcome with one sentence."""
    issue = {"severity": "error", "code": "transient", "details": {"text": text}}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


class FakeGateway:
    """What a visit meets. ``answers`` maps the path and query after ``/fhir/`` to an answer; the rest is empty."""

    def __init__(self, services: str = "48", answers: dict[str, Answer] | None = None) -> None:
        self.services = services
        self.answers = answers or {}
        self.requests: list[httpx.URL] = []
        self.headers: list[dict[str, str]] = []
        self.refuse = ""
        self.ended = False
        self.seconds = 0.005
        self.at_once = self.most_at_once = 0
        self.app = Starlette(
            routes=[
                Route("/oauth/authorize", self.authorize),
                Route("/visit/continue", self.proceed, methods=["POST"]),
                Route("/idp/login", self.login, methods=["GET", "POST"]),
                Route("/visit/decide", self.decide, methods=["GET", "POST"]),
                Route("/oauth/token", self.token, methods=["POST"]),
                Route("/{provider}/{service}/fhir/{path:path}", self.fhir),
            ]
        )
        self.asked: dict[str, str] = {}
        self.sent: dict[str, str] = {}

    @property
    def transport(self) -> httpx.ASGITransport:
        """To reach it without a network."""
        return httpx.ASGITransport(app=self.app)

    async def authorize(self, request: Request) -> Response:
        self.asked = dict(request.query_params)
        page = """<h1>U gaat naar het ziekenhuis</h1>
          <form method="post" action="/visit/cancel"><button>Annuleren</button></form>
          <form method="post" action="visit/continue"><input type="hidden" name="csrf" value="c1">
          <button type="submit">Inloggen</button></form>"""
        response = HTMLResponse(page.replace('"visit/', '"/visit/'))
        response.set_cookie("__Host-visit", "secret", secure=True, httponly=True, path="/")
        return response

    async def proceed(self, request: Request) -> Response:
        form = await request.form()
        if request.cookies.get("__Host-visit") != "secret" or form.get("csrf") != "c1":
            return HTMLResponse("<h1>Deze pagina is verlopen</h1>", 400)
        return RedirectResponse("/idp/login", 303)

    async def login(self, request: Request) -> Response:
        if request.method == "GET":
            return HTMLResponse("""<h1>Testlogin</h1><form method="post"><input type="hidden" name="ticket" value="t1">
              <input type="radio" id="a" name="bsn" value="1"><label for="a">Bram Oudejans <i>999</i></label>
              <input type="radio" id="b" name="bsn" value="2"><label for="b">Joke van Veldhuizen</label>
              <select name="level"><option value="1">Basis</option><option value="2" selected>Midden</option></select>
              <button name="action" value="login">Inloggen</button>
              <button name="action" value="cancel">Annuleren</button></form>""")
        self.sent = {name: str(value) for name, value in (await request.form()).items()}
        return RedirectResponse("/visit/decide", 303)

    async def decide(self, request: Request) -> Response:
        if request.method == "GET":
            return HTMLResponse("""<h1>Mag dit?</h1><form method="post">
              <input type="checkbox" id="l" name="duration" value="lasting"><label for="l">Doorlopend</label>
              <button name="decision" value="refuse">Nee, ik geef geen toestemming</button>
              <button name="decision" value="give">Ja, ik geef toestemming</button></form>""")
        self.sent |= {name: str(value) for name, value in (await request.form()).items()}
        answer = {"error": self.refuse} if self.refuse else {"code": "once"}
        return RedirectResponse(
            f"{self.asked['redirect_uri']}?{urlencode({**answer, 'state': self.asked['state']})}", 302
        )

    async def token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        self.headers.append(dict(request.headers))
        if form.get("code") != ["once"] and (self.ended or form.get("refresh_token") != ["r"]):
            return JSONResponse({"error": "invalid_grant"}, 400)
        scope = " ".join(f"ziekenhuiszandoord~{service}" for service in self.services.split())
        answer = {"access_token": "a-token", "token_type": "Bearer", "expires_in": 900, "refresh_token": "r"}
        return JSONResponse({**answer, "scope": scope})

    async def fhir(self, request: Request) -> Response:
        self.requests.append(httpx.URL(str(request.url)))
        self.headers.append(dict(request.headers))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(self.seconds)
        self.at_once -= 1
        if self.ended or request.headers.get("authorization") != "Bearer a-token":
            return JSONResponse(outcome("no token"), 401)
        if request.headers["accept"] == "application/pdf":
            return Response(PDF, media_type="application/pdf")
        path = request.path_params["path"] + (f"?{unquote(request.url.query)}" if request.url.query else "")
        status, body = self.answers.get(path.partition("&_include")[0].partition("?_include")[0], bundle())
        media = request.headers["accept"].partition(";")[0]
        if media.endswith("xml"):
            return Response(b"<Bundle/>", media_type=media)
        return Response(json.dumps(body), status, media_type=media)


def client(gateway: FakeGateway) -> httpx.AsyncClient:
    """A client that reaches the fake."""
    return httpx.AsyncClient(transport=gateway.transport, base_url=BASE)


class Browser:
    """A browser at an ASGI application, with one event loop for as long as it is open; redirects are looked at."""

    def __init__(self, app: Any) -> None:
        self._runner = asyncio.Runner()
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE)

    def get(self, url: str, **query: str) -> httpx.Response:
        """GET a page."""
        return self._runner.run(self._http.get(url, params=query or None))

    def post(self, url: str, **form: str) -> httpx.Response:
        """Send a form."""
        return self._runner.run(self._http.post(url, data=form))

    @property
    def cookies(self) -> httpx.Cookies:
        """The cookie jar."""
        return self._http.cookies

    def close(self) -> None:
        """Close the browser and its loop."""
        self._runner.run(self._http.aclose())
        self._runner.close()
