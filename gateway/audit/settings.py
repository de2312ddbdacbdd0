"""Section ``audit``: where is stated how far the trail came, signed with which key, and how long records are kept."""

import base64
import binascii
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from gateway.sections import SettingsSection


class AuditSettings(SettingsSection):
    """Without places and a key nothing is signed, and a cut tail of the trail cannot be found."""

    places: tuple[str, ...] = Field(
        (),
        description="where signed heads of the trail go, outside the database: file:///PATH, syslog:///dev/log, "
        "syslog://HOST:PORT, syslog+tcp://HOST:PORT, or an https URL to PUT below",
    )
    signing_key: SecretStr | None = Field(
        None, description="base64 of 32 bytes: the Ed25519 key that signs heads; gateway audit key makes one"
    )
    public_keys: tuple[str, ...] = Field(
        (), description="base64: keys that signed before, or on another node; for gateway audit verify"
    )
    authorization: SecretStr | None = Field(None, description="header Authorization for an https place")
    seconds: float = Field(60.0, ge=1, le=86_400, description="time between two signed heads")
    retention_days: int = Field(1_827, ge=1, description="how long access records are kept (LOG-12: five years)")

    @field_validator("places")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            scheme_of(one)
        return value

    @field_validator("signing_key")
    @classmethod
    def _private(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            key_bytes(value.get_secret_value())
        return value

    @field_validator("public_keys")
    @classmethod
    def _public(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            key_bytes(one)
        return value

    @model_validator(mode="after")
    def _whole(self) -> "AuditSettings":
        if self.places and self.signing_key is None:
            raise ValueError("places need a signing_key")
        return self


def scheme_of(url: str) -> str:
    """The kind of a place. Raises ValueError for one that there is not."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")
    if parts.scheme == "file" and not parts.hostname and parts.path.startswith("/"):
        return "file"
    if parts.scheme in ("syslog", "syslog+tcp") and (parts.hostname or (parts.scheme == "syslog" and parts.path)):
        return "syslog"
    if (parts.scheme == "https" and parts.hostname) or local:
        return "put"
    raise ValueError("a place is file:///PATH, syslog:///PATH, syslog://HOST:PORT, syslog+tcp://HOST:PORT or https")


def key_bytes(text: str) -> bytes:
    """The 32 bytes of an Ed25519 key in base64. Raises ValueError."""
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("needs base64 of 32 bytes") from None
    if len(found) != 32:
        raise ValueError("needs base64 of 32 bytes")
    return found
