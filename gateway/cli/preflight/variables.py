"""Settings that a production needs and that are not set, and variables that are no setting."""

import os
from collections.abc import Iterator

from pydantic import BaseModel

from gateway.cli.preflight import PreflightLine
from gateway.settings import FORMER, TEST_KEY, Settings, refusals, variable

NEEDED = ("audit_key", "auth.pseudonym_key", "auth.seal_keys", "auth.seal_with")
"""Secrets and what names them; a start in production needs each."""
BESIDE = {"GATEWAY_CONFIG", "GATEWAY_PACKAGE_REGISTRY", "GATEWAY_DRAFT_URL"}
"""Variables of single commands."""


def check(settings: Settings) -> Iterator[PreflightLine]:
    """The settings as a whole, then what is not set, then what looks like a setting and is none."""
    wrong = refusals(settings)
    absent = [name for name in NEEDED if settings.mode == "production" and not _set(settings, name)]
    own = [name.rpartition(".")[2] for name in absent]
    # What is simply not set has a line of its own, with the variable that sets it.
    yield from (PreflightLine("settings", "error", line) for line in wrong if not any(name in line for name in own))
    if not wrong:
        yield PreflightLine("settings", "ok", f"mode {settings.mode}, {settings.base_url}")
    for name in absent:
        yield PreflightLine(f"setting {name}", "error", f"not set: neither in the file nor as {variable(name)}")
    for name in sorted(os.environ):
        if name.startswith("GATEWAY_") and name not in BESIDE | set(FORMER) and not _known(name):
            yield PreflightLine(f"variable {name}", "warning", "is no setting: nothing reads it")


def _set(settings: Settings, name: str) -> bool:
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return bool(value) and value != type(settings).model_fields["audit_key"].default and value != TEST_KEY


def _known(name: str) -> bool:
    """Whether a variable leads to a setting; what stands below a table (seal_keys) is for the table to say."""
    model: type[BaseModel] = Settings
    for part in name.removeprefix("GATEWAY_").lower().split("__"):
        field = model.model_fields.get(part)
        if field is None:
            return False
        kind = field.annotation
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return True
        model = kind
    return True
