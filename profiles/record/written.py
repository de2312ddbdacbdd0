"""A narrative of our own, for a resource that has none: its elements in order, with Dutch names, as a small table.

The names are those of the zib tables; where no table names an element, those of wording.toml. Values keep their digits,
codes without a word are shown as codes. Identifiers and addresses of resources are not shown, nor extensions that
wording.toml does not name.

What modifies the meaning comes first, and is never left out: a treatment directive says whether in a modifierExtension.
Where such a part cannot be said in words there is no narrative at all.
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
from profiles.record.walk import objects
from profiles.rows import read
from profiles.zibs.load import labels

LEFT_OUT: Final = frozenset(
    {"resourceType", "id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension",
     "identifier", "section", "policy"}
)  # fmt: skip
TYPES: Final = frozenset({"Binary", "Bundle", "OperationOutcome", "Parameters"})
"""What has no narrative, or is none of a person's facts."""
DEEPEST: Final = 4
_CHOICE = re.compile(r"^(value|onset|abatement|effective|performed|occurrence|medication|deceased|reason|code)[A-Z]")
_MOMENT = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?")
_WORDS = Path(__file__).parent / "wording.toml"


def write(resource: Resource, version: FhirVersion) -> list[Repair]:
    """Give a resource without narrative one, in place (status ``generated``); nothing when there is nothing to tell."""
    kind = str(resource.get("resourceType"))
    if kind in TYPES or "text" in resource:
        return []
    names = _names(version, _claims(resource))
    try:
        rows = [*_extended(resource), *_rows(resource, kind, names, 0)]
    except Unsayable:
        return []
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


class Unsayable(ValueError):
    """A part that changes the meaning and that there are no words for."""


def _extended(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What modifies an object, and its extensions that have a name for people. Raises Unsayable."""
    for key in ("modifierExtension", "extension"):
        found = node.get(key)
        for one in found if isinstance(found, list) else ():
            url = str(one.get("url", "")) if isinstance(one, dict) else ""
            name = _words("extensions").get(url.rsplit("/", 1)[-1])
            value = next((said(one[part]) for part in one if part.startswith("value")), None) if url else None
            if name and value:
                yield name, value
            elif key == "modifierExtension":
                raise Unsayable(url)


def _rows(node: Mapping[str, Any], path: str, names: Mapping[str, str], depth: int) -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        if key in LEFT_OUT or key.startswith("_") or (key == "reference" and isinstance(value, str)):
            continue
        chosen = _CHOICE.match(key)
        element = chosen[1] if chosen else key
        below = f"{path}.{key}"
        name = names.get(f"{path}.{element}[x]" if chosen else below) or names.get(f"{path}.{element}")
        name = name or _words("elements").get(element) or element
        for given in value if isinstance(value, list) else [value]:
            told = said(given)
            if told:
                yield name, told
            if not isinstance(given, dict):
                continue
            yield from ((f"{name}: {inner}", words) for inner, words in _extended(given))
            if not told and depth < DEEPEST:
                yield from ((f"{name}: {inner}", words) for inner, words in _rows(given, below, names, depth + 1))
            elif any("modifierExtension" in deeper for deeper in objects(given) if deeper is not given):
                raise Unsayable(below)


def said(value: Any) -> str | None:
    """A value in words; None for what has parts of its own."""
    if isinstance(value, bool):
        return _words("values")["true" if value else "false"]
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, str):
        return _words("values").get(value) or _MOMENT.sub(_moment, value)
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
        if start and not end:
            return f"sinds {start}"
        return " ".join(one for one in (start and f"van {start}", end and f"tot {end}") if one) or None
    return None


def _moment(found: "re.Match[str]") -> str:
    clock = f" {found[4]}:{found[5]}" if found[4] and (found[4], found[5]) != ("00", "00") else ""
    return f"{int(found[3])}-{int(found[2])}-{found[1]}{clock}"


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
