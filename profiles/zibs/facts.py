"""Reading the facts of a published StructureDefinition into a table; its texts stay behind."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from profiles.validation.schema.differential import dataset
from profiles.zibs.names import ZibNames, concept_of, model
from profiles.zibs.notation import BAR, PROFILED

Name = Callable[[str], str]
"""The name under which a canonical URL is written in the tables."""

VALUES: Final = (("fixed", "fixed"), ("pattern", "pattern"), ("least", "minValue"), ("most", "maxValue"))
"""Keys of a row for what a definition gives as ``fixedCode``, ``patternCoding``, ``minValueDecimal`` ..."""


def table(data: Mapping[str, Any], names: ZibNames, name: Name, words: Mapping[str, str]) -> dict[str, Any]:
    """The table of a StructureDefinition. LookupError names an invariant for which ``words`` has no text."""
    elements = data["differential"]["element"]
    kind = str(data["type"])
    facts: dict[str, Any] = {"structure": data["url"]}
    if data.get("version"):
        facts["version"] = str(data["version"])
    facts |= {"title": str(data.get("title") or data["name"]), "type": kind, "base": name(data["baseDefinition"])}
    own, zib_name = model(data)
    if zib_name:
        facts["model"] = zib_name
    rows = {element_id(element): row(element, names, name, words, own) for element in elements}
    zib = rows.get(kind, {}).pop("zib", None)
    if zib:
        facts["zib"] = zib
    if data.get("context"):
        facts["context"] = _context(data)
    if kind in rows and not rows[kind]:
        del rows[kind]
    facts["elements"] = rows
    return facts


def _context(data: Mapping[str, Any]) -> dict[str, list[str]]:
    """Where an extension may stand, by kind: STU3 has one kind for all places, R4 one for each."""
    places: dict[str, list[str]] = {}
    for one in data["context"]:
        kind, place = (one["type"], one["expression"]) if isinstance(one, dict) else (data.get("contextType"), one)
        places.setdefault(str(kind or "resource"), []).append(str(place))
    return places


def element_id(element: Mapping[str, Any]) -> str:
    """The id of an element; from its path and slice name where a definition gives none."""
    head, dot, rest = str(element.get("id") or element["path"]).partition(".")
    ident = head.partition(":")[0] + dot + rest
    if not dot:
        return ident
    last = ident.rpartition(".")[2]
    # A slice name beside another element than the id names is a fault of the publication.
    if element.get("sliceName") and ":" not in last and str(element["path"]).endswith(last):
        ident += f":{element['sliceName']}"
    return ident


def row(
    element: Mapping[str, Any], names: ZibNames, name: Name, words: Mapping[str, str], own: str = ""
) -> dict[str, Any]:
    """The facts of one element; ``own`` is the mapping identity of the zib that the profile is made for."""
    facts: dict[str, Any] = {}
    if "min" in element or "max" in element:
        facts["card"] = f"{element.get('min', '')}..{element.get('max', '')}"
    if types := _types(element.get("type") or (), name):
        facts["types"] = types
    facts |= _values(element)
    if "slicing" in element:
        facts["slicing"] = _slicing(element["slicing"])
    if "binding" in element:
        facts["binding"] = _binding(element["binding"], name)
    if element.get("isModifier"):
        facts["modifier"] = True
    if stated := [one for one in element.get("constraint") or () if one.get("expression")]:
        facts["invariants"] = {one["key"]: _invariant(one, words) for one in stated}
    return facts | _concepts(element, names, own)


def _values(element: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for key, start in VALUES:
        for label, value in element.items():
            if label.startswith(start) and label[len(start) : len(start) + 1].isupper():
                facts[key] = exact(value)
    for key, label in (("length", "maxLength"), ("content", "contentReference")):
        if label in element:
            facts[key] = element[label]
    return facts


def _concepts(element: Mapping[str, Any], names: ZibNames, own: str) -> dict[str, str]:
    found = {}
    if concept := concept_of(element, own):
        found["zib"] = names.text(concept)
    if (of_dataset := dataset(element)) is not None:
        found["dataset"] = BAR.join(filter(None, of_dataset))
    return found


def exact(value: Any) -> Any:
    """The value with its fractions as Decimal."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    return [exact(item) for item in value] if isinstance(value, list) else value


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _types(rows: Iterable[Mapping[str, Any]], name: Name) -> str:
    merged: dict[str, list[str]] = {}
    for type_ in rows:
        code = str(type_.get("code") or ("string" if "_code" in type_ else ""))
        if not code:
            continue
        told = [name(url) for url in _listed(type_.get("targetProfile" if code == "Reference" else "profile"))]
        if code == "Reference":
            told += [PROFILED + name(url) for url in _listed(type_.get("profile"))]
        texts = merged.setdefault(code, [])
        texts.extend(one for one in told if one not in texts)
    return ", ".join(f"{code}({', '.join(texts)})" if texts else code for code, texts in merged.items())


def _slicing(data: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    rows = [f"{one.get('type', 'value')} {one.get('path', '$this')}" for one in data.get("discriminator") or ()]
    if rows:
        facts["by"] = rows
    facts["rules"] = str(data.get("rules", "open"))
    if data.get("ordered"):
        facts["ordered"] = True
    return facts


def _binding(data: Mapping[str, Any], name: Name) -> str:
    reference = data.get("valueSetReference") or {}
    url = reference.get("reference") or data.get("valueSetUri") or data.get("valueSet")
    return str(data.get("strength", "example")) + (f" {name(url)}" if url else "")


def _invariant(data: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, str]:
    key = str(data["key"])
    if key not in words:
        raise LookupError(f"invariant {key}: write what it demands in our own words under 'words' in release.yaml")
    return {"severity": str(data.get("severity", "error")), "expression": data["expression"], "human": words[key]}
