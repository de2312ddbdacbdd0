"""Our base facts say of every type what the official definitions say."""

import json
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from shared import shared

from profiles.fhir.basetypes import facts
from profiles.fhir.tables.corrections import corrected
from profiles.fhir.tables.library import library_table
from profiles.fhir.tables.official import official_table
from profiles.fhir.tables.store import as_text, facts_path, read_corrections
from profiles.fhir.version import FhirVersion

PACKAGES = {FhirVersion.STU3: "hl7.fhir.r3.core-3.0.2.tgz", FhirVersion.R4: "hl7.fhir.r4.core-4.0.1.tgz"}
BASE = "http://hl7.org/fhir/StructureDefinition/"


def snapshots(version: FhirVersion) -> Iterator[dict[str, Any]]:
    with tarfile.open(shared("packages", PACKAGES[version])) as package:
        for member in package:
            if "/StructureDefinition-" not in member.name:
                continue
            handle = package.extractfile(member)
            assert handle
            found = json.load(handle)
            if found["kind"] != "logical" and found.get("derivation") != "constraint":
                yield found


def official_types(element: dict[str, Any], is_resource_id: bool) -> list[str]:
    """The type names of an element; FHIRPath system types by the FHIR type that their extension names."""
    names = []
    for entry in element.get("type", []):
        code = entry.get("code", "")
        hints = [
            hint.get("valueUrl") or hint.get("valueUri")
            for hint in entry.get("extension", [])
            if hint["url"].endswith(("fhir-type", "json-type"))
        ]
        if is_resource_id:
            code = "id"
        elif code.startswith("http://hl7.org/fhirpath/") and hints:
            code = hints[0]
        elif code.startswith("http://hl7.org/fhirpath/"):
            code = code.rpartition(".")[2].lower()
        names.append(code)
    return list(dict.fromkeys(names))


def official_targets(element: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for entry in element.get("type", []):
        targets = entry.get("targetProfile", [])
        found |= {one.removeprefix(BASE) for one in ([targets] if isinstance(targets, str) else targets)}
    return found - {"Resource"}


@pytest.mark.parametrize("version", list(FhirVersion))
def test_every_element_of_every_type(version: FhirVersion) -> None:
    base = facts(version)
    count = 0
    for definition in snapshots(version):
        elements = definition["snapshot"]["element"]
        parents = {one["path"].rpartition(".")[0] for one in elements}
        order: dict[str, list[str]] = {definition["type"]: []}
        for element in elements[1:]:
            path = element["path"]
            parent, _, last = path.rpartition(".")
            name = last.removesuffix("[x]")
            order.setdefault(parent, []).append(name)
            ours = base.types[parent].elements[name]
            count += 1
            assert ours.choice == last.endswith("[x]"), path
            assert ours.min == element["min"], path
            assert ours.max == (None if element["max"] == "*" else int(element["max"])), path
            assert set(ours.targets) == official_targets(element), path
            if "contentReference" in element:
                assert ours.content == element["contentReference"].rpartition("#")[2], path
            elif path in parents:
                assert ours.types == (path,), path
                assert base.types[path].base == element["type"][0]["code"], path
            elif definition["kind"] != "primitive-type":
                own_id = definition["kind"] == "resource" and path.count(".") == 1 and name == "id"
                assert list(ours.types) == official_types(element, own_id), path
        for parent, names in order.items():
            assert list(base.types[parent].elements) == names, parent
    assert count > {FhirVersion.STU3: 5500, FhirVersion.R4: 7400}[version]
    assert {one["type"] for one in snapshots(version)} == {name for name in base.types if "." not in name}


@pytest.mark.parametrize("version", list(FhirVersion))
def test_the_committed_table_is_the_library_with_the_reviewed_corrections(version: FhirVersion) -> None:
    assert as_text(corrected(library_table(version), read_corrections(version))) == facts_path(version).read_text()


@pytest.mark.parametrize("version", list(FhirVersion))
def test_the_committed_table_is_what_the_official_package_gives(version: FhirVersion) -> None:
    package = shared("packages", PACKAGES[version])
    assert official_table(package) == json.loads(facts_path(version).read_bytes())
