"""Token revocation (RFC 7009, LTC-08): any token of a family ends the whole family, at once."""

from typing import Any

from authlib.oauth2.rfc7009 import RevocationEndpoint

from auth.errors import TokenError
from auth.parts import Parts
from auth.store.rows import Family


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """Authlib's revocation endpoint on our store."""

    CLIENT_AUTH_METHODS = ["tls_client_auth"]  # noqa: RUF012 - authlib's attribute

    def check_params(self, request: Any, client: Any) -> None:
        """The token must be there; the hint is only a hint."""
        if not request.form.get("token"):
            raise TokenError("ERR-24")

    def query_token(self, token_string: str, token_type_hint: str | None) -> "FamilyToken | None":
        """The family of an access or refresh token; None when there is none (answered 200 all the same)."""
        parts: Parts = self.server.parts
        digest = self.server.digest(token_string)
        refresh = parts.store.find_refresh(digest)
        family_id = refresh.family if refresh is not None else parts.store.find_by_access(digest)
        family = parts.store.find_family(family_id) if family_id is not None else None
        return None if family is None else FamilyToken(family)

    def revoke_token(self, token: "FamilyToken", request: Any) -> None:
        """End the family; the register says that the client did it."""
        parts: Parts = self.server.parts
        request.family = token.family
        parts.store.end_family(token.family.id, parts.now(), "withdrawn", "client")


class FamilyToken:
    """A token as authlib reads it."""

    def __init__(self, family: Family) -> None:
        self.family = family

    def check_client(self, client: Any) -> bool:
        """True when the family belongs to this client."""
        return bool(self.family.client == client.entry.hostname)
