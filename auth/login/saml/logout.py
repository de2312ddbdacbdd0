"""Single logout over SAML 2.0 (core 3.7, profiles 4.4): ours to the bridge, and the bridge's to us.

Ours goes from server to server where the bridge takes that, so that no name stands in the browser. By redirect it goes
only when the name is not the citizen number: what stands in an address stands in logs.
"""

import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import parse_qs

import anyio.to_thread
from lxml import etree

from auth.login.leaving import LOGOUT, LOGOUT_BACK, Departure, Heard, LogoutAsk, LogoutCall, Over, Returned
from auth.login.port import LoginFailed, LoginUnavailable
from auth.login.saml.assertion import STATUS, name_of, statuses
from auth.login.saml.client import SamlLogin, unpacked
from auth.login.saml.reading import LARGEST, PROTOCOL, SAML, SIGNATURE, SOAP, NotReadable, moment, only, parsed, text
from auth.login.saml.requests import in_envelope, message_of, new_id, through_browser
from auth.login.saml.signatures import verified, verify_query

_SUCCESS = STATUS + "Success"
_USER = "urn:oasis:names:tc:SAML:2.0:logout:user"


class SamlLogout:
    """`SingleLogout` over SAML 2.0. Takes the login, and our base URL."""

    def __init__(self, login: SamlLogin, base_url: str) -> None:
        self._login = login
        self._settings = login.settings
        self._base = base_url

    async def leave(self, kept: Mapping[str, str], ask: LogoutAsk) -> Departure | None:
        """Send a LogoutRequest, from server to server or with the browser. Raises LoginUnavailable."""
        bridge, signing = self._login.metadata(), self._login.signing
        binding = next((way for way in self._ways() if way in bridge.logout), None)
        if binding is None:
            raise LoginUnavailable("the bridge takes no logout on a way that is fit for the name")
        address, request_id = bridge.logout[binding], new_id()
        request = message_of("LogoutRequest", request_id, self._settings, address)
        request.set("Reason", _USER)
        request.append(parsed(kept["name"].encode()))
        if kept.get("index"):
            etree.SubElement(request, PROTOCOL + "SessionIndex").text = kept["index"]
        if binding != "soap":
            url, fields = through_browser(binding, request, ask.state, signing, address)
            return Departure(url, fields, {"request": request_id})
        answer = await self._login.post(address, in_envelope(request, signing))
        try:
            await anyio.to_thread.run_sync(self._done, answer, request_id)
        except (LoginFailed, NotReadable) as error:
            raise LoginUnavailable("the bridge did not log the person out") from error
        return None

    def _ways(self) -> tuple[str, ...]:
        named = self._settings.claims.bsn == "NameID"
        return ("soap", "post") if named else ("soap", "post", "redirect")

    def _done(self, answer: bytes, request_id: str) -> None:
        """The bridge's answer to our request over SOAP says that it is done. The connection is that to its server."""
        response = only(parsed(answer), SOAP + "Body", PROTOCOL + "LogoutResponse")
        if response is None:
            raise LoginFailed("saml-soap")
        self._from_bridge(response)
        if response.get("InResponseTo") != request_id or statuses(response)[:1] != [_SUCCESS]:
            raise LoginFailed("saml-status")

    async def hear(self, call: LogoutCall, now: datetime) -> Heard:
        """Read a LogoutRequest, or the LogoutResponse to ours. Raises LoginFailed."""
        return await anyio.to_thread.run_sync(self._hear, call, now)

    def _hear(self, call: LogoutCall, now: datetime) -> Heard:
        try:
            if call.way == "server":
                return self._asked_by_server(call.body, now)
            message, state = self._through_browser(call, now)
            if message.tag == PROTOCOL + "LogoutResponse":
                self._from_bridge(message)
                complete = statuses(message) == [_SUCCESS]
                return Heard(returned=Returned(state, message.get("InResponseTo", ""), complete))
            over = self._over(message, now, self._base + LOGOUT)
            binding = "post" if call.form else "redirect"
            return Heard(over, reply=self._answered(message, state, binding))
        except NotReadable as error:
            raise LoginFailed("saml-unreadable") from error

    # --- what comes in ---------------------------------------------------------------------------------------------

    def _asked_by_server(self, body: bytes, now: datetime) -> Heard:
        request = only(parsed(body), SOAP + "Body", PROTOCOL + "LogoutRequest")
        if request is None:
            raise LoginFailed("saml-soap")
        request = verified(request, self._login.metadata().signing, now)
        over = self._over(request, now, self._base + LOGOUT_BACK)
        return Heard(over, reply=in_envelope(self._response(request, ""), self._login.signing))

    def _through_browser(self, call: LogoutCall, now: datetime) -> tuple[etree._Element, str]:
        """The message, verified, and its RelayState. By redirect the signature is in the query, else in the message."""
        signing = self._login.metadata().signing
        fields = dict(call.form) or {
            name: values[0] for name, values in parse_qs(call.query.decode("ascii", "replace")).items()
        }
        kind = "SAMLResponse" if "SAMLResponse" in fields else "SAMLRequest"
        raw = unpacked(fields.get(kind, ""))
        if not call.form:
            verify_query(call.query, kind, signing, now)
            raw = _inflated(raw)
        message = parsed(raw)
        if message.tag != PROTOCOL + ("LogoutResponse" if kind == "SAMLResponse" else "LogoutRequest"):
            raise LoginFailed("saml-no-logout")
        if call.form or message.find(SIGNATURE + "Signature") is not None:
            message = verified(message, signing, now)
        if message.get("Destination") != self._base + LOGOUT:
            raise LoginFailed("saml-destination")
        return message, fields.get("RelayState", "")

    def _over(self, request: etree._Element, now: datetime, here: str) -> Over:
        """Whom and which sessions a request means. It is young, for us, and of the bridge."""
        self._from_bridge(request)
        leeway = timedelta(seconds=self._settings.clock_leeway_seconds)
        issued, until = moment(request.get("IssueInstant")), moment(request.get("NotOnOrAfter"))
        oldest = now - leeway - timedelta(seconds=self._settings.max_age_seconds)
        if issued is None or not oldest <= issued <= now + leeway or (until is not None and until <= now - leeway):
            raise LoginFailed("stale")
        if request.get("Destination", here) != here:
            raise LoginFailed("saml-destination")
        name = text(name_of(request, self._login.signing.key))
        if not name:
            raise LoginFailed("saml-name")
        indexes = tuple(text(index) or "" for index in request.findall(PROTOCOL + "SessionIndex"))
        return Over(name, indexes, issued)

    def _from_bridge(self, message: etree._Element) -> None:
        if text(only(message, SAML + "Issuer")) != self._settings.bridge:
            raise LoginFailed("saml-issuer")

    # --- our answer ------------------------------------------------------------------------------------------------

    def _answered(self, request: etree._Element, state: str, binding: str) -> Departure:
        places = self._login.metadata().logout_answers
        way = binding if binding in places else next((way for way in ("redirect", "post") if way in places), "")
        if not way:
            raise LoginFailed("saml-nowhere-to-answer")
        address = places[way]
        return Departure(*through_browser(way, self._response(request, address), state, self._login.signing, address))

    def _response(self, request: etree._Element, address: str) -> etree._Element:
        response = message_of("LogoutResponse", new_id(), self._settings, address)
        response.set("InResponseTo", request.get("ID", ""))
        status = etree.SubElement(response, PROTOCOL + "Status")
        etree.SubElement(status, PROTOCOL + "StatusCode", Value=_SUCCESS)
        return response


def _inflated(data: bytes) -> bytes:
    """A message of the redirect binding, unpacked within the bound. Raises NotReadable."""
    unpacker = zlib.decompressobj(-15)
    try:
        plain = unpacker.decompress(data, LARGEST + 1)
    except zlib.error as error:
        raise NotReadable("not deflated") from error
    if len(plain) > LARGEST:
        raise NotReadable("too large")
    return plain
