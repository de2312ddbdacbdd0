"""The check of an access token at the resource server: header to `Grant`, one look-up (RFC 6750, section 16)."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from auth.crypto import digest
from auth.errors import BearerError
from auth.grants import Grant
from auth.parts import Parts
from auth.ports import Peer
from auth.store.rows import GrantRow, milliseconds, moment

Fetch = Callable[[bytes], Awaitable[GrantRow | None]]
ANY_CLIENT = "*"
"""Client of static test tokens that any connection may use; means nothing in production."""
_MAX_HEADER = 512


class PeerRefused(Exception):
    """No acceptable client certificate, or none of its names is on the whitelist (TLS-08, ERR-20)."""


def admitted(peer: Peer, parts: Parts) -> tuple[str, ...] | None:
    """The peer's names that are on the whitelist; None when test mode believes clients without a certificate.

    Raises PeerRefused: nothing of OAuth is looked at then (TLS-13).
    """
    if peer.hostnames is None and parts.settings.client_authentication == "asserted":
        return None
    names = tuple(name for name in peer.hostnames or () if parts.lists.whitelist.holds(name))
    if not names:
        raise PeerRefused("the peer is not on the whitelist")
    return names


class Bearer:
    """Checks Authorization headers. `fetch` may be a prepared driver statement; the default runs on the engine."""

    def __init__(self, parts: Parts, fetch: Fetch | None = None) -> None:
        self._parts = parts
        self._fetch = fetch or self._fetch_by_engine

    async def check(self, authorization: str | None, peer: Peer, *, elsewhere: bool = False) -> Grant:
        """The grant of a request.

        `authorization` is the header's value (None when absent), `peer` the other end of the connection, `elsewhere`
        says that a token stood in the query or body (RES-01). Raises BearerError (ERR-40 to ERR-42) and PeerRefused;
        ERR-43 is for the caller, by `require`.
        """
        names = admitted(peer, self._parts)
        if elsewhere:
            raise BearerError("ERR-41")
        if authorization is None:
            raise BearerError("ERR-40")
        row, key = await self._row(authorization)
        now = milliseconds(self._parts.clock())
        if row is None or row.revoked is not None or row.ended is not None or row.expires <= now:
            raise BearerError("ERR-42")
        if names is not None and not self._may_use(names, row.client):
            raise BearerError("ERR-42")
        return _grant(key, row)

    async def _row(self, authorization: str) -> tuple[GrantRow | None, bytes]:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(authorization) > _MAX_HEADER or " " in token:
            raise BearerError("ERR-41")
        key = digest(token)
        return await self._fetch(key), key

    def _may_use(self, names: tuple[str, ...], client: str) -> bool:
        """RES-06: the connection is the token's client, or by setting another node of its organisation."""
        if client in names or (client == ANY_CLIENT and self._parts.settings.mode == "test"):
            return True
        if self._parts.settings.peer_match == "exact":
            return False
        owner = self._parts.lists.clients.find(client)
        others = [self._parts.lists.clients.find(name) for name in names]
        return owner is not None and any(
            other is not None and other.organisation == owner.organisation for other in others
        )

    async def _fetch_by_engine(self, key: bytes) -> GrantRow | None:
        return await self._parts.run(self._parts.store.find_grant, key)


def require(grant: Grant, provider: str, service: str, *, subscribe: bool = False) -> None:
    """RES-05: the grant must be for this provider and service, and for this interface. Raises BearerError ERR-43."""
    if not grant.covers(provider, service, subscribe=subscribe):
        raise BearerError("ERR-43")


def _grant(key: bytes, row: GrantRow) -> Grant:
    issued: datetime = moment(row.issued)
    return Grant(
        digest=key,
        client=row.client,
        provider=row.provider,
        services=frozenset(row.services.split()),
        subject=row.subject,
        sealed_bsn=bytes(row.sealed_bsn) if row.sealed_bsn is not None else None,
        patient=row.patient,
        actor=row.actor,
        issued=issued,
        expires=moment(row.expires),
        correlation_id=row.correlation_id,
        consent_id=row.consent_id,
        function=row.function,
        days=row.days,
    )
