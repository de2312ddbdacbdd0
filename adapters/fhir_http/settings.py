"""Settings of a source of type ``fhir``."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from adapters.settings import AdapterSettings
from profiles.fhir.version import FhirVersion
from profiles.record.bsn import BSN_SYSTEM

_STRICT = ConfigDict(extra="forbid", frozen=True)


class NoLogin(BaseModel):
    """No login of its own: the network or a client certificate decides."""

    model_config = _STRICT
    kind: Literal["none"] = "none"


class BasicLogin(BaseModel):
    """HTTP basic authentication."""

    model_config = _STRICT
    kind: Literal["basic"]
    username: str
    password: SecretStr


class BearerLogin(BaseModel):
    """A fixed token: for test environments, and for a source that gives out one token per patient."""

    model_config = _STRICT
    kind: Literal["bearer"]
    token: SecretStr

    @field_validator("token")
    @classmethod
    def _fit_for_a_header(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[A-Za-z0-9\-._~+/]{8,4000}=*", value.get_secret_value(), re.ASCII):
            raise ValueError("not a bearer token")
        return value


class SmartLogin(BaseModel):
    """SMART backend services: a token for a signed client assertion (private_key_jwt)."""

    model_config = _STRICT
    kind: Literal["smart"]
    token_url: str
    client_id: str
    key_file: Path
    """The private key: PEM or JWK."""
    key_id: str
    algorithm: Literal["RS384", "ES384"] = "ES384"
    scope: str = "system/*.read"

    @field_validator("token_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        return web_address(value)


class Tls(BaseModel):
    """Whom we trust, and the certificate that we show (mutual TLS)."""

    model_config = _STRICT
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> "Tls":
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together")
        return self


class FhirSettings(AdapterSettings):
    """``type = "fhir"``: where the EHR is, how to log in, and how far to trust what it says about itself."""

    type: Literal["fhir"] = "fhir"

    url: str
    """The FHIR base URL. Nothing outside this address is ever called, whatever a link or redirect says."""

    version: FhirVersion
    format: Literal["json", "xml"] = "json"
    login: Annotated[NoLogin | BasicLogin | BearerLogin | SmartLogin, Field(discriminator="kind")] = NoLogin()
    tls: Tls = Tls()

    patient_system: str = BSN_SYSTEM
    """The identifier system under which the EHR keeps the BSN."""

    patient_lookup: Literal["post", "get", "login"] = "post"
    """How to look a patient up. ``get`` puts the BSN in a URL that the EHR may log: for an EHR without POST search.

    ``login``: the login itself says who the patient is, as at another gateway with MedMij request rows. Questions are
    passed on as they were asked and name nobody; a person is known by the local id that the query brings, never by BSN.
    """

    patient_parameters: Mapping[str, str] = Field(default_factory=dict)
    """The search parameter that names the patient, for types where it is not ``patient``."""

    statement: Literal["required", "optional", "ignored"] = "required"
    """What to do with the CapabilityStatement. Without one, every search is by patient alone."""

    page_size: int = Field(default=200, ge=1, le=1000)
    patient_seconds: float = Field(default=60, ge=0, le=3600)
    """How long the answer to a patient lookup is remembered: one visit costs one lookup."""

    connections: int = Field(default=16, ge=1, le=200)
    """Calls to this EHR at the same time; more wait their turn."""

    correlation_header: str | None = "X-Correlation-ID"
    services: tuple[str, ...] | None = None
    """The data services that this EHR's data are made available for; all that are asked when left out."""

    repairs: tuple[str, ...] = ("codes", "displays", "profiles")
    """Names of repair rule sets that come with the adapter, in the order of use."""

    repairs_file: Path | None = None
    """More repair rules, of this EHR's own; used first."""

    @field_validator("url")
    @classmethod
    def _a_base(cls, value: str) -> str:
        return web_address(value).rstrip("/")


def web_address(value: str) -> str:
    """Accept an http(s) URL without login, query or fragment."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https address")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("an address without login, query or fragment is expected")
    return value
