"""The words of findings, in Dutch and English, from one catalogue."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from profiles.rows import Row, read
from profiles.validation.hits import Hit

LIMIT = 160


@dataclass(frozen=True)
class Words:
    """A message and its advice in both languages, and the two particulars that tables show."""

    text_nl: str
    text_en: str
    advice_nl: str
    advice_en: str
    found: str
    allowed: str


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """All messages by key."""
    return read(Path(__file__).with_name("messages.toml"), dict[str, dict[str, dict[str, str]]])["message"]


class ReasonRow(Row, frozen=True):
    """``[[reason]]`` of reasons.toml: why a text cannot be read, in both languages."""

    en: str
    nl: str


class ReasonRows(Row, frozen=True):
    """reasons.toml."""

    reason: tuple[ReasonRow, ...]


@cache
def _reasons() -> tuple[tuple[re.Pattern[str], str], ...]:
    rows = read(Path(__file__).with_name("reasons.toml"), ReasonRows).reason
    return tuple((re.compile("(.+)".join(map(re.escape, row.en.split("{}")))), row.nl) for row in rows)


def in_dutch(reason: str) -> str:
    """A reason of the codec in Dutch; one that has no row stays as it is."""
    for pattern, words in _reasons():
        if (match := pattern.fullmatch(reason)) is not None:
            return words.format(*match.groups())
    return reason


@cache
def entry(key: str) -> dict[str, str]:
    """The catalogue entry of a key; an entry for its first part serves all keys that begin so."""
    table = catalogue()
    return table.get(key) or table.get(key.partition(".")[0]) or table["other"]


def issue_code(key: str) -> str:
    """The FHIR issue type of a message."""
    return entry(key).get("code", "invalid")


def _short(value: Any) -> str:
    from profiles.validation.schema.terminology import ValueSet

    if isinstance(value, ValueSet):
        sample = value.sample()
        return ", ".join(sample) + (", ..." if len(sample) == 8 else "")
    if value is None:
        return ""
    if isinstance(value, dict) and isinstance(value.get("coding"), list):
        value = ", ".join(
            f"{row.get('system', '')}|{row.get('code', '')}" for row in value["coding"] if isinstance(row, dict)
        )
    elif isinstance(value, dict) and "code" in value and "system" in value:
        value = f"{value['system']}|{value['code']}"
    text = value if isinstance(value, str) else _plain(value)
    return text if len(text) <= LIMIT else text[: LIMIT - 3] + "..."


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_plain(item)}" for key, item in list(value.items())[:6]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value[:6])) + "]"
    return str(value)


class _Params(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def render(hit: Hit) -> Words:
    """The words for a hit."""
    row = entry(hit.key)
    node = hit.node
    own = catalogue().get(f"rule.{hit.params['constraint']}") if hit.key == "invariant.failed" else None
    if own is not None:
        row = {**row, **own}
    params = _Params({key: _short(value) for key, value in hit.params.items() if key != "near"})
    params.setdefault("element", node.name.removesuffix("[x]") if node is not None else "")
    params["name_nl"] = params["name_en"] = params["element"]
    if node is not None and node.zib is not None:
        params["name_nl"] = f"{node.zib.name_nl} ({params['element']})"
        params["name_en"] = f"{node.zib.name_en} ({params['element']})"
    if "element" in hit.params:
        params["name_nl"] = params["name_en"] = params["element"]
    near = hit.params.get("near")
    dutch = _Params(params, reason=in_dutch(params["reason"])) if "reason" in params else params
    texts = [row["nl"].format_map(dutch), row["en"].format_map(params)]
    if isinstance(near, dict):
        shown = _Params({key: _short(value) for key, value in near.items()})
        table = catalogue()["near"]
        texts = [texts[0] + " " + table["nl"].format_map(shown), texts[1] + " " + table["en"].format_map(shown)]
    return Words(
        texts[0].strip(),
        texts[1].strip(),
        row.get("do_nl", "").format_map(params),
        row.get("do_en", "").format_map(params),
        params["value"] or params["count"],
        params["allowed"] or params["max"] or params["min"],
    )
