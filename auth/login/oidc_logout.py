"""Single logout over OpenID Connect: RP-Initiated Logout 1.0, and the Front-Channel and Back-Channel Logout 1.0 of the
provider.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from auth.login.leaving import LOGGED_OUT, Departure, Heard, LogoutAsk, LogoutCall, Over
from auth.login.oidc import OidcLogin
from auth.login.port import LoginFailed, LoginUnavailable

EVENT = "http://schemas.openid.net/event/backchannel-logout"


class OidcLogout:
    """`SingleLogout` over OpenID Connect. Takes the login, and our base URL."""

    def __init__(self, login: OidcLogin, base_url: str) -> None:
        self._login = login
        self._settings = login.settings
        self._base = base_url

    async def leave(self, kept: Mapping[str, str], ask: LogoutAsk) -> Departure | None:
        """To the provider's end_session_endpoint. Raises LoginUnavailable when it has none.

        The ID token holds the citizen number, so it goes in a form and never in the address.
        """
        address = (await self._login.discovered()).get("end_session_endpoint")
        if not isinstance(address, str):
            raise LoginUnavailable("the provider has no end_session_endpoint")
        fields = {
            "client_id": self._settings.client_id,
            "post_logout_redirect_uri": self._base + LOGGED_OUT,
            "state": ask.state,
            "ui_locales": ask.language,
        }
        if self._settings.single_logout == "post":
            return Departure(address, {"id_token_hint": kept["id_token"], **fields})
        return Departure(f"{address}{'&' if '?' in address else '?'}{urlencode(fields)}")

    async def hear(self, call: LogoutCall, now: datetime) -> Heard:
        """A logout token of the provider's server, or its frame. Raises LoginFailed or LoginUnavailable."""
        if call.way == "server":
            return Heard(await self._told(call.form.get("logout_token", ""), now), reply=b"")
        query = parse_qs(call.query.decode("ascii", "replace"))
        issuer, session = query.get("iss", []), query.get("sid", [])
        if issuer != [self._settings.issuer] or len(session) != 1:
            raise LoginFailed("logout-frame")
        parts = urlsplit(self._settings.issuer)
        # A frame does not say when it was made, and the provider's clock, by which a login began, may be ahead of ours.
        at = now + timedelta(seconds=self._settings.clock_leeway_seconds)
        return Heard(Over("", (session[0],), at), framed_by=f"{parts.scheme}://{parts.netloc}")

    async def _told(self, token: str, now: datetime) -> Over:
        """What a logout token says (Back-Channel Logout 2.4 and 2.6)."""
        signed = await self._login.signed(token)
        claims: Mapping[str, Any] = signed.claims
        if str(signed.header.get("typ", "JWT")).lower() not in {"jwt", "logout+jwt"}:
            raise LoginFailed("logout-type")
        self._for_us(claims)
        at = self._moment(claims, now)
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict) or "nonce" in claims:
            raise LoginFailed("logout-event")
        subject, session = claims.get("sub", ""), claims.get("sid", "")
        if not isinstance(subject, str) or not isinstance(session, str) or not (subject or session):
            raise LoginFailed("logout-whom")
        return Over(subject, (session,) if session else (), at)

    def _for_us(self, claims: Mapping[str, Any]) -> None:
        audience = claims.get("aud")
        if claims.get("iss") != self._settings.issuer:
            raise LoginFailed("logout-issuer")
        if self._settings.client_id not in (audience if isinstance(audience, list) else [audience]):
            raise LoginFailed("logout-audience")
        if not isinstance(claims.get("jti"), str) or not claims["jti"]:
            raise LoginFailed("logout-id")

    def _moment(self, claims: Mapping[str, Any], now: datetime) -> datetime:
        """When it was said: lately, and not past its own end."""
        issued, ends = claims.get("iat"), claims.get("exp", now.timestamp())
        if not isinstance(issued, int | float) or not isinstance(ends, int | float):
            raise LoginFailed("stale")
        leeway, age = self._settings.clock_leeway_seconds, now.timestamp() - issued
        if not -leeway <= age <= self._settings.max_age_seconds + leeway or ends < now.timestamp() - leeway:
            raise LoginFailed("stale")
        return datetime.fromtimestamp(issued, UTC)
