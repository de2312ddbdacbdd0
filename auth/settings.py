"""The section of the configuration that the authorization server owns (defaults run the demo)."""

import base64
import binascii
import hashlib
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from auth.bridges import BridgeSection, OidcSettings, SamlSettings


class ClientQuirks(BridgeSection):
    """What one client needs besides, and no other gets (docs/clients.md)."""

    always_refresh_token: bool = False
    """TOKEN-15: a one-off consent gets a refresh token that dies with the access token."""
    accept_refresh_code: bool = False
    """TOKEN-16: grant type `refresh_code` is read as `refresh_token`."""
    numeric_error: bool = False
    """`error` in a redirect is a number: an HTTP status in place of the word of RFC 6749."""


class AuthSettings(BaseModel):
    """All settings of `auth`. Raises one clear line when production would be unsafe."""

    model_config = BridgeSection.model_config

    mode: Literal["test", "production"] = "test"
    """Follows the mode of the gateway."""
    base_url: str = "http://127.0.0.1:8080"
    """Front-channel base URL as browsers see it; also the issuer (`iss`). No slash at the end."""
    node: str | None = None
    """Host name of this node in the chain log; default: the host of `base_url`."""
    dva_name: str = "MedMij Gateway"
    """Name of who runs the gateway, on the pages."""
    dva_phone: str = "000 - 000 00 00"
    """Telephone number for people, on the error pages (UI-12)."""

    legacy_dialect: bool = False
    """Dialect L: bare service ids on a path per provider (VER-05)."""
    representation: bool = False
    """The optional extension of section 19; a provider must switch it on as well (REP-07)."""
    issuer_parameter: bool = False
    """Add `iss` to authorization responses (RFC 9207). Off: exactly `code` and `state` (AUTH-13)."""
    pkce: Literal["honour", "ignore"] = "honour"
    """What a code challenge does when a client sends one."""
    correlation: Literal["strict", "lenient"] = "lenient"
    """What a differing X-Correlation-ID at the token endpoint does: refuse, or log (TOKEN-02)."""
    missing_services: Literal["deny", "allow"] | None = None
    """Dialect C and a client without services on the list (LIST-17); None: allow in test, deny in production."""
    always_refresh_token: bool = False
    """Client quirk (TOKEN-15): a one-off consent gets a refresh token that dies with the access token."""
    accept_refresh_code: bool = False
    """Client quirk (TOKEN-16): read grant type `refresh_code` as `refresh_token`."""
    quirks: dict[str, ClientQuirks] = {}
    """Quirks by the host name of a client; the table `clients` fills it, presets included."""
    peer_match: Literal["exact", "organisation"] = "exact"
    """May another node of the same organisation use a token (RES-06)."""
    client_authentication: Literal["mtls", "asserted"] = "mtls"
    """`asserted` believes client_id without a certificate: test mode only (demo over plain HTTP)."""
    local_redirects: dict[str, tuple[str, ...]] = {}
    """Test mode only: exact redirect URIs per client that are allowed although they are not https on the host."""
    unknown_birth_date: Literal["refuse", "pass"] = "refuse"
    """When neither the login nor the provider's system knows the birth date."""

    code_seconds: int = Field(default=600, ge=60, le=900)
    """Lifetime of a code (AUTH-15)."""
    access_seconds: int = Field(default=900, ge=60, le=900)
    """Lifetime of an access token (TOKEN-11)."""
    session_seconds: int = Field(default=900, ge=60, le=3600)
    """How long a visit may stand still (AUTH-17)."""
    idle_days: int = Field(default=183, ge=1, le=366)
    """A lasting consent ends after so many days without collecting (LTC-03)."""
    retry_seconds: int = Field(default=30, ge=0, le=120)
    """Grace for a repeated refresh with the same request id (LTC-04)."""
    availability_seconds: float = Field(default=5.0, gt=0, le=30)
    """Time for the availability test (AVL-03)."""
    retention_days: int = Field(default=1827, ge=1)
    """How long consents and ended grants are kept (CONS-05, LOG-12: five years)."""

    max_query: Annotated[int, Field(ge=2048, le=65536)] = 8192
    """Longest query string, in bytes."""
    max_body: Annotated[int, Field(ge=2048, le=65536)] = 16384
    """Largest body of the token endpoint, in bytes."""
    secure_cookies: bool = True
    """Cookies over https only; production demands it."""
    image_sources: tuple[str, ...] = ()
    """Origins of provider logos, for the Content-Security-Policy."""

    pseudonym_key: SecretStr | None = None
    """Base64 of 32 bytes: the key under which the citizen number becomes a pseudonym. Never changes."""
    seal_keys: dict[str, SecretStr] = {}
    """Key ring: id -> base64 of 32 bytes. Sealing uses `seal_with`, opening any of them (IDN-07)."""
    seal_with: str | None = None
    """Id of the key that seals."""
    login: OidcSettings = OidcSettings()
    saml: SamlSettings = SamlSettings()

    @field_validator("base_url")
    @classmethod
    def _base(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("base_url must be an http(s) URL without query or fragment")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _safe(self) -> "AuthSettings":
        for problem in self.problems():
            raise ValueError(problem)
        return self

    def problems(self) -> list[str]:
        """What makes these settings unfit, one line each; empty when they are fine."""
        faults: list[str] = []
        for name, secret in [("pseudonym_key", self.pseudonym_key), *self.seal_keys.items()]:
            if secret is not None and len(_decoded(secret)) != 32:
                faults.append(f"auth: key {name} must be base64 of exactly 32 bytes")
        if self.seal_with is not None and self.seal_with not in self.seal_keys:
            faults.append("auth: seal_with names a key that seal_keys does not hold")
        if self.mode == "production":
            refused = {
                "base_url must be https": not self.base_url.startswith("https://"),
                "login.issuer must be https": not self.saml.on and not self.login.issuer.startswith("https://"),
                "pseudonym_key must be set": self.pseudonym_key is None,
                "seal_keys and seal_with must be set": not self.seal_keys or self.seal_with is None,
                "secure_cookies must be on": not self.secure_cookies,
                "client_authentication must be mtls": self.client_authentication != "mtls",
                "local_redirects must be empty": bool(self.local_redirects),
            }
            faults += [f"auth: {what} in production" for what, wrong in refused.items() if wrong]
        return faults

    def quirks_of(self, client: str | None) -> ClientQuirks:
        """The quirks of one client: its own, and those that are switched on for all."""
        own = self.quirks.get((client or "").lower(), ClientQuirks())
        return ClientQuirks(
            always_refresh_token=own.always_refresh_token or self.always_refresh_token,
            accept_refresh_code=own.accept_refresh_code or self.accept_refresh_code,
            numeric_error=own.numeric_error,
        )

    @property
    def node_name(self) -> str:
        """Host name of this node in the chain log (LOG-02)."""
        return self.node or urlsplit(self.base_url).hostname or "localhost"

    @property
    def allows_missing_services(self) -> bool:
        """LIST-17 resolved for the mode."""
        return (self.missing_services or ("allow" if self.mode == "test" else "deny")) == "allow"

    def pseudonym_bytes(self) -> bytes:
        """The key for pseudonyms; in test mode a fixed, public one stands in."""
        if self.pseudonym_key is not None:
            return _decoded(self.pseudonym_key)
        return hashlib.sha256(b"test mode: pseudonyms").digest()

    def seal_ring(self) -> tuple[str, dict[str, bytes]]:
        """(id of the key to seal with, all keys); in test mode a fixed, public one stands in."""
        if self.seal_keys:
            ring = {name: _decoded(secret) for name, secret in self.seal_keys.items()}
            return self.seal_with or next(iter(ring)), ring
        return "test", {"test": hashlib.sha256(b"test mode: seals").digest()}


def _decoded(secret: SecretStr) -> bytes:
    try:
        return base64.b64decode(secret.get_secret_value(), validate=True)
    except binascii.Error:
        return b""
