"""Facts are taken from packages; texts stay behind."""

import json
from pathlib import Path
from typing import Any

import pytest

from profiles.zibs.extract import main
from profiles.zibs.notation import read

ABOUT = """\
name: zibs-test
fhir: 3.0.2
packages:
- example.kleur@1.0.0
names:
  NL-CM:99.1.9: Hulpkleur | HelpingColour
words:
  kleur-1: A colour has a name.
"""
LONG = "A long text that its authors wrote and that we do not copy."
PROFILE: dict[str, Any] = {
    "resourceType": "StructureDefinition",
    "url": "http://example.org/StructureDefinition/zib-Kleur",
    "version": "1.2.3",
    "title": "HCIM Colour",
    "description": LONG,
    "type": "Observation",
    "kind": "resource",
    "derivation": "constraint",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
    "mapping": [
        {"identity": "hcim-other-v1.0-2017EN", "name": "HCIM Other-v1.0(2017EN)"},
        {"identity": "hcim-kleur-v1.0-2017EN", "name": "HCIM Kleur-v1.0(2017EN)"},
    ],
    "differential": {
        "element": [
            {
                "id": "Observation",
                "path": "Observation",
                "short": "Colour",
                "definition": LONG,
                "alias": ["Kleur"],
                "mapping": [
                    {"identity": "hcim-other-v1.0-2017EN", "map": "NL-CM:1.1.1", "comment": "Other"},
                    {"identity": "hcim-kleur-v1.0-2017EN", "map": "NL-CM:99.1.1", "comment": f"Colour. {LONG}"},
                ],
                "constraint": [{"key": "kleur-1", "severity": "error", "expression": "code.exists()", "human": LONG}],
            },
            {
                "id": "Observation.valueCodeableConcept",
                "path": "Observation.valueCodeableConcept",
                "sliceName": "valueCodeableConcept",
                "min": 1,
                "comment": LONG,
                "type": [{"code": "CodeableConcept"}],
                "binding": {
                    "strength": "required",
                    "description": LONG,
                    "valueSetReference": {"reference": "http://example.org/ValueSet/kleur"},
                },
                "mapping": [{"identity": "hcim-kleur-v1.0-2017EN", "map": "NL-CM:99.1.9"}],
            },
            {
                "id": "Observation.subject",
                "path": "Observation.subject",
                "type": [
                    {"code": "Reference", "targetProfile": "http://hl7.org/fhir/StructureDefinition/Patient"},
                    {"code": "Reference", "targetProfile": "http://example.org/StructureDefinition/zib-Kleur"},
                ],
            },
            {"id": "Observation.component", "path": "Observation.component", "max": "0", "requirements": LONG},
            {
                "id": "Observation.valueQuantity.value",
                "path": "Observation.valueQuantity.value",
                "minValueDecimal": 0.5,
                "fixedDecimal": 1.5,
            },
        ]
    },
}
COLOURS = {
    "resourceType": "ValueSet",
    "url": "http://example.org/ValueSet/kleur",
    "name": "Kleur codelijst",
    "description": LONG,
    "compose": {
        "include": [
            {"system": "http://example.org/kleur", "concept": [{"code": "r", "display": "rood"}, {"code": "g"}]},
            {"system": "http://snomed.info/sct", "filter": [{"property": "concept", "op": "is-a", "value": "1"}]},
        ]
    },
}


def package(folder: Path, *resources: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    manifest = {"name": "example.kleur", "version": "1.0.0", "fhirVersions": ["3.0.2"]}
    (folder / "package.json").write_text(json.dumps(manifest))
    for number, resource in enumerate(resources):
        (folder / f"{number}.json").write_text(json.dumps(resource))
    return folder


def target(tmp_path: Path, about: str = ABOUT) -> Path:
    into = tmp_path / "tables"
    into.mkdir()
    (into / "release.yaml").write_text(about)
    return into


def test_facts_are_taken_and_texts_stay_behind(tmp_path: Path) -> None:
    into = target(tmp_path)
    (into / "zib-Oud.yaml").write_text("structure: http://example.org/gone\n")
    assert main([str(package(tmp_path / "p", PROFILE, COLOURS)), "--into", str(into)]) == 0
    files = {path.relative_to(into).as_posix(): path.read_text() for path in into.rglob("*.yaml")}
    assert files.keys() == {"release.yaml", "zib-Kleur.yaml", "valuesets/Kleur-codelijst.yaml"}, "the old one is gone"
    assert files["zib-Kleur.yaml"] == (
        "structure: http://example.org/StructureDefinition/zib-Kleur\n"
        "version: 1.2.3\n"
        "title: HCIM Colour\n"
        "type: Observation\n"
        "base: Observation\n"
        "model: Kleur-v1.0(2017EN)\n"
        "zib: NL-CM:99.1.1 | Kleur | Colour\n"
        "elements:\n"
        "  Observation:\n"
        "    invariants:\n"
        "      kleur-1:\n"
        "        severity: error\n"
        "        expression: code.exists()\n"
        "        human: A colour has a name.\n"
        "  Observation.valueCodeableConcept:valueCodeableConcept:\n"
        "    card: 1..\n"
        "    types: CodeableConcept\n"
        "    binding: required Kleur-codelijst\n"
        "    zib: NL-CM:99.1.9 | Hulpkleur | HelpingColour\n"
        "  Observation.subject:\n"
        "    types: Reference(Patient, zib-Kleur)\n"
        "  Observation.component:\n"
        "    card: ..0\n"
        "  Observation.valueQuantity.value:\n"
        "    fixed: 1.5\n"
        "    least: 0.5\n"
    )
    assert read(files["valuesets/Kleur-codelijst.yaml"], "")["include"] == [
        {"system": "http://example.org/kleur", "codes": "r | rood\ng\n"},
        {"system": "http://snomed.info/sct", "open": True},
    ]
    assert LONG not in "".join(files.values())


@pytest.mark.parametrize(
    ("about", "told"),
    [
        (ABOUT.replace("kleur-1:", "other-1:"), "invariant kleur-1: write what it demands in our own words"),
        (ABOUT.replace("99.1.9", "99.1.8"), "NL-CM:99.1.9: no profile tells its name"),
        (ABOUT.replace("@1.0.0", "@2.0.0"), "release.yaml takes its facts from example.kleur@2.0.0"),
    ],
)
def test_what_a_person_has_to_add_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], about: str, told: str
) -> None:
    into = target(tmp_path, about)
    assert main([str(package(tmp_path / "p", PROFILE, COLOURS)), "--into", str(into)]) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in into.rglob("*.yaml")] == ["release.yaml"], "nothing is written half"
