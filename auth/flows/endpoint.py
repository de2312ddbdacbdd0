"""The token and revocation endpoint as HTTP: who calls, is the request readable, is the code spent (section 12)."""

import logging
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from auth.bearer import PeerRefused, admitted
from auth.crypto import digest
from auth.errors import REFUSALS, TokenError
from auth.events import EventType
from auth.flows.authorize import CORRELATION_ID, REQUEST_ID
from auth.flows.parameters import ParameterError, Parameters, is_uuid
from auth.flows.server import EndpointAnswer, EndpointCall, MedMijServer
from auth.parts import Parts
from auth.ports import StoreSilent
from auth.store.rows import Code, Family
from auth.tokens import token_step

log = logging.getLogger(__name__)

_FORM = "application/x-www-form-urlencoded"
_GRANTS = frozenset({"authorization_code", "refresh_token"})
_ANSWERED = {
    EventType.RECEIVE_TOKEN_REQUEST: EventType.SEND_TOKEN_RESPONSE,
    EventType.RECEIVE_REVOCATION_REQUEST: EventType.SEND_REVOCATION_RESPONSE,
}
_HEADERS = {"Cache-Control": "no-store", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff"}


class BackChannel:
    """The two endpoints that servers call."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._server = MedMijServer(parts)

    async def token(self, request: Request) -> Response:
        """POST /oauth/token."""
        return await self._answer(request, EventType.RECEIVE_TOKEN_REQUEST, self._token)

    async def revoke(self, request: Request) -> Response:
        """POST /oauth/revoke."""
        return await self._answer(request, EventType.RECEIVE_REVOCATION_REQUEST, self._revoke)

    async def _answer(self, request: Request, event: EventType, handle: Any) -> Response:
        ids = Ids(request, _ANSWERED[event])
        try:
            return await self._handled(request, ids, event, handle)
        except StoreSilent as fault:
            log.error("the store does not answer %s: %s", request.url.path, type(fault.__cause__).__name__)
            return self._sent(EndpointAnswer(503, _body("ERR-31b")), ids, {})
        except Exception:
            log.exception("internal error at %s, trace %s", request.url.path, ids.correlation_id)
            return self._sent(EndpointAnswer(500, _body("ERR-31a")), ids, {})

    async def _handled(self, request: Request, ids: "Ids", event: EventType, handle: Any) -> Response:
        if request.method != "POST":
            return _refused("ERR-30", ids, {"Allow": "POST"})
        try:
            peers = admitted(self._parts.peer_of(request.scope), self._parts)
        except PeerRefused:
            self._note(EventType.TLS_PEER_REFUSED, ids, error_code="invalid_client", status=403)
            return _refused("ERR-20", ids)
        try:
            asked = await _read(request, self._parts.settings.max_body)
        except ParameterError:
            self._note(event, ids, method="POST", uri=request.url.path)
            return self._sent(EndpointAnswer(400, _body("ERR-24")), ids, {})
        self._note(event, ids, method="POST", uri=request.url.path, **_told(asked, peers))
        try:
            waits = bool(asked.count("refresh_token"))
            answer = await self._parts.run(handle, asked, peers, ids, patient=waits)
        except TokenError as error:
            answer = EndpointAnswer(error.status_code, dict(error.get_body()))
        return self._sent(answer, ids, _told(asked, peers))

    def _token(self, asked: Parameters, peers: tuple[str, ...] | None, ids: "Ids") -> EndpointAnswer:
        grant_type = asked.value("grant_type")
        caller = peers[0] if peers else asked.value("client_id")
        if grant_type == "refresh_code" and self._parts.settings.quirks_of(caller).accept_refresh_code:
            grant_type = "refresh_token"
        offered = None if grant_type == "refresh_token" else self._spend(asked, ids)
        try:
            if asked.repeated:
                raise TokenError("ERR-24")
            if not grant_type:
                raise TokenError("ERR-22")
            if grant_type not in _GRANTS:
                raise TokenError("ERR-23")
            form = {**asked.as_dict(), "grant_type": grant_type}
            answer = self._server.token(EndpointCall(form, peers, offered, ids.request_id, ids.correlation_id))
        except TokenError as error:
            self._refused(offered, None, error.row)
            raise
        if "error" in answer.body:
            self._refused(offered, answer.family, str(answer.body["error"]))
        return answer

    def _refused(self, offered: Code | None, family: Family | None, reason: str) -> None:
        """Count a token request that was refused, when a live code or refresh token says of which visit it is."""
        parts = self._parts
        known = parts.store.find_family(offered.family) if offered is not None else family
        if known is None:
            return
        told = {"outcome": "refused", "reason": reason}
        step = token_step(parts, known, known.services, first=offered is not None, **told)
        if step is not None:
            parts.store.count(step)

    def _revoke(self, asked: Parameters, peers: tuple[str, ...] | None, ids: "Ids") -> EndpointAnswer:
        if asked.repeated:
            raise TokenError("ERR-24")
        return self._server.revoke(EndpointCall(asked.as_dict(), peers, None, ids.request_id, ids.correlation_id))

    def _spend(self, asked: Parameters, ids: "Ids") -> Code | None:
        """Every code that was offered is spent, whatever becomes of the request (TOKEN-07); a replay costs all (08)."""
        code: Code | None = None
        for text in asked.all("code"):
            spent = self._parts.store.spend_code(digest(text), self._parts.now())
            code = spent.code or code
            if spent.replayed_family is not None:
                self._parts.store.end_replayed(spent.replayed_family, self._parts.now())
                self._note(EventType.CODE_REPLAYED, ids)
        return code

    def _sent(self, answer: EndpointAnswer, ids: "Ids", told: dict[str, Any]) -> Response:
        family = answer.family
        if family is not None:
            told = {**told, "provider_id": family.provider, "consent_id": family.consent_id}
        error = answer.body.get("error")
        event = EventType.SEND_TOKEN_ERROR if error else ids.answered
        described = {"error_code": error, "error_description": answer.body.get("error_description")}
        self._note(event, ids, status=answer.status, **told, **(described if error else {}))
        headers = {"Retry-After": "5"} if answer.status == 503 else {}
        return _json(answer.status, answer.body, ids, headers)

    def _note(self, event: EventType, ids: "Ids", **fields: Any) -> None:
        self._parts.note(event, trace_id=ids.correlation_id, session_id=None, request_id=ids.request_id, **fields)


class Ids:
    """The trace ids of a request; values that are not UUIDs are forgotten here (HDR-04)."""

    def __init__(self, request: Request, answered: EventType) -> None:
        self.answered = answered
        self.request_id = _uuid(request.headers.get(REQUEST_ID))
        self.correlation_id = _uuid(request.headers.get(CORRELATION_ID))


async def _read(request: Request, limit: int) -> Parameters:
    """The parameters from the form body, or from the query when the body is empty (TOKEN-01). Raises ParameterError."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise ParameterError("too long")
    except ClientDisconnect:
        raise ParameterError("the client went away") from None
    query: bytes = request.scope["query_string"]
    if not body:
        return Parameters.read(query, limit)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if query or content_type != _FORM:
        raise ParameterError("parameters in the wrong place")
    return Parameters.read(body, limit)


def _told(asked: Parameters, peers: tuple[str, ...] | None) -> dict[str, Any]:
    """What the chain log may know of a request: fixed words and our own lists' names only (LOG-06)."""
    grant_type = asked.value("grant_type")
    known = grant_type if grant_type in _GRANTS else None
    return {
        "grant_type": known,
        "initiated_by": "automatic" if known == "refresh_token" else "person",
        "client_id": peers[0] if peers else None,
    }


def _uuid(text: str | None) -> str | None:
    return text if is_uuid(text) else None


def _body(row: str) -> dict[str, Any]:
    refusal = REFUSALS[row]
    body = {"error": refusal.code}
    return {**body, "error_description": refusal.description} if refusal.description else body


def _refused(row: str, ids: Ids, headers: dict[str, str] | None = None) -> Response:
    return _json(REFUSALS[row].status, _body(row), ids, headers or {})


def _json(status: int, body: dict[str, Any], ids: Ids, headers: dict[str, str]) -> Response:
    extra = {REQUEST_ID: ids.request_id} if ids.request_id else {}
    return JSONResponse(
        body, status, headers={**_HEADERS, **headers, **extra}, media_type="application/json;charset=UTF-8"
    )
