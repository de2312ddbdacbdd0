"""The sections of the configuration for the login bridge: OpenID Connect, or SAML 2.0."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from auth.ports import Level


class BridgeSection(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ClaimNames(BridgeSection):
    """Which claims of the login carry what; a dot walks into an object. Differs per login bridge."""

    bsn: str = "bsn"
    """Claim with the citizen number."""
    level: str = "acr"
    """Claim with the level of assurance."""
    birth_date: str = "birthdate"
    """Claim with the birth date."""
    actor_bsn: str = "act.bsn"
    """Citizen number of the representative, when somebody acts for somebody else (RFC 8693 `act`)."""
    representation: str = "representation"
    """Kind of representation that was used: a value of `representations`."""


class OidcSettings(BridgeSection):
    """The OpenID Connect client towards the login bridge (IDN-01)."""

    issuer: str = "http://127.0.0.1:8080/idp"
    """Address of the login provider."""
    internal_issuer: str | None = None
    """Base URL for calls from server to server when it differs from what browsers use (tests, split networks)."""
    client_id: str = "medmij-gateway"
    """Our client id at the login provider."""
    client_secret: SecretStr | None = None
    """Our secret there, when no key signs."""
    private_key_file: str | None = None
    """PEM file; when set, the client signs its assertions (private_key_jwt) in place of using a secret."""
    private_key_id: str | None = None
    """Key id in signed assertions."""
    signing_algorithm: str = "ES256"
    """Algorithm of signed assertions."""
    scopes: tuple[str, ...] = ("openid",)
    """Scopes that are asked."""
    claims: ClaimNames = ClaimNames()
    levels: dict[str, Level] = {
        "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport": Level.BASIS,
        "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract": Level.MIDDEN,
        "urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard": Level.SUBSTANTIEEL,
        "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI": Level.HOOG,
    }
    """Values of the level claim, and of `acr_values` in the request."""
    representations: dict[str, Literal["onbehalfof", "onbehalfofchild"]] = {
        "voluntary": "onbehalfof",
        "parental": "onbehalfofchild",
    }
    """Values of the representation claim, and the scope part that each stands for."""
    id_token_algorithms: tuple[str, ...] = ("ES256", "ES384", "RS256", "PS256", "EdDSA")
    """Algorithms accepted on ID tokens."""
    max_age_seconds: int = Field(default=300, ge=10, le=900)
    """How long ago the person may have authenticated; a fresh login is asked every time (AUTH-18)."""
    clock_leeway_seconds: int = Field(default=30, ge=0, le=120)
    """Difference of clocks that is accepted."""
    timeout_seconds: float = Field(default=5.0, gt=0, le=30)
    """Time for one call to the login provider."""
    proxy: str | None = None
    """Proxy for the calls to the login bridge; the environment's proxy variables are not used."""
    jwks_seconds: int = Field(default=300, ge=10, le=86400)
    """How long its keys are kept."""
    single_logout: Literal["off", "redirect", "post"] = "off"
    """Who logs out here logs out at the provider too (RP-initiated logout), and its front-channel and back-channel
    logout end the sessions here. `redirect` names nobody in the address, so the provider may ask the person to
    confirm; `post` sends the ID token along in a form, with a page between that has one button."""


class AttributeNames(ClaimNames):
    """Which attributes of an assertion carry what; `NameID` and `AuthnContextClassRef` stand for those elements."""

    bsn: str = "NameID"
    """Attribute with the citizen number."""
    level: str = "AuthnContextClassRef"
    """Attribute with the level of assurance."""
    birth_date: str = "birthdate"
    """Attribute with the birth date."""
    actor_bsn: str = ""
    """Citizen number of who acts; the same number as `bsn` without a representation means: for oneself. Empty: none."""
    representation: str = ""
    """Kind of representation that was used: a value of `representations`. Empty: none."""


class SamlSettings(BridgeSection):
    """The SAML 2.0 client towards a login bridge (IDN-01, IDN-03). With `bridge` set it takes the place of `login`."""

    bridge: str = ""
    """Entity id of the login bridge; empty: the login is OpenID Connect."""
    metadata_file: Path | None = None
    """The bridge's metadata (XML), got from it on a way that you trust: addresses and signing certificates."""
    entity_id: str = ""
    """Our entity id, as the bridge knows it."""
    key_file: Path | None = None
    """Our RSA key (PEM): it signs what we send, and opens what is encrypted for us."""
    certificate_file: Path | None = None
    """Its certificate (PEM)."""
    tls_certificate: Path | None = None
    """Client certificate (PEM, with chain) for the back channel; None: none is shown."""
    tls_key: Path | None = None
    """Its private key (PEM)."""
    tls_trust: Path | None = None
    """PEM file with what the bridge's server certificate may chain to; None: the authorities of the machine."""
    request: Literal["redirect", "post"] = "redirect"
    """How our requests go through the browser; `post` has a page between that has one button."""
    answers: tuple[Literal["artifact", "post"], ...] = ("artifact",)
    """How answers may come; the first is asked for. By `artifact` the browser carries a reference only, and the
    assertion is fetched from server to server; by `post` the browser carries the assertion itself."""
    single_logout: bool = False
    """Who logs out here logs out at the bridge too, and a logout that the bridge tells of ends the sessions here."""
    service: int | None = Field(default=None, ge=0, le=65535)
    """AttributeConsumingServiceIndex of a login for oneself."""
    representation_services: dict[Literal["onbehalfof", "onbehalfofchild"], int] = {}
    """AttributeConsumingServiceIndex of a login for somebody else, by kind; a kind that is not here is not asked."""
    claims: AttributeNames = AttributeNames()
    levels: dict[str, Level] = {
        "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport": Level.BASIS,
        "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract": Level.MIDDEN,
        "urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard": Level.SUBSTANTIEEL,
        "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI": Level.HOOG,
    }
    """Levels of the bridge, lowest first; the first that is high enough is asked as the minimum."""
    representations: dict[str, Literal["onbehalfof", "onbehalfofchild"]] = {}
    """Values of the representation attribute, and the scope part that each stands for."""
    max_age_seconds: int = Field(default=300, ge=10, le=900)
    """How long ago the person may have authenticated; a fresh login is asked every time (AUTH-18)."""
    clock_leeway_seconds: int = Field(default=30, ge=0, le=120)
    """Difference of clocks that is accepted."""
    timeout_seconds: float = Field(default=5.0, gt=0, le=30)
    """Time for one call to the login bridge."""

    @property
    def on(self) -> bool:
        """Whether people log in over SAML."""
        return bool(self.bridge)

    @model_validator(mode="after")
    def _complete(self) -> "SamlSettings":
        needed = ("metadata_file", "entity_id", "key_file", "certificate_file")
        lacking = [name for name in needed if self.bridge and not getattr(self, name)]
        if lacking:
            raise ValueError(f"auth.saml needs {', '.join(lacking)}")
        if self.bridge and not self.answers:
            raise ValueError("auth.saml.answers: at least one way")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("auth.saml: tls_certificate and tls_key belong together")
        return self
