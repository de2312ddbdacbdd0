"""Where the tables of base facts are kept: JSON files that a person can read and compare, one element per line."""

import json
from pathlib import Path
from typing import Any

from profiles.fhir.tables.corrections import Corrections
from profiles.fhir.tables.lines import FactsTable, TypeTable
from profiles.fhir.version import FhirVersion

FOLDER = Path(__file__).resolve().parent.parent / "data"


def facts_path(version: FhirVersion) -> Path:
    """The committed facts of a release."""
    return FOLDER / f"facts-{version.value}.json"


def corrections_path(version: FhirVersion) -> Path:
    """The committed corrections of a release."""
    return FOLDER / f"corrections-{version.value}.json"


def read_corrections(version: FhirVersion) -> Corrections:
    """The committed corrections."""
    found: Corrections = json.loads(corrections_path(version).read_bytes())
    return found


def as_text(table: FactsTable | Corrections) -> str:
    """A table as it is committed: stable, one element or code list per line."""
    members: dict[str, Any] = {**table}
    parts = []
    for name, value in members.items():
        shown = _types(value) if name == "types" else _members(value) if isinstance(value, dict) else json.dumps(value)
        parts.append(f"{json.dumps(name)}: {shown}")
    return "{" + ",\n".join(parts) + "}\n"


def _types(types: dict[str, TypeTable]) -> str:
    shown = []
    for name, facts in sorted(types.items()):
        head = f'"kind": {json.dumps(facts["kind"])}, "base": {json.dumps(facts["base"])}'
        elements = ",\n".join(f"    {json.dumps(line)}" for line in facts["elements"])
        shown.append(f'  {json.dumps(name)}: {{{head}, "elements": [\n{elements}]}}')
    return "{\n" + ",\n".join(shown) + "}"


def _members(members: dict[str, Any]) -> str:
    shown = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in sorted(members.items())]
    return "{\n" + ",\n".join(shown) + "}"
