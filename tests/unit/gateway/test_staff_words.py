"""The words of the staff pages: what is counted elsewhere has a name there, in both languages."""

import tomllib
from pathlib import Path

import pytest

import gateway.staff
from gateway.queues import STORED

MESSAGES = Path(gateway.staff.__file__).parent / "messages"


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_queue_has_a_name(language: str) -> None:
    words = tomllib.loads((MESSAGES / f"{language}.toml").read_text("utf-8"))
    assert set(STORED) == set(words["queues"])
