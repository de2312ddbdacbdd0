"""Base facts read from an official core package (StructureDefinition snapshots), to compare ours with."""

import json
import tarfile
from pathlib import Path
from typing import Any

from profiles.fhir.tables.lines import FactsTable, TypeTable, write_line
from profiles.fhir.tables.valuesets import ValueSets

PREFIX = "http://hl7.org/fhir/StructureDefinition/"
SYSTEM_TYPES = "http://hl7.org/fhirpath/System."


def read_package(path: Path) -> list[dict[str, Any]]:
    """Every conformance resource of a package; raises OSError or ValueError when it cannot be read."""
    resources = []
    with tarfile.open(path) as archive:
        for member in archive:
            handle = archive.extractfile(member) if member.name.endswith(".json") else None
            resource = json.load(handle) if handle else None
            if isinstance(resource, dict) and "resourceType" in resource:
                resources.append(resource)
    return resources


def official_table(path: Path) -> FactsTable:
    """The facts of all primitive, data and resource types that the package defines."""
    resources = read_package(path)
    value_sets = ValueSets(resources)
    definitions = [
        resource
        for resource in resources
        if resource["resourceType"] == "StructureDefinition"
        and resource["kind"] in ("primitive-type", "complex-type", "resource")
        and resource.get("derivation") != "constraint"
    ]
    table = FactsTable(open=[], codes={}, types={})
    for definition in sorted(definitions, key=lambda one: str(one["type"])):
        _add_definition(table, definition, value_sets)
    table["codes"] = dict(sorted(table["codes"].items()))
    return table


def _add_definition(table: FactsTable, definition: dict[str, Any], value_sets: ValueSets) -> None:
    name = definition["type"]
    elements = definition["snapshot"]["element"]
    kind = {"primitive-type": "primitive", "complex-type": "complex"}.get(definition["kind"], "resource")
    base = definition.get("baseDefinition")
    types: dict[str, TypeTable] = {name: TypeTable(kind=kind, base=base and base.removeprefix(PREFIX), elements=[])}
    parents = {_parent(element["path"]) for element in elements}
    for element in elements[1:]:
        path, parent = element["path"], _parent(element["path"])
        if parent not in types:
            continue
        if path in parents:
            types[path] = TypeTable(kind="backbone", base=element["type"][0]["code"], elements=[])
        types[parent]["elements"].append(_line(element, kind == "resource", path in parents, table, value_sets))
    table["types"].update(types)


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _line(element: dict[str, Any], of_resource: bool, backbone: bool, table: FactsTable, value_sets: ValueSets) -> str:
    name, low, high = element["path"].rpartition(".")[2], element["min"], element["max"]
    if "contentReference" in element:
        content = element["contentReference"].rpartition("#")[2]
        return write_line(name, low, high, (), {}, None, content)
    if backbone:
        return write_line(name, low, high, [element["path"]], {}, None, None)
    targets: dict[str, list[str]] = {}
    own_id = of_resource and element["path"].endswith(".id") and element["path"].count(".") == 1
    for entry in element.get("type", []):
        code = "id" if own_id else _type_code(entry)
        wanted = entry.get("targetProfile", [])
        kept = targets.setdefault(code, [])
        kept += [one.removeprefix(PREFIX) for one in ([wanted] if isinstance(wanted, str) else wanted)]
    if len(targets) > 30:
        table["open"] = table["open"] or list(targets)
        return write_line(name, low, high, ["*"], {}, None, None)
    targets = {code: [] if found == ["Resource"] else found for code, found in targets.items()}
    codes = None
    if list(targets) == ["code"] and element.get("binding", {}).get("strength") == "required":
        codes = value_sets.add_codes(element["binding"], table["codes"])
    return write_line(name, low, high, list(targets), targets, codes, None)


def _type_code(entry: dict[str, Any]) -> str:
    """The FHIR type of an element, also where the definition names a type of FHIRPath."""
    code = str(entry.get("code", "string"))
    if code.startswith(SYSTEM_TYPES):
        hints = [one.get("valueUrl", one.get("valueUri")) for one in entry.get("extension", [])]
        hints = [one for one in hints if one]
        return str(hints[0]) if hints else code.removeprefix(SYSTEM_TYPES).lower()
    return code
