"""The OpenAPI UI at /docs: Swagger UI from our own host, with an Authorize button that works against the test mode.

A token is of one provider, so the page shows one provider, and only what that provider offers: whatever is listed can
be reached with its Authorize button. A provider with many services is shown service by service, which opens fast.
"""

import html
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from auth.ports import ServiceInfo
from gateway.http.api import described
from gateway.http.docspage import PAGE, RETURN, RETURNED, START, STYLE
from gateway.http.openapi import JsonObject
from gateway.providers import Registry
from profiles.standards.load import catalogue

CLIENT = "openapi.demo.example"
"""The OAuth client of the UI: an ordinary entry of the demo's client list."""

MOST_AT_ONCE = 12
"""Services that one page shows; with more, it shows the first one and links to the others."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class DocsView:
    """What one page of the UI shows: a provider, and of it all services or some."""

    provider: str
    services: Mapping[str, ServiceInfo]
    shown: tuple[str, ...]

    @property
    def query(self) -> str:
        """The parameters that lead here. Every part is a name of ours."""
        alone = self.shown[0] if len(self.shown) == 1 else ""
        return f"provider={self.provider}" + (f"&service={alone}" if alone else "")

    @property
    def document(self) -> str:
        """The address of the document."""
        return f"/docs/openapi.json?{self.query}"


def view_of(request: Request, registry: Registry) -> DocsView | None:
    """What a request wants to see: by default the first provider; None when there is no such provider or service."""
    name = request.query_params.get("provider") or registry.names()[0]
    provider = registry.find(name)
    if provider is None:
        return None
    service = request.query_params.get("service", "")
    if service and service not in provider.services:
        return None
    every = tuple(provider.services)
    return DocsView(
        name, provider.services, (service,) if service else every[: None if len(every) <= MOST_AT_ONCE else 1]
    )


def routes(base_url: str, registry: Registry) -> list[Route | Mount]:
    """The page, its scripts, its documents, and the page to which the authorization server sends the browser back."""
    headers = {"content-security-policy": POLICY, "referrer-policy": "no-referrer", "cache-control": "no-store"}

    @lru_cache(maxsize=256)
    def document(provider: str, services: tuple[str, ...], version: str) -> bytes:
        made: JsonObject = described(catalogue(), provider, base_url, frozenset(services))
        return json.dumps(made | {"openapi": version}, ensure_ascii=False).encode()

    def shown(make: Callable[[DocsView], Response]) -> Callable[[Request], Response]:
        # Not async: making a document takes a moment, and the framework runs it beside the requests.
        def answer(request: Request) -> Response:
            view = view_of(request, registry)
            return make(view) if view is not None else _unknown(registry, headers)

        return answer

    def page(view: DocsView) -> Response:
        return HTMLResponse(PAGE % _links(view, registry), headers=headers)

    def start(view: DocsView) -> Response:
        values = {
            "document": view.document,
            "redirect": f"{base_url}/docs/oauth2-redirect",
            "client": CLIENT,
            "scopes": view.provider,
            "request": str(uuid.uuid4()),
            "correlation": str(uuid.uuid4()),
        }
        script = START % {name: json.dumps(value) for name, value in values.items()}
        return Response(script, media_type="text/javascript", headers=headers)

    def whole(view: DocsView) -> Response:
        return Response(document(view.provider, tuple(view.services), "3.1.0"), media_type="application/json")

    def part(view: DocsView) -> Response:
        # The UI resolves 3.1 with a reader that is three times as slow, and shows the same.
        return Response(document(view.provider, view.shown, "3.0.3"), media_type="application/json")

    async def style(_request: Request) -> Response:
        return Response(STYLE, media_type="text/css", headers=headers)

    async def returned(_request: Request) -> Response:
        return HTMLResponse(RETURN, headers=headers)

    async def return_script(_request: Request) -> Response:
        return Response(RETURNED, media_type="text/javascript", headers=headers)

    assets = Path(str(files("fastapi_swagger") / "resources"))
    return [
        Route("/openapi.json", shown(whole)),
        Route("/docs", shown(page)),
        Route("/docs/openapi.json", shown(part)),
        Route("/docs/start.js", shown(start)),
        Route("/docs/start.css", style),
        Route("/docs/oauth2-redirect", returned),
        Route("/docs/return.js", return_script),
        Mount("/docs/assets", StaticFiles(directory=assets)),
    ]


def _links(view: DocsView, registry: Registry) -> dict[str, str]:
    def link(query: str, text: str, current: bool) -> str:
        mark = ' aria-current="page"' if current else ""
        return f'<a href="/docs?{html.escape(query)}"{mark}>{html.escape(text)}</a>'

    alone = view.shown[0] if len(view.shown) == 1 else ""
    rows = [(one.id, f"{one.id} {one.name}") for one in view.services.values()]
    return {
        "providers": " ".join(link(f"provider={name}", name, name == view.provider) for name in registry.names()),
        "open": " open" if len(view.shown) < len(view.services) else "",
        "chosen": html.escape(dict(rows).get(alone, "all")),
        "services": "".join(
            f"<li>{link(f'provider={view.provider}&service={id_}', text, id_ == alone)}</li>" for id_, text in rows
        ),
        "document": html.escape(f"/openapi.json?provider={view.provider}"),
        "query": html.escape(view.query),
    }


def _unknown(registry: Registry, headers: Mapping[str, str]) -> Response:
    """Providers are on a public list, so that they may be named; what was asked is not repeated."""
    rows = "".join(f'<li><a href="/docs?provider={name}">{html.escape(name)}</a></li>' for name in registry.names())
    text = (
        f'<!doctype html><html lang="en"><title>Not here</title><p>There is no such provider or service. '
        f"Here are:</p><ul>{rows}</ul></html>"
    )
    return HTMLResponse(text, 404, headers=dict(headers))
