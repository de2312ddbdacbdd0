"""Where the tables of base facts are kept: one JSON file per release, one element per line."""

import json
from pathlib import Path

from profiles.fhir.tables.lines import FactsTable
from profiles.fhir.version import FhirVersion

FOLDER = Path(__file__).resolve().parent.parent / "data"


def facts_path(version: FhirVersion) -> Path:
    """The committed table of a release."""
    return FOLDER / f"facts-{version.value}.json"


def as_text(table: FactsTable) -> str:
    """The table as it is committed: readable, stable, one element per line, long code lists on one line."""
    codes = ",\n".join(f"  {json.dumps(name)}: {json.dumps(table['codes'][name])}" for name in sorted(table["codes"]))
    types = []
    for name in sorted(table["types"]):
        facts = table["types"][name]
        elements = ",\n".join(f"    {json.dumps(line)}" for line in facts["elements"])
        head = f'"kind": {json.dumps(facts["kind"])}, "base": {json.dumps(facts["base"])}'
        types.append(f'  {json.dumps(name)}: {{{head}, "elements": [\n{elements}]}}')
    opened = json.dumps(table["open"])
    return f'{{"open": {opened},\n"codes": {{\n{codes}}},\n"types": {{\n' + ",\n".join(types) + "}}\n"
