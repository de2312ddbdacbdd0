"""Section ``intake`` of the configuration: who may push, how they prove who they are, and what is done with faults."""

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, model_validator

from auth.peer.tls import TlsSettings
from profiles.fhir.version import FhirVersion

Policy = Literal["observe", "repair", "block"]
"""What is done with a resource that does not meet its profile: see docs/intake.md."""

_STRICT = ConfigDict(extra="forbid", frozen=True)
_NAME = r"^[a-z0-9][a-z0-9-]{0,59}$"


def _zone_exists(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("zone is not the name of a time zone") from None


class HostLogin(BaseModel):
    """Mutual TLS: the certificate of the peer names one of these hosts."""

    model_config = _STRICT
    kind: Literal["mtls"]
    hosts: tuple[str, ...] = Field(min_length=1)


class KeyLogin(BaseModel):
    """OAuth client credentials with a signed assertion (``private_key_jwt``)."""

    model_config = _STRICT
    kind: Literal["private_key_jwt"]
    keys: Path = Field(description="the public keys of the source: a JWK set, or PEM")
    client_id: str = Field("", description="empty: the name of the source")


class OpenLogin(BaseModel):
    """Nobody is asked who they are. Test mode only."""

    model_config = _STRICT
    kind: Literal["none"]


class FolderLogin(BaseModel):
    """Nothing comes over HTTP: who may write in the folder of the source is its login."""

    model_config = _STRICT
    kind: Literal["folder"]


Login = Annotated[HostLogin | KeyLogin | FolderLogin | OpenLogin, Field(discriminator="kind")]


class MllpSettings(BaseModel):
    """A listener for HL7 v2 messages of one source."""

    model_config = _STRICT
    port: int = Field(ge=1, le=65535)
    host: str = "127.0.0.1"
    peers: tuple[str, ...] = Field(("127.0.0.1", "::1"), description="addresses or networks that may connect")
    encoding: str = Field("utf-8", description="of messages that name none in MSH-18")
    zone: str = Field("Europe/Amsterdam", description="of times without one, when MSH-7 names none either")
    sector: str = Field("", description="section of the laboratory (HL7 table 0074) where OBR-24 is empty: CH, HM, ...")
    faulty: Literal["apart", "whole"] = Field(
        "apart", description="a segment that cannot be mapped: refused by name, the rest stored; or all refused"
    )
    not_taken: Literal["warn", "log", "refuse"] = Field(
        "warn", description="content of which nothing is made: told in the answer, only logged, or all refused"
    )
    snapshot: frozenset[str] = Field(
        frozenset(),
        description="segments of which a message holds all there are (AL1): what it does not name any more is deleted",
    )
    connections: int = Field(50, ge=1, le=1000, description="most connections at once")
    mapping: Path | None = Field(None, description="a mapping file; empty: the one that comes with the gateway")
    certificate: Path | None = Field(None, description="PEM: our certificate; with it the listener speaks TLS")
    key: Path | None = None
    trust: Path | None = Field(None, description="PEM: roots of the senders' certificates; with it one is required")

    @model_validator(mode="after")
    def _complete(self) -> "MllpSettings":
        _zone_exists(self.zone)
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.trust is not None and self.certificate is None:
            raise ValueError("trust needs certificate and key")
        return self


class CdaSettings(BaseModel):
    """CDA documents of one source (``POST /intake/{source}/cda``)."""

    model_config = _STRICT
    patients: str = Field(
        "",
        description="root (OID) of the patient numbers that are ids at this source; empty: the only one that is no BSN",
    )
    zone: str = Field("Europe/Amsterdam", description="of times without one")
    font: str = Field(
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        description="TrueType font of the PDF/A that is made of a document with a structured body",
    )
    confidentiality: frozenset[str] = Field(
        frozenset(("U", "L", "M", "N", "R")), description="codes that are taken; a document of another one is refused"
    )

    @model_validator(mode="after")
    def _zone(self) -> "CdaSettings":
        _zone_exists(self.zone)
        return self


class FolderSettings(BaseModel):
    """A folder in which one source puts files (``gateway intake watch``)."""

    model_config = _STRICT
    path: Path
    mapping: Path | None = Field(None, description="a mapping of flat files; without it only CDA documents are taken")
    seconds: float = Field(5.0, ge=0.05, le=3600, description="time between two looks; a file must stand still as long")
    keep_days: int = Field(14, ge=0, le=3650, description="how long files that were taken stay in done; 0: for ever")


class SourceSettings(BaseModel):
    """One system that sends."""

    model_config = _STRICT
    provider: str = Field(description="MedMij name of the care provider whose data it sends")
    fhir: FhirVersion = FhirVersion.STU3
    auth: Login
    policy: dict[str, Policy] = Field(
        {}, description="by standard id; '*' for the rest; else section validation decides"
    )
    patients_of: tuple[str, ...] = Field((), description="sources whose patient ids this one uses as well")
    mllp: MllpSettings | None = None
    cda: CdaSettings | None = None
    folder: FolderSettings | None = None


class IntakeSettings(BaseModel):
    """The internal listener. Without sources it does not run."""

    model_config = _STRICT
    host: str = Field("127.0.0.1", description="address of the internal listener")
    port: int = Field(8090, ge=1, le=65535, description="its port; never published")
    base_url: str = Field("", description="how sources call the listener; empty: http(s)://host:port")
    tls: TlsSettings = Field(TlsSettings(), description="as section tls, for this listener")
    sources: dict[Annotated[str, Field(pattern=_NAME)], SourceSettings] = Field(
        {}, description="systems that push, by name (docs/intake.md); without any the listener does not run"
    )
    operators: tuple[str, ...] = Field(
        (), description="hosts of client certificates that may use /admin; empty: nobody, in test mode everybody"
    )
    body_bytes: int = Field(50_000_000, ge=1000, le=50_000_000, description="largest accepted body")
    body_seconds: float = Field(30.0, gt=0, le=600, description="time in which a body must have arrived")
    entries: int = Field(5_000, ge=1, description="most entries of one Bundle")
    token_seconds: int = Field(600, ge=30, le=3600, description="life of an access token")
    receipt_days: int = Field(14, ge=1, le=365, description="how long an answer is kept for a retry")

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        scheme = "https" if self.tls.peer == "direct" else "http"
        return (self.base_url or f"{scheme}://{self.host}:{self.port}").rstrip("/")

    def problems(self) -> list[str]:
        """What production may not do, one line each."""
        faults = []
        for name, source in self.sources.items():
            if isinstance(source.auth, OpenLogin):
                faults.append(f"intake.sources.{name}.auth: none is for tests only")
            if isinstance(source.auth, HostLogin) and self.tls.peer == "none":
                faults.append(f"intake.sources.{name}.auth: mtls needs intake.tls.peer")
        if self.sources and self.tls.peer != "none" and self.tls.revocation == "off":
            faults.append("intake.tls.revocation is off")
        return faults
