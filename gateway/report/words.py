"""The words of the reports, in Dutch and English, from two tables."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from profiles.rows import Row, read

HERE = Path(__file__).parent


@cache
def _texts() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    return read(HERE / "texts.toml", dict[str, dict[str, dict[str, str]]])


class RuleWords(Row, frozen=True):
    """The words of one rule: what is wrong, and what to do about it."""

    nl: str
    en: str
    do_nl: str
    do_en: str


@cache
def _rules() -> Mapping[str, RuleWords]:
    return read(HERE / "rules.toml", dict[str, RuleWords])


def words(language: str, part: str) -> dict[str, str]:
    """One part of the words of a language (``nl`` or ``en``)."""
    return dict(_texts()[language][part])


def rule_text(rule: str, language: str, severity: str = "error") -> tuple[str, str]:
    """What is wrong and what to do, for a rule by its counted name; a warning may have words of its own."""
    table = _rules()
    row = table.get(f"{rule}:{severity}") or table.get(rule) or table.get(re.split("[:-]", rule)[0]) or table["other"]
    return (row.nl, row.do_nl) if language == "nl" else (row.en, row.do_en)
