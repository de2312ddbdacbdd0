"""What an operator sets about the exchange: our organisations, our partners, what each may do, and the port."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from auth.peer.tls import TlsSettings
from gateway.sections import SettingsSection

Scope = Literal["ta-np-notification", "bgz-sender", "eOverdracht-receiver", "eOverdracht-sender"]
URA = r"^[0-9]{8}$"
ADDRESS = r"^(https?://[^\s?#]+[^\s?#/])?$"


class PartySettings(SettingsSection):
    """One of our organisations, by its MedMij name, as other institutions know it."""

    ura: str = Field(pattern=URA, description="URA of the organisation")
    name: str = Field(description="its name, as it stands in a Task")
    services: tuple[str, ...] = Field((), description="ids of healthcare services that have an inbox of their own")


class PartnerSettings(SettingsSection):
    """Another institution: how it is known, where it is, and what it may do. What is not said is not allowed."""

    ura: str = Field(pattern=URA, description="URA of the organisation")
    name: str = Field(description="its name, for people")
    hosts: tuple[str, ...] = Field((), description="host names of client certificates that may act for this URA")
    client_id: str = Field("", description="its system: issuer and subject of its assertions")
    keys: Path | None = Field(None, description="its public keys, a JWK set; read again when a key is not known")
    token_url: str = Field("", pattern=ADDRESS, description="token endpoint for the organisation")
    fhir_url: str = Field("", pattern=ADDRESS, description="its FHIR base: where what it refers is collected")
    notification_url: str = Field("", pattern=ADDRESS, description="where it takes notifications")
    scopes: tuple[Scope, ...] = Field((), description="what it may do here")
    paused: bool = Field(False, description="nothing is exchanged with it for now")
    per_minute: int = Field(600, ge=1, description="requests that it may make in a minute")


class ExchangeSettings(SettingsSection):
    """The exchange between institutions (docs/exchange.md)."""

    host: str = Field("127.0.0.1", description="address to listen on, for other institutions only")
    port: int = Field(8443, ge=0, le=65535, description="its port")
    base_url: str = Field("", pattern=ADDRESS, description="its public address; never that of the MedMij endpoints")
    tls: TlsSettings = Field(TlsSettings(), description="mutual TLS with other institutions, as in section tls")
    client_id: str = Field("", description="our system: issuer and subject of our assertions; empty: base_url")
    keys: tuple[Path, ...] = Field((), description="our private keys (PEM or JWK): the first signs, all are published")
    parties: dict[str, PartySettings] = Field({}, description="our organisations that exchange; none: nobody does")
    partners: dict[str, PartnerSettings] = Field(
        {}, description="institutions that we exchange with, by a name of ours"
    )
    token_seconds: int = Field(300, ge=30, le=300, description="how long an access token lives")
    send_seconds: float = Field(5.0, gt=0, le=3600, description="time between two looks at what has to be sent")
    request_seconds: float = Field(60.0, gt=0, le=600, description="time for one answer while collecting")
    content_days: int = Field(30, ge=0, description="how long what was collected is kept after the end of a referral")
    notice_days: int = Field(90, ge=1, description="how long a notification is kept to know it again")
    referral_days: int = Field(1_827, ge=1, description="how long a referral and its history are kept after its end")
    open_per_partner: int = Field(2_000, ge=1, description="open referrals of one partner; beyond it is refused (429)")

    @property
    def issuer(self) -> str:
        """How our system calls itself in assertions."""
        return self.client_id or self.base_url

    def problems(self, mode: str) -> Iterator[str]:
        """What cannot be meant, or not in production, one line each."""
        if not self.parties:
            return
        if mode == "production":
            if not self.base_url.startswith("https://"):
                yield "exchange.base_url: must be https"
            if not self.keys:
                yield "exchange.keys: a private key is needed to sign assertions"
            yield from (f"exchange.{line}" for line in self.tls.faults_in_production())
        urls = ("token_url", "fhir_url", "notification_url")
        for name, partner in self.partners.items():
            if mode == "production":
                plain = [url for url in urls if getattr(partner, url).startswith("http://")]
                yield from (f"exchange.partners.{name}.{url}: must be https" for url in plain)
                if partner.scopes and not partner.hosts:
                    yield f"exchange.partners.{name}.hosts: needed to know its certificate"
            if partner.scopes and not (partner.client_id and partner.keys):
                yield f"exchange.partners.{name}: client_id and keys are needed for what it may do"
        uras = [one.ura for one in self.parties.values()]
        if len(set(uras)) != len(uras):
            yield "exchange.parties: two organisations have the same URA"
