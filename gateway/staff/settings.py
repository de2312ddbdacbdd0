"""The section staff of the settings."""

from enum import StrEnum

from pydantic import Field

from auth.bridges import OidcSettings
from auth.peer.tls import TlsSettings
from auth.ports import Level
from gateway.sections import SettingsSection


class StaffRole(StrEnum):
    """What somebody is here, as a claim of the institution's login says."""

    CARE_PROFESSIONAL = "care-professional"
    DATA_STEWARD = "data-steward"
    HELPDESK = "helpdesk"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class StaffLoginSettings(OidcSettings):
    """The OpenID Connect client towards the institution's own login."""

    issuer: str = "http://127.0.0.1:8080/staff-idp"
    """Address of the institution's login provider."""
    client_id: str = "medmij-gateway-staff"
    """Our client id there."""
    scopes: tuple[str, ...] = ("openid", "profile")
    """Scopes that are asked."""
    levels: dict[str, Level] = Field(default={})
    """Not used: the institution's provider decides how its people log in."""


class StaffClaims(SettingsSection):
    """Which claims of the institution's login carry what."""

    account: str = Field("preferred_username", description="the account; it is what the access trail says")
    name: str = Field("name", description="name of the person, shown on the page")
    roles: str = Field("roles", description="list (or text with spaces) of roles; `roles` translates them")
    departments: str = Field("departments", description="list of departments: what was routed to others stays closed")
    providers: str = Field("", description="list of MedMij names the account works for; empty: `staff.providers`")


class StaffSettings(SettingsSection):
    """The pages of the institution's own people (docs/staff.md)."""

    enabled: bool = Field(False, description="offer the staff pages; off: they are not there")
    port: int | None = Field(
        None, ge=1, le=65535,
        description="own port: served by `gateway serve --part staff` only; none: at /staff of the public one",
    )  # fmt: skip
    host: str = Field("127.0.0.1", description="address of the own port")
    url: str = Field("", description="public address of the own port, for the login's way back; empty: the base URL")
    tls: TlsSettings = TlsSettings()
    login: StaffLoginSettings = StaffLoginSettings()
    claims: StaffClaims = StaffClaims()
    roles: dict[str, StaffRole] = Field(
        {role.value: role for role in StaffRole}, description="values of the roles claim, and the role of each"
    )
    providers: tuple[str, ...] = Field(
        (), description="MedMij names these people work for; empty: the only provider that is configured"
    )
    idle_minutes: int = Field(20, ge=1, le=240, description="a session that is not used ends after so long")
    hours: int = Field(9, ge=1, le=24, description="a session ends after so long, used or not")
    reasons: tuple[str, ...] = Field(
        (
            "Dit hoort niet in uw dossier bij ons.",
            "Wij kunnen dit niet lezen of niet beoordelen.",
            "Deze meting lijkt niet te kloppen. Wilt u opnieuw meten?",
            "Dit hebben wij al ontvangen.",
        ),
        description="reasons of a refusal to choose from, as the citizen reads them",
    )

    def problems(self, providers: int) -> list[str]:
        """What production refuses, one line each; ``providers`` is how many are configured."""
        if not self.enabled:
            return []
        faults = []
        if not self.login.issuer.startswith("https://"):
            faults.append("staff.login.issuer: must be https")
        if self.login.client_secret is None and self.login.private_key_file is None:
            faults.append("staff.login: needs client_secret or private_key_file")
        if providers > 1 and not self.providers and not self.claims.providers:
            faults.append("staff.providers (or staff.claims.providers): say for which provider these people work")
        if self.port is not None and not self.url.startswith("https://"):
            faults.append("staff.url: must be https")
        return faults
