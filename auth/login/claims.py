"""The claims of a login, read by a table: what is required, how it is read, what is refused.

Bridges name their claims differently, so the names come from the settings; the rules do not.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from auth.bridges import OidcSettings, SamlSettings
from auth.crypto import valid_bsn
from auth.login.port import Identity, LoginFailed
from auth.ports import Level, Representation

BridgeSettings = OidcSettings | SamlSettings

_SECTOR = "s00000000:"
"""Prefix of a citizen number in DigiD's own notation."""


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """One claim: which setting names it, how it is read, whether a login without it fails."""

    field: str
    named: Callable[[BridgeSettings], str]
    read: Callable[[object, BridgeSettings], object]
    required: bool


def _bsn(value: object, _settings: BridgeSettings) -> object:
    text = value.removeprefix(_SECTOR) if isinstance(value, str) else ""
    return text if valid_bsn(text) else None


def _level(value: object, settings: BridgeSettings) -> object:
    return settings.levels.get(value) if isinstance(value, str) else None


def _date(value: object, _settings: BridgeSettings) -> object:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _representation(value: object, settings: BridgeSettings) -> object:
    known = settings.representations.get(value) if isinstance(value, str) else None
    return Representation(known) if known is not None else None


def _moment(value: object, _settings: BridgeSettings) -> object:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) and 0 < value < 2**40 else None


CLAIM_RULES = (
    ClaimRule("bsn", lambda s: s.claims.bsn, _bsn, required=True),
    ClaimRule("level", lambda s: s.claims.level, _level, required=True),
    ClaimRule("authenticated", lambda s: "auth_time", _moment, required=True),
    ClaimRule("birth_date", lambda s: s.claims.birth_date, _date, required=False),
    ClaimRule("actor_bsn", lambda s: s.claims.actor_bsn, _bsn, required=False),
    ClaimRule("representation", lambda s: s.claims.representation, _representation, required=False),
)


def identity(claims: Mapping[str, Any], settings: BridgeSettings, assertion: str, now: datetime) -> Identity:
    """The identity in verified claims; `assertion` is what proved them, kept as a digest. Raises LoginFailed.

    A claim that is present must be readable, required or not: half an answer about a representative is no answer.
    """
    values: dict[str, Any] = {}
    for rule in CLAIM_RULES:
        name = rule.named(settings)
        raw = _walk(claims, name) if name else None
        value = None if raw is None else rule.read(raw, settings)
        if value is None and (rule.required or raw is not None):
            raise LoginFailed(f"claim-{rule.field}")
        values[rule.field] = value
    _fresh(values["authenticated"], settings, now)
    if (values["actor_bsn"] is None) != (values["representation"] is None):
        raise LoginFailed("claim-representation")
    level: Level = values["level"]
    return Identity(assertion_id=hashlib.sha256(assertion.encode()).hexdigest()[:32], **{**values, "level": level})


def _fresh(authenticated: datetime, settings: BridgeSettings, now: datetime) -> None:
    age = (now - authenticated).total_seconds()
    if not -settings.clock_leeway_seconds <= age <= settings.max_age_seconds + settings.clock_leeway_seconds:
        raise LoginFailed("stale")


def _walk(claims: Mapping[str, Any], path: str) -> object:
    if path in claims:
        return claims[path]
    value: object = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
