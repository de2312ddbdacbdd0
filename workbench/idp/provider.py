"""An OpenID Connect provider in the box, for tests and the demo: fictitious persons, no passwords, real protocol.

An ASGI application of its own with its own signing key, reached over HTTP like any provider. Production never starts
it: the settings refuse a login issuer without https, and the gateway mounts this in test mode only.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from jinja2 import Environment, PackageLoader, StrictUndefined
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from auth.bridges import OidcSettings
from auth.crypto import valid_bsn
from auth.pages.catalogue import Texts, choose_language, read_catalogue
from auth.pages.static import static_file
from auth.ports import Level

CATALOGUE = read_catalogue("workbench.idp")
_CODE_SECONDS, _LOGIN_SECONDS, _MOST = 60, 900, 10_000


@dataclass(frozen=True, slots=True)
class TestPerson:
    """A fictitious person that can be chosen on the login page."""

    __test__ = False

    bsn: str
    name: str
    birth_date: date | None = None
    about: str = ""
    represents: Mapping[str, str] = field(default_factory=dict)
    """For whom this person may act: citizen number to the kind of representation, a value of `representations`."""


@dataclass(frozen=True, slots=True)
class _Pending:
    query: dict[str, str]
    started: float
    who: tuple[str, str] | None = None
    """Number and level of who logged in and must still say for whom."""


@dataclass(frozen=True, slots=True)
class _Code:
    claims: dict[str, Any]
    redirect_uri: str
    challenge: str
    made: float = field(default_factory=time.monotonic)


class TestProvider:
    """The provider: pages, codes, ID tokens."""

    __test__ = False

    def __init__(
        self, settings: OidcSettings, persons: Sequence[TestPerson], callbacks: Sequence[str], key: ECKey | None = None
    ) -> None:
        self._settings = settings
        self._persons = {person.bsn: person for person in persons}
        self._callbacks = frozenset(callbacks)
        self._key = key or ECKey.generate_key("P-256", {"kid": secrets.token_hex(8), "use": "sig", "alg": "ES256"})
        self._pending: dict[str, _Pending] = {}
        self._codes: dict[str, _Code] = {}
        self.sessions: list[tuple[str, str]] = []
        """Subject and session number of each login, the last thousand."""
        self.logouts: list[dict[str, str]] = []
        """What came to the end of a session, the last thousand."""
        self._pages = Environment(
            loader=PackageLoader("workbench.idp"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.metadata),
                Route("/jwks", self.keys),
                Route("/authorize", self.authorize),
                Route("/login", self.login, methods=["POST"]),
                Route("/token", self.token, methods=["POST"]),
                Route("/logout", self.end_session, methods=["GET", "POST"]),
                Route("/style.css", self.style),
            ]
        )

    async def metadata(self, _request: Request) -> Response:
        """Discovery document."""
        issuer = self._settings.issuer
        return JSONResponse(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "jwks_uri": f"{issuer}/jwks",
                "end_session_endpoint": f"{issuer}/logout",
                "backchannel_logout_supported": True,
                "backchannel_logout_session_supported": True,
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"],
                "acr_values_supported": list(self._settings.levels),
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
            }
        )

    async def keys(self, _request: Request) -> Response:
        """Public signing keys."""
        return JSONResponse(KeySet([self._key]).as_dict(private=False))

    async def authorize(self, request: Request) -> Response:
        """The login page."""
        query = dict(request.query_params)
        if query.get("redirect_uri") not in self._callbacks or query.get("client_id") != self._settings.client_id:
            return self._stop(request, "idp.unknown")
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            return self._back(query, {"error": "invalid_request"})
        if len(self._pending) > _MOST:
            self._pending.clear()
        ticket = secrets.token_urlsafe(24)
        self._pending[ticket] = _Pending(query, time.monotonic())
        return self._page(ticket, query)

    async def login(self, request: Request) -> Response:
        """The person chose: on to the question for whom, back with a code, or back with a cancellation."""
        form = await request.form()
        pending = self._pending.pop(str(form.get("ticket", "")), None)
        if pending is None or time.monotonic() - pending.started > _LOGIN_SECONDS:
            return self._stop(request, "idp.expired")
        query = pending.query
        if form.get("action") == "cancel":
            return self._back(query, {"error": "access_denied"})
        who = pending.who or self._who(form)
        if who is None:
            return self._page(self._again(pending), query, wrong=True, status=400)
        if query.get("representation") and "for" not in form:
            return self._for_whom(replace(pending, who=who), who[0], wrong=pending.who is not None)
        claims = self._claims(*who, query, str(form.get("for") or ""))
        code = secrets.token_urlsafe(32)
        if len(self._codes) > _MOST:
            self._codes.clear()
        self._codes[code] = _Code(claims, query["redirect_uri"], query.get("code_challenge", ""))
        return self._back(query, {"code": code})

    async def end_session(self, request: Request) -> Response:
        """RP-initiated logout: back to who asked, as long as that is us."""
        asked = request.query_params if request.method == "GET" else await request.form()
        query = {name: str(value) for name, value in asked.items()}
        back = query.get("post_logout_redirect_uri", "")
        ours = {callback.removesuffix("/callback") + "/logged-out" for callback in self._callbacks}
        if back not in ours or query.get("client_id") != self._settings.client_id:
            return self._stop(request, "idp.unknown")
        self.logouts = [*self.logouts[-999:], query]
        return RedirectResponse(f"{back}?{urlencode({'state': query.get('state', '')})}", 303)

    def logout_token(self, **claims: Any) -> str:
        """A logout token as the provider's server would send it; None leaves a claim out."""
        now = int(time.time())
        event: dict[str, Any] = {"http://schemas.openid.net/event/backchannel-logout": {}}
        std = {"iss": self._settings.issuer, "aud": self._settings.client_id, "iat": now, "exp": now + 120}
        said = {**std, "jti": secrets.token_urlsafe(12), "events": event, **claims}
        header = {"alg": "ES256", "kid": self._key.kid, "typ": "logout+jwt"}
        return jwt.encode(header, {name: value for name, value in said.items() if value is not None}, self._key)

    async def style(self, _request: Request) -> Response:
        """The same style sheet as the gateway's own pages."""
        return Response(static_file("style.css"), media_type="text/css")

    async def token(self, request: Request) -> Response:
        """Code against ID token."""
        form = await request.form()
        issued = self._codes.pop(str(form.get("code", "")), None)
        verifier = str(form.get("code_verifier", ""))
        if (
            issued is None
            or time.monotonic() - issued.made > _CODE_SECONDS
            or form.get("redirect_uri") != issued.redirect_uri
            or create_s256_code_challenge(verifier) != issued.challenge
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {**issued.claims, "iss": self._settings.issuer, "aud": self._settings.client_id, "iat": now}
        header = {"alg": "ES256", "kid": self._key.kid}
        id_token = jwt.encode(header, {**claims, "exp": now + 120}, self._key)
        answer = {"access_token": secrets.token_urlsafe(24), "token_type": "Bearer", "id_token": id_token}
        return JSONResponse({**answer, "expires_in": 120}, headers={"Cache-Control": "no-store"})

    def _who(self, form: FormData) -> tuple[str, str] | None:
        """Number and level that were chosen; None when they are not fit."""
        bsn = str(form.get("typed") or form.get("bsn") or "").strip()
        levels = {str(int(level)): name for name, level in self._settings.levels.items()}
        level = levels.get(str(form.get("level") or int(Level.MIDDEN)))
        return (bsn, level) if valid_bsn(bsn) and level is not None else None

    def _claims(self, bsn: str, level: str, query: dict[str, str], represented: str) -> dict[str, Any]:
        names = self._settings.claims
        subject = represented if represented and valid_bsn(represented) else bsn
        person = self._persons.get(subject)
        claims: dict[str, Any] = {**self._protocol(query), names.bsn: subject, names.level: level}
        if person is not None and person.birth_date is not None:
            claims[names.birth_date] = person.birth_date.isoformat()
        if subject != bsn:
            claims["act"] = {"bsn": bsn}
            claims[names.representation] = query.get("representation") or "voluntary"
        return claims

    def _protocol(self, query: dict[str, str]) -> dict[str, Any]:
        """What every login says."""
        drawn = {"sub": secrets.token_hex(16), "sid": secrets.token_hex(16)}
        self.sessions = [*self.sessions[-999:], (drawn["sub"], drawn["sid"])]
        return {**drawn, "auth_time": int(time.time()), "nonce": query.get("nonce", "")}

    def _again(self, pending: _Pending) -> str:
        ticket = secrets.token_urlsafe(24)
        self._pending[ticket] = pending
        return ticket

    def _page(self, ticket: str, query: dict[str, str], *, wrong: bool = False, status: int = 200) -> Response:
        levels = [(int(level), level.name.capitalize()) for level in Level]
        shown = {"persons": list(self._persons.values()), "levels": levels, "chosen_level": int(Level.MIDDEN)}
        return self._html("login.html", query, status, ticket=ticket, wrong=wrong, **shown)

    def _for_whom(self, pending: _Pending, bsn: str, *, wrong: bool) -> Response:
        """The choice of the person to act for: those for whom who logged in may do what was asked."""
        kind, me = self._settings.representations.get(pending.query["representation"]), self._persons.get(bsn)
        others = [self._persons[other] for other, given in (me.represents if me else {}).items() if given == kind]
        shown = {"ticket": self._again(pending), "others": others, "wrong": wrong, "me": me.name if me else bsn}
        return self._html("for.html", pending.query, 400 if wrong else 200, **shown)

    def _stop(self, request: Request, reason: str) -> Response:
        """A page that leads nowhere: nobody may be sent back."""
        language = choose_language(request.query_params.get("ui_locales"), request.headers.get("accept-language"))
        html = self._pages.get_template("stop.html").render(
            reason=reason, t=Texts(language, CATALOGUE), style=f"{urlsplit(self._settings.issuer).path}/style.css"
        )
        return HTMLResponse(html, 400, headers=_headers("'self'"))

    def _html(self, template: str, query: dict[str, str], status: int, **shown: object) -> Response:
        base = urlsplit(self._settings.issuer).path
        html = self._pages.get_template(template).render(
            action=f"{base}/login",
            style=f"{base}/style.css",
            t=Texts(choose_language(query.get("ui_locales"), None), CATALOGUE),
            **shown,
        )
        parts = urlsplit(query["redirect_uri"])
        return HTMLResponse(html, status, headers=_headers(f"'self' {parts.scheme}://{parts.netloc}"))

    def _back(self, query: dict[str, str], answer: dict[str, str]) -> Response:
        pairs = {**answer, "state": query.get("state", ""), "iss": self._settings.issuer}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(pairs)}", 302)


def _headers(forms: str) -> dict[str, str]:
    policy = (
        f"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action {forms}"
    )
    return {"Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
