"""Limits that the agreement sets: a configuration may be stricter and never laxer, and the defaults keep them."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from auth.settings import AuthSettings
from gateway.sections import ChainLogSettings
from gateway.settings import Settings

FIVE_YEARS, THREE_YEARS = timedelta(days=5 * 365), timedelta(days=3 * 365)


def test_log_12_how_long_logs_are_kept_by_default() -> None:
    """LOG-12, CONS-05: five years for what is kept of consents and grants, three for events of the chain."""
    assert timedelta(AuthSettings.model_fields["retention_days"].default) >= FIVE_YEARS
    assert timedelta(ChainLogSettings.model_fields["retention_days"].default) >= THREE_YEARS


@pytest.mark.parametrize(
    "beyond",
    [
        pytest.param({"limits": {"deadline_seconds": 61}}, id="RES-02 sources"),
        pytest.param({"limits": {"audit_seconds": 61}}, id="RES-02 audit"),
        pytest.param({"lists": {"interval_seconds": 901}}, id="LIST-03"),
    ],
)
def test_no_setting_goes_beyond_the_agreement(beyond: dict[str, Any]) -> None:
    """RES-02: an answer within sixty seconds. LIST-03: lists at least every fifteen minutes."""
    with pytest.raises(ValidationError, match="less than or equal to"):
        Settings.model_validate(beyond)


def test_the_defaults_leave_room() -> None:
    """RES-02, SC-P5: sources and audit together stay far below sixty seconds."""
    limits = Settings().limits
    assert limits.deadline_seconds + limits.audit_seconds + limits.database_seconds < 10
