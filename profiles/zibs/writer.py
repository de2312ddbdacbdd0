"""Writing tables: the same facts always give the same bytes, laid out for reading."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from profiles.zibs.notation import read

PLAIN: Final = re.compile(
    r"[A-Za-z(][A-Za-z0-9_./:;|()\[\]=,*+&'ëéèïöüÉ<>%-]*( [A-Za-z0-9_./:;|()\[\]=,*+&'ëéèïöüÉ<>%-]+)*"
)
FLOW: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./:-]+)*|https?:[A-Za-z0-9_./-]+")
STRANGE: Final = re.compile("[^ -~\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029]")
RESERVED: Final = frozenset({"true", "false", "null"})
LINES: Final = frozenset({"codes"})
BLOCKS: Final = frozenset({"elements", "invariants", "names", "words"})
"""Keys whose mappings are written over several lines; other mappings and all lists of text fit on one."""


def write(table: dict[str, Any]) -> str:
    """The text of a table, which reads back as the same table."""
    text = "\n".join(_mapping(table, "")) + "\n"
    if read(text, "written") != table:
        raise AssertionError(f"{table.get('structure') or table.get('valueset')} does not read back as written")
    return text


def _mapping(table: dict[str, Any], indent: str, block: bool = True) -> Iterator[str]:
    for key, value in table.items():
        head = f"{indent}{_key(str(key))}:"
        if key in LINES:
            yield f"{head} |"
            yield from (f"{indent}  {line}" for line in str(value).splitlines())
        elif key == "include":
            yield head
            for row in value:
                lines = list(_mapping(row, indent + "  "))
                yield f"{indent}- {lines[0].lstrip()}"
                yield from lines[1:]
        elif isinstance(value, dict) and value and (key in BLOCKS or not block):
            yield head
            yield from _mapping(value, indent + "  ", block=key not in BLOCKS)
        elif value == {} and not block:
            yield f"{head} {{}}"
        else:
            yield f"{head} {_text(value) if isinstance(value, str) else _flow(value)}"


def _key(key: str) -> str:
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_.\[\]:/-]*[A-Za-z0-9_\]-]|[a-z]", key) and key not in RESERVED
    return key if plain else _quoted(key)


def _quoted(text: str) -> str:
    """The text between double quotes, with escapes for what YAML does not take as it is."""
    return STRANGE.sub(lambda match: f"\\U{ord(match[0]):08x}", json.dumps(text, ensure_ascii=False))


def _text(value: str) -> str:
    risky = ": " in value or value.endswith(":") or " #" in value or value in RESERVED
    if not risky and (PLAIN.fullmatch(value) or re.fullmatch(r"\d*\.\.(\d+|\*)?|\d+(\.\d+){2,}", value)):
        return value
    return _quoted(value)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(str(key))}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    text = str(value)
    if FLOW.fullmatch(text) and text not in RESERVED and ": " not in text and not text.endswith(":"):
        return text
    return _quoted(text)
