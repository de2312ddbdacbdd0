"""A narrative of our own, for a resource that has none: its elements in order, with Dutch names, as a small table.

The names are those of the zib tables; where no table names an element, those of wording.toml. Values keep their digits,
codes without a word are shown as codes. Identifiers and extensions are not shown.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

from profiles.fhir.codec.xhtml import XHTML
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.label import concept_text, human_name
from profiles.record.repair import Repair
from profiles.rows import read
from profiles.zibs.load import labels

LEFT_OUT: Final = frozenset(
    {"resourceType", "id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension",
     "identifier", "section"}
)  # fmt: skip
TYPES: Final = frozenset({"Binary", "Bundle", "OperationOutcome", "Parameters"})
"""What has no narrative, or is none of a person's facts."""
DEEPEST: Final = 4
_CHOICE = re.compile(r"^(value|onset|abatement|effective|performed|occurrence|medication|deceased|reason|code)[A-Z]")
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_WORDS = Path(__file__).parent / "wording.toml"


def write(resource: Resource, version: FhirVersion) -> list[Repair]:
    """Give a resource without narrative one, in place (status ``generated``); nothing when there is nothing to tell."""
    kind = str(resource.get("resourceType"))
    if kind in TYPES or "text" in resource:
        return []
    names = _names(version, _claims(resource))
    rows = list(_rows(resource, kind, names, 0))
    if not rows:
        return []
    title = names.get(kind) or _words("elements").get(kind) or kind
    body = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    div = f'<div xmlns="{XHTML}"><p>{escape(title)}</p><table><tbody>{body}</tbody></table></div>'
    made = {"status": "generated", "div": div}
    rest = {key: value for key, value in resource.items() if key not in ("resourceType", "id", "meta")}
    for key in rest:
        del resource[key]
    resource["text"] = made
    resource.update(rest)
    return [Repair("narrative-written", f"{kind}.text")]


def _rows(node: Mapping[str, Any], path: str, names: Mapping[str, str], depth: int) -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        if key in LEFT_OUT or key.startswith("_"):
            continue
        chosen = _CHOICE.match(key)
        element = chosen[1] if chosen else key
        below = f"{path}.{key}"
        name = names.get(f"{path}.{element}[x]" if chosen else below) or names.get(f"{path}.{element}")
        name = name or _words("elements").get(element) or element
        for one in value if isinstance(value, list) else [value]:
            told = said(one)
            if told:
                yield name, told
            elif isinstance(one, dict) and depth < DEEPEST:
                yield from ((f"{name}: {inner}", told) for inner, told in _rows(one, below, names, depth + 1))


def said(value: Any) -> str | None:
    """A value in words; None for what has parts of its own."""
    if isinstance(value, bool):
        return _words("values")["true" if value else "false"]
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, str):
        return _words("values").get(value) or _DAY.sub(lambda day: f"{int(day[3])}-{int(day[2])}-{day[1]}", value)
    if not isinstance(value, dict):
        return None
    if "reference" in value or "display" in value:
        return _text(value.get("display"))
    if "coding" in value or set(value) <= {"text", "extension", "id"}:
        return concept_text(value) or _code(value)
    if "code" in value and "system" in value and "value" not in value:
        return _text(value.get("code"))
    if "family" in value or "given" in value:
        return human_name(value)
    if "value" in value and isinstance(value["value"], (int, Decimal)):
        parts = (value.get("comparator"), str(value["value"]), value.get("unit") or value.get("code"))
        return " ".join(str(one) for one in parts if one)
    if "value" in value and "system" in value:
        return _text(value["value"])
    if value.keys() & {"start", "end"} and not value.keys() - {"start", "end", "extension", "id"}:
        start, end = said(value.get("start")), said(value.get("end"))
        return " ".join(one for one in (start and f"van {start}", end and f"tot {end}") if one) or None
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _code(concept: Mapping[str, Any]) -> str | None:
    codings = concept.get("coding")
    first = codings[0] if isinstance(codings, list) and codings else None
    return _text(first.get("code")) if isinstance(first, dict) else None


def _claims(resource: Resource) -> tuple[str, ...]:
    meta = resource.get("meta")
    given = meta.get("profile") if isinstance(meta, dict) else None
    return tuple(one for one in given if isinstance(one, str)) if isinstance(given, list) else ()


@cache
def _names(version: FhirVersion, claims: tuple[str, ...]) -> Mapping[str, str]:
    return next((found for one in claims if (found := labels(version, one))), {})


@cache
def _words(part: str) -> Mapping[str, str]:
    return read(_WORDS, dict[str, dict[str, str]])[part]
