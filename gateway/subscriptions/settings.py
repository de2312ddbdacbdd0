"""What an operator can set about subscriptions. Which services have them is the provider's setting."""

from typing import Literal

from pydantic import Field

from gateway.sections import SettingsSection


class SubscriptionSettings(SettingsSection):
    """Subscriptions and notifications (docs/subscriptions.md)."""

    form: Literal["2.x", "1.1"] = Field("2.x", description="names and dates in answers: those of framework 2.x or 1.1")
    per_key: int = Field(5, ge=1, le=100, description="most active subscriptions of one PGO, person and data service")
    collapse_minutes: int = Field(15, ge=0, le=60, description="shortest time between two notifications of one")
    jitter_seconds: int = Field(300, ge=0, le=900, description="longest random delay, so that times tell nothing")
    look_seconds: float = Field(60.0, gt=0, le=1800, description="time between two looks at what changed")
    live_minutes: int = Field(30, ge=5, le=40, description="longest time between two looks at what live sources give")
    live_per_second: float = Field(2.0, gt=0, le=100, description="questions to the live sources of one provider")
    live_at_once: int = Field(4, ge=1, le=50, description="subscriptions of one provider looked at beside each other")
    repeat_hours: int = Field(24, ge=1, le=72, description="how long a request id gives the same answer")
    again: Literal["ok", "not-found"] = Field("ok", description="answer to ending what has ended: 200, or 404")
    kept_days: int = Field(365, ge=1, description="how long an ended subscription is kept")
