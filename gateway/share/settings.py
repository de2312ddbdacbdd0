"""What an operator can set about what citizens send."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.quality.settings import Policy
from gateway.sections import SettingsSection


class AcceptRule(SettingsSection):
    """One rule: all that it names must hold."""

    id: str = Field(min_length=1, max_length=60, description="name of the rule; the trail shows it as who decided")
    author: str = Field(min_length=1, max_length=120, description="who wrote it, and answers for it")
    provider: str = Field(description="MedMij name")
    service: str = Field(description="data service id")
    valid_from: date = Field(description="first day")
    valid_until: date = Field(description="last day")
    codes: tuple[str, ...] = Field((), description="system|code of which the item must have one; empty: any")
    low: Decimal | None = Field(None, description="lowest value")
    high: Decimal | None = Field(None, description="highest value")
    patients: tuple[str, ...] = Field((), description="patient numbers of a programme; empty: everybody")


class ShareSettings(SettingsSection):
    """What citizens send (docs/share.md)."""

    policy: Policy = Field(
        Policy.BLOCK,
        description="with a resource that does not meet its profile: block refuses it (422), observe takes it",
    )
    policies: dict[str, Policy] = Field({}, description="the same for single information standards, by their id")
    body_seconds: float = Field(60.0, gt=0, le=600, description="time in which a body must have arrived")
    spool_bytes: int = Field(
        2_000_000_000, ge=1_000_000, description="most bytes of bodies at once, on disk; who comes later waits"
    )
    spool: Path | None = Field(None, description="folder for what comes in, until it is stored; empty: the system's")
    open_items: int = Field(200, ge=1, description="most items of one person that wait for a decision")
    repeat_hours: int = Field(24, ge=0, le=720, description="how long the same content of a person counts as a repeat")
    strip_location: bool = Field(True, description="where a photo was taken (EXIF) is taken out of what is filed")
    pixels: int = Field(40_000_000, ge=10_000, description="largest image, in pixels")
    undecided_days: int = Field(90, ge=1, description="what nobody decided expires after so many days")
    notice_days: int = Field(60, ge=1, description="after so many days without a decision the department is told")
    declined_days: int = Field(30, ge=0, description="how long the content of what was declined is kept")
    filed_days: int = Field(7, ge=0, description="how long the content of what was filed in the EHR is kept here")
    rules: tuple[AcceptRule, ...] = Field((), description="written rules that accept measurements; none: people decide")
    filing_seconds: float = Field(5.0, gt=0, le=3600, description="time between two looks at what goes to the EHR")
    font: str = Field(
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        description="TrueType font of what is put on paper; without it nothing is",
    )
    looked_at: str = Field("binnen enkele werkdagen", description="how soon it is looked at, as the citizen reads it")
    scanner: Literal["", "icap", "command"] = Field("", description="how files are looked at for malware; empty: not")
    icap_url: str = Field("", pattern=r"^(icap://[^\s]+)?$", description="address of the ICAP service")
    command: tuple[str, ...] = Field(
        (), description="program that reads a file from its input; 0: clean, 1: malware, other: it could not tell"
    )
    scan_seconds: float = Field(20.0, gt=0, le=300, description="time for the scanner to look at one file")

    def problems(self) -> list[str]:
        """What cannot be meant, one line each."""
        faults = []
        if self.scanner == "icap" and not self.icap_url:
            faults.append("share.icap_url: needed for scanner icap")
        if self.scanner == "command" and not self.command:
            faults.append("share.command: needed for scanner command")
        if self.notice_days >= self.undecided_days:
            faults.append("share.notice_days: must lie before undecided_days")
        return faults
