"""What an operator can set: one TOML file, environment variables above it, defaults that run the demo.

Every section is owned by the part that uses it; this module is their sum. ``refusals`` holds what production refuses.
"""

import logging
import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from auth.clients.settings import ListSettings
from auth.peer.limits import ConnectionSettings
from auth.peer.tls import TlsSettings
from auth.settings import AuthSettings
from gateway.audit.settings import AuditSettings
from gateway.clients import ClientSettings
from gateway.exchange.settings import ExchangeSettings
from gateway.intake.settings import IntakeSettings
from gateway.ownrecord.settings import OwnRecordSettings
from gateway.quality.settings import QualitySettings
from gateway.release.settings import ReleaseSettings
from gateway.report.settings import ReportSettings
from gateway.sections import (
    ChainLogSettings,
    Listen,
    MetricsSettings,
    OverloadSettings,
    ProviderSettings,
    RequestLimits,
    ResourceServer,
    RetentionSettings,
    Tracing,
)
from gateway.share.settings import ShareSettings
from gateway.staff.settings import StaffSettings
from gateway.subscriptions.settings import SubscriptionSettings
from gateway.usage.settings import UsageSettings
from profiles.standards.load import catalogue

TEST_KEY = "test-only-key-do-not-use-in-production"
"""The default of the audit key. Production refuses it."""


FORMER: Mapping[str, str] = {
    "GATEWAY_PACKAGES": "package_cache",
    "GATEWAY_TERMINOLOGY": "validation.terminology_url",
}
"""Variables that had a name of their own, with the setting that they are. They still work, and say what to use."""

log = logging.getLogger("gateway")


class SettingsError(Exception):
    """The configuration cannot be used; the text says which setting and why."""


class Settings(BaseSettings):
    """All settings of the gateway (docs/configuration.md is made from them)."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    mode: Literal["test", "production"] = Field(
        "test", description="production refuses everything that is for tests only"
    )
    database_url: str = Field("sqlite:///var/gateway.db", description="sqlite:///path or postgresql://host/name")
    report_database_url: str = Field(
        "", description="a read replica of it, for reports; empty: reports are read from database_url"
    )
    listen: Listen = Listen()
    audit_key: SecretStr = Field(SecretStr(TEST_KEY), description="key of the audit chain")
    audit: AuditSettings = AuditSettings()
    limits: RequestLimits = RequestLimits()
    overload: OverloadSettings = OverloadSettings()
    metrics: MetricsSettings = MetricsSettings()
    resource_server: ResourceServer = ResourceServer()
    retention: RetentionSettings = RetentionSettings()
    providers: dict[str, ProviderSettings] = Field(
        {}, description="care providers by MedMij name; empty in test mode: the demo world's"
    )
    clients: dict[str, ClientSettings] = Field({}, description="what single clients need, by their host name")
    lists: ListSettings = ListSettings()
    auth: AuthSettings = AuthSettings()
    tls: TlsSettings = TlsSettings()
    connections: ConnectionSettings = ConnectionSettings()
    intake: IntakeSettings = IntakeSettings()
    validation: QualitySettings = QualitySettings()
    chain_log: ChainLogSettings = ChainLogSettings()
    usage: UsageSettings = UsageSettings()
    release: ReleaseSettings = ReleaseSettings()
    reports: ReportSettings = ReportSettings()
    own_record: OwnRecordSettings = OwnRecordSettings()
    share: ShareSettings = ShareSettings()
    staff: StaffSettings = StaffSettings()
    exchange: ExchangeSettings = ExchangeSettings()
    tracing: Tracing = Tracing()
    subscription: SubscriptionSettings = SubscriptionSettings()
    package_cache: str = Field("", description="folder of FHIR packages; empty: ~/.fhir/packages")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment above the file above the defaults; no .env files."""
        return env_settings, init_settings

    @property
    def base_url(self) -> str:
        """The public base URL, without a slash at its end."""
        return (self.listen.base_url or f"http://{self.listen.host}:{self.listen.port}").rstrip("/")


def refusals(settings: Settings) -> list[str]:
    """Why these settings may not run in production, one line each; always empty in test mode."""
    if settings.mode != "production":
        return []
    faults = [*authorization(settings).problems(), *settings.tls.faults_in_production(), *settings.intake.problems()]
    faults += settings.staff.problems(len(settings.providers))
    faults += [*settings.share.problems(), *settings.exchange.problems(settings.mode)]
    faults += [
        f"exchange.parties.{one}: no provider of that name"
        for one in settings.exchange.parties
        if one not in settings.providers
    ]
    if settings.audit_key.get_secret_value() == TEST_KEY or len(settings.audit_key.get_secret_value()) < 32:
        faults.append("audit_key: needs a secret of at least 32 characters")
    if not settings.base_url.startswith("https://"):
        faults.append("listen.base_url: must be https")
    if not settings.providers:
        faults.append("providers: none configured")
    known = catalogue().services
    for name, provider in settings.providers.items():
        drafts = [id_ for id_ in provider.services if id_ in known and known[id_][0].draft]
        if drafts and not provider.drafts:
            faults.append(
                f"providers.{name}: data services of draft standards ({', '.join(drafts)}) need drafts = true"
            )
        deaf = [id_ for id_ in provider.subscriptions if id_ in known and known[id_][0].converts is not None]
        if deaf:
            faults.append(
                f"providers.{name}: nothing is ever notified of data services that convert ({', '.join(deaf)})"
            )
    return faults


def authorization(settings: Settings) -> AuthSettings:
    """The section of the authorization server, with the mode and address of the whole."""
    own = {name.lower(): one.quirks for name, one in settings.clients.items()}
    update: dict[str, Any] = {"mode": settings.mode, "quirks": {**settings.auth.quirks, **own}}
    if "base_url" not in settings.auth.model_fields_set:
        update["base_url"] = settings.base_url
    if "client_authentication" not in settings.auth.model_fields_set and settings.mode == "test":
        update["client_authentication"] = "asserted"
    return settings.auth.model_copy(update=update)


def variable(setting: str) -> str:
    """The environment variable of a setting: ``listen.port`` is GATEWAY_LISTEN__PORT."""
    return "GATEWAY_" + setting.upper().replace(".", "__")


def _with_former(content: dict[str, Any]) -> dict[str, Any]:
    """The content of the file, with what variables of a former name say above it; each of those is told."""
    for old, setting in FORMER.items():
        value, new = os.environ.get(old), variable(setting)
        if not value:
            continue
        used = new not in os.environ
        log.warning("%s is now %s%s", old, new, "" if used else ", which is set too: the former is not used")
        if used:
            *sections, name = setting.split(".")
            inner = content
            for section in sections:
                held = inner.get(section)
                inner[section] = dict(held) if isinstance(held, dict) else {}
                inner = inner[section]
            inner[name] = value
    return content


def load(config: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings from ``config`` (else the file that GATEWAY_CONFIG names, else none) and the environment.

    ``overrides`` replace top-level values from the command line and win over everything.
    Raises SettingsError with one line per fault; values are never repeated in it.
    """
    named = config or (Path(os.environ["GATEWAY_CONFIG"]) if os.environ.get("GATEWAY_CONFIG") else None)
    content: dict[str, Any] = {}
    if named is not None:
        try:
            content = tomllib.loads(named.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
            raise SettingsError(f"{named}: {fault}") from fault
    try:
        settings = Settings(**_with_former(content))
        return settings.model_copy(update=overrides) if overrides else settings
    except ValidationError as fault:
        raise SettingsError("; ".join(_told(dict(one)) for one in fault.errors(include_input=False))) from None


def _told(error: Mapping[str, Any]) -> str:
    """One fault of pydantic in our words; a name that is no setting with those that are like it."""
    path = [str(part) for part in error["loc"]]
    if error["type"] != "extra_forbidden":
        return f"{'.'.join(path)}: {error['msg']}"
    like = get_close_matches(path[-1], _names_beside(path[:-1]), n=2)
    return f"{'.'.join(path)}: is no setting" + (f" (did you mean {' or '.join(like)}?)" if like else "")


def _names_beside(path: list[str]) -> list[str]:
    model: Any = Settings
    for part in path:
        field = model.model_fields.get(part) if isinstance(model, type) and issubclass(model, BaseModel) else None
        model = field.annotation if field else None
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
