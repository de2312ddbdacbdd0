"""The way through the pages without a browser: every page is read and answered as a person would."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

from workbench.pgo import forms
from workbench.pgo.client import PgoClient
from workbench.pgo.endpoints import Dva
from workbench.pgo.oauth import PendingAuthorization, PgoError, Tokens, authorization_request

MOST_PAGES, MOST_HOPS = 12, 40


class VisitError(Exception):
    """A visit that could not be finished; the text says where it stopped."""


@dataclass(frozen=True, slots=True)
class PageMet:
    """One page that was met: its heading, the button that was pressed, and how long it took."""

    title: str
    pressed: str
    milliseconds: int


Met = Callable[[PageMet], None]


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


class PageWalk:
    """One person on the pages of a DVA. ``http`` must not follow redirects: the walk looks at every one of them."""

    def __init__(self, http: httpx.AsyncClient, redirect_uri: str, person: str, aids: Aids = NO_AIDS) -> None:
        self._http = http
        self._redirect_uri = redirect_uri
        self._person = person
        self._aids = aids
        self._cookies: dict[tuple[str, str], str] = {}

    async def authorize(self, asked: PendingAuthorization, met: Met = lambda _page: None) -> dict[str, str]:
        """Landing, login and consent, to the answer that the browser would bring to the PGO. Raises VisitError."""
        response = await self._get(asked.url)
        hops = 0
        for _ in range(MOST_PAGES):
            while response.has_redirect_location:
                hops += 1
                if hops > MOST_HOPS:
                    raise VisitError("the redirects of the visit do not come to an end")
                target = urljoin(str(response.url), response.headers["location"])
                if target.partition("?")[0] == self._redirect_uri:
                    return dict(parse_qsl(urlsplit(target).query))
                response = await self._get(target)
            response = await self._answer(response, met)
        raise VisitError("the pages of the visit do not come to an end")

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
            # Names only: what stands behind them on the page of a test login are numbers.
            there = "; ".join(re.split(r"[\d(,]", one.label)[0].strip() for one in form.choices if one.kind == "radio")
            raise VisitError(f"{self._person} is not on the page {title!r}; on it are: {there}"[:500])
        start = time.perf_counter()
        url = urljoin(str(page.url), form.action)
        origin = {"Origin": _origin(str(page.url))}
        values = form.values(mine, button) | self._aids.of(form)
        response = await self._send(form.method.upper(), url, origin, values)
        met(PageMet(title, button.label, round((time.perf_counter() - start) * 1000)))
        return response


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def admitted(
    http: httpx.AsyncClient, dva: Dva, provider: str, person: str, met: Met = lambda _page: None
) -> Tokens:
    """A person goes through the pages, asked for all that the provider can deliver, and the PGO gets its tokens.

    Raises VisitError.
    """
    asked = authorization_request(dva, provider)
    answer = await PageWalk(http, dva.redirect_uri, person).authorize(asked, met)
    try:
        return await PgoClient(http, dva).redeem(asked, answer)
    except PgoError as error:
        raise VisitError(f"{error} ({error.code})") from error
