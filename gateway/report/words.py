"""The words of the reports, in Dutch and English, from two tables."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@cache
def _texts() -> Mapping[str, Any]:
    return tomllib.loads((HERE / "texts.toml").read_text("utf-8"))


@cache
def _rules() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((HERE / "rules.toml").read_text("utf-8"))


def words(language: str, part: str) -> dict[str, str]:
    """One part of the words of a language (``nl`` or ``en``)."""
    return dict(_texts()[language][part])


def rule_text(rule: str, language: str, severity: str = "error") -> tuple[str, str]:
    """What is wrong and what to do, for a rule by its counted name; a warning may have words of its own."""
    table = _rules()
    row = table.get(f"{rule}:{severity}") or table.get(rule) or table.get(re.split("[:-]", rule)[0]) or table["other"]
    return row[language], row[f"do_{language}"]
