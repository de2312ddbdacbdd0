"""Turns contexts into HTTP answers: template, texts, headers, cookies. The only place that knows the page's look."""

import secrets
import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from auth.flows.session import Session
from auth.pages.catalogue import CATALOGUE, Texts
from auth.pages.contexts import Consent, Context, Frame, Onward
from auth.parts import Parts
from auth.ports import Provider

VISIT = "/oauth/visit/"


class Presenter:
    """Renders pages in the language of the visit."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._templates = Environment(
            loader=PackageLoader("auth.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._headers = _security_headers(parts)

    def page(
        self,
        context: Context,
        *,
        language: str,
        content: Session | None = None,
        status: int = 200,
        trace_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """One page. `content` names the provider and the client; without it the page stays general."""
        provider = self._provider(content)
        texts = self.texts(language, content)
        frame = Frame(
            language=language,
            provider=provider.display_name if provider else None,
            brand=provider.display_name if provider else self._parts.settings.dva_name,
            logo=provider.logo if provider else None,
            trace_id=trace_id or (content.correlation_id if content else None) or str(uuid.uuid4()),
            session_id=content.id if content else secrets.token_urlsafe(16),
            other_language=_other(content, language) if status == 200 else None,
        )
        more: dict[str, Any] = {}
        if isinstance(context, Consent):
            more["explanations"] = _explanations(context.kind)
        title = texts(context.title)
        html = self._templates.get_template(context.template).render(
            page=context, frame=frame, t=texts, title=title, **more
        )
        return HTMLResponse(html, status, headers={**self._headers, **(headers or {})})

    def redirect(self, location: str, status: int = 303) -> Response:
        """Send the browser on. 303 within our pages and to the login, 302 to the client (AUTH-13)."""
        headers = {name: value for name, value in self._headers.items() if name != "Content-Security-Policy"}
        answer = RedirectResponse("/", status, headers=headers)
        answer.headers["location"] = location
        return answer

    def onward(self, what: str, url: str, fields: Mapping[str, str], content: Session) -> Response:
        """Send the browser to the login bridge, by a page with one button when it has to post something."""
        if not fields:
            return self.redirect(url)
        return self.page(Onward(what, url, tuple(fields.items())), language=content.language, content=content)

    def texts(self, language: str, content: Session | None) -> Texts:
        """The texts of a visit, with the names filled in."""
        provider = self._provider(content)
        general = CATALOGUE[language]["frame"]["provider"]
        settings = self._parts.settings
        acting = content.representation if content else None
        return Texts(
            language,
            whose=CATALOGUE[language]["whose"][acting] if acting else "",
            provider=provider.display_name if provider else general,
            client=content.organisation if content else "",
            dva=settings.dva_name,
            phone=settings.dva_phone,
        )

    def service_names(self, provider: Provider | None, services: tuple[str, ...]) -> tuple[str, ...]:
        """Display names: the national list's, else the provider's, without the verb in front."""
        return tuple(_plain(self._service_name(provider, service)) for service in services)

    def _service_name(self, provider: Provider | None, service: str) -> str:
        listed = self._parts.lists.names.find(service)
        if listed is not None:
            return listed
        info = provider.services.get(service) if provider else None
        return info.name if info is not None else service

    def _provider(self, content: Session | None) -> Provider | None:
        return self._parts.providers.find(content.provider) if content and content.provider else None

    # --- cookies ---------------------------------------------------------------------------------------------------

    def cookie_name(self, session_id: str) -> str:
        """One cookie per visit, so that a second tab is a second visit (AUTH-17)."""
        return f"{'__Host-' if self._parts.settings.secure_cookies else ''}medmij-{session_id}"

    def set_cookie(self, answer: Response, session_id: str, secret: str) -> None:
        """Give the browser its secret, until it closes; the server ends an idle visit sooner."""
        settings = self._parts.settings
        answer.set_cookie(
            self.cookie_name(session_id),
            secret,
            path="/",
            secure=settings.secure_cookies,
            httponly=True,
            samesite="lax",
        )

    def drop_cookie(self, answer: Response, session_id: str) -> None:
        """Take the secret back at the end of a visit."""
        answer.delete_cookie(
            self.cookie_name(session_id), path="/", secure=self._parts.settings.secure_cookies, httponly=True
        )


def _security_headers(parts: Parts) -> dict[str, str]:
    settings = parts.settings
    images = " ".join(("'self'", *settings.image_sources))
    # form-action also governs the redirects after a form was posted: to the login, to the client, and to wherever the
    # client's callback leads. Those are https in production; test mode has plain HTTP neighbours besides.
    forms = "'self' https:" + (" http:" if settings.mode == "test" else "")
    policy = (
        f"default-src 'none'; style-src 'self'; img-src {images}; form-action {forms}; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if urlsplit(settings.base_url).scheme == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


def _explanations(kind: str) -> list[str]:
    """Every text of the explanation block, in the order of the catalogue; the privacy link comes last (UI-10)."""
    names = [name for name in CATALOGUE["nl"][kind] if name.startswith("explain_") and name != "explain_privacy"]
    return [f"{kind}.{name}" for name in names]


def _other(content: Session | None, language: str) -> str | None:
    if content is None or content.id == "-":  # a visit that is over has no page in another language
        return None
    return f"{VISIT}{content.id}?lang={'en' if language == 'nl' else 'nl'}"


def day_of(iso: str) -> str:
    """A day as the pages write it."""
    return date.fromisoformat(iso).strftime("%d-%m-%Y")


def _plain(name: str) -> str:
    for verb in ("Verzamelen ", "Delen "):
        name = name.removeprefix(verb)
    return name
