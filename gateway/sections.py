"""Sections of the settings that no single part owns. Every part takes its section; only the roots see the sum."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adapters.dicomweb.archive import ImageArchiveSettings

Partial = Literal["outcome", "safety", "refuse"]
"""What an answer is that lacks a part: an entry that says so; 503 where a gap is dangerous; always 503."""


class SettingsSection(BaseModel):
    """A settings section: unknown names are an error, so that a typing mistake is found at start."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Listen(SettingsSection):
    """Where the process listens, and how the world calls it."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=1, le=65535, description="port to listen on")
    base_url: str = Field("", description="public base URL of the back channel; empty: http://host:port")


class RequestLimits(SettingsSection):
    """Bounds on what one request may ask."""

    body_bytes: int = Field(50_000_000, ge=1000, description="largest accepted request body")
    query_bytes: int = Field(8_000, ge=500, description="longest accepted query string")
    deadline_seconds: float = Field(3.5, gt=0, le=60, description="time that live sources have for an answer")
    snapshot_seconds: float = Field(900.0, ge=0, le=900, description="how long one token's answers of sources are kept")
    database_seconds: float = Field(
        2.0, ge=0.5, le=60, description="time that the database has for a connection, a lock or a statement"
    )
    audit_seconds: float = Field(2.0, gt=0, le=60, description="time for the audit record to become durable")


class ChainLogSettings(SettingsSection):
    """Section ``chain_log``. Without an address the events go to the log only."""

    url: str = Field("", description="where events are delivered; empty: nowhere (LOG-05)")
    seconds: float = Field(30.0, gt=0, le=3600, description="time between two deliveries")
    timeout_seconds: float = Field(20.0, gt=0, le=120, description="time for one delivery")
    batch_bytes: int = Field(60_000_000, ge=10_000, le=62_914_560, description="largest delivery (LOG-05)")
    retention_days: int = Field(1_096, ge=1, description="how long an event that cannot be delivered is kept (LOG-12)")

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise ValueError("must be https")
        return value


class RetentionSettings(SettingsSection):
    """How long is kept what no other section says it of (docs/operations.md has them all)."""

    versions_days: int = Field(
        1_827, ge=1, description="how long a version of a resource is kept after it came, once a later one replaced it"
    )
    quarantine_days: int = Field(
        90, ge=1, description="how long an item of the quarantine is kept that was taken in or closed"
    )
    outbox_days: int = Field(90, ge=1, description="how long a change waits for somebody to follow it")


class Tracing(SettingsSection):
    """Spans for OpenTelemetry; needs the extra ``otel``."""

    endpoint: str = Field(
        "", description="OTLP collector over HTTP, as https://otel.internal/v1/traces; empty: no spans"
    )
    ratio: float = Field(1.0, ge=0, le=1, description="share of the requests that are traced")


class MetricsSettings(SettingsSection):
    """A listener for /metrics and /health alone, in a thread of its own, that no load on the others can starve."""

    host: str = Field("127.0.0.1", description="address of the listener for metrics and health")
    port: int = Field(0, ge=0, le=65535, description="its port, never published; 0: there is none")


class OverloadSettings(SettingsSection):
    """What is refused, with 503 or 429 and when to try again, while more is asked than can be done."""

    always: int = Field(200, ge=1, description="requests in work per lane below which nothing is refused")
    most: int = Field(1_000, ge=1, description="requests in work per lane above which all are refused")
    delay_seconds: float = Field(
        0.1, gt=0, le=10, description="between the two: refused while event loop or database are so far behind"
    )
    client_per_second: float = Field(500.0, ge=0, description="requests of one client, per process; 0: no limit")
    client_burst: int = Field(5_000, ge=1, description="requests of one client at once, after a time of silence")
    person_per_second: float = Field(20.0, ge=0, description="reads of one person's record, likewise; 0: no limit")
    person_burst: int = Field(400, ge=1, description="reads of one person's record at once")
    image_per_second: float = Field(
        50.0, ge=0, description="images of one person by one client, per process, beside the reads; 0: no limit"
    )
    image_burst: int = Field(1_000, ge=1, description="images of one person by one client at once")
    source_per_second: float = Field(200.0, ge=0, description="pushes of one source; 0: no limit")
    source_burst: int = Field(2_000, ge=1, description="pushes of one source at once")


class ResourceServer(SettingsSection):
    """Behaviour of the FHIR endpoints that the framework leaves free."""

    trace_ids: Literal["strict", "lenient"] = Field("lenient", description="a request without trace ids: 400 or not")
    wrong_version_status: Literal[400, 406] = Field(406, description="status for an unsupported fhirVersion")
    document_manifest: bool = Field(True, description="serve DocumentManifest for documents")
    narrative: bool = Field(False, description="a resource without narrative gets one, in Dutch")
    copied_claims: bool = Field(
        True,
        description="a resource also claims the profile that its own is a copy of, for receivers that know no other",
    )
    partial: Partial = Field(
        "safety",
        description="an answer that lacks a source: told inside; 503 for what is dangerous; always 503",
    )
    partial_of: dict[str, Partial] = Field({}, description="the same for single information standards, by their id")
    losses: bool = Field(
        False, description="an answer of converted data (bgz-2020) has an entry that tells what was lost"
    )
    source_header: bool = Field(True, description="name the sources of an answer in the header Gateway-Source")


class ProviderSettings(SettingsSection):
    """A care provider that this gateway serves."""

    display_name: str = Field(description="name for people")
    services: tuple[str, ...] = Field((), description="data service ids on offer")
    drafts: bool = Field(
        False, description="offer data services of draft standards in production (`gateway standards list` marks them)"
    )
    privacy_url: str = Field("", description="privacy statement, linked on the consent page")
    phone: str = Field("", description="telephone number for people")
    logo: str = Field("", description="file name of an SVG or PNG logo")
    level_floor: Literal["basis", "midden", "substantieel", "hoog"] = Field(
        "midden", description="lowest level of assurance of a login"
    )
    representation: tuple[Literal["onbehalfof", "onbehalfofchild"], ...] = Field(
        (), description="kinds of representation that are on"
    )
    subscriptions: dict[str, int] = Field(
        {}, description="data service id to the longest subscription in days; services that are not here have none"
    )
    pacs: ImageArchiveSettings | None = Field(None, description="the image archive of the provider, asked by WADO-RS")
    sources: tuple[dict[str, Any], ...] = Field((), description="EHR adapters; empty: what was pushed or imported")
    write_back: tuple[dict[str, Any], ...] = Field(
        (), description="where what citizens sent goes once it is accepted; empty: it is filed by hand"
    )
