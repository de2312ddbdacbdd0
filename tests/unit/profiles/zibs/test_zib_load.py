"""The tables load on demand, say what is wrong with them, and give way to official packages."""

import json
from pathlib import Path
from typing import Any

import pytest

from profiles import zibs
from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from profiles.validation.schema.package import Package, open_package
from profiles.zibs import TableError
from profiles.zibs.load import ROOT, open_tables

ABOUT = "name: zibs-test\nfhir: 3.0.2\n"
PROFILE = """\
structure: http://example.org/StructureDefinition/zib-Kleur
title: Kleur
type: Observation
base: Observation
zib: NL-CM:99.1.1 | Kleur | Colour
elements:
  Observation.code:
    fixed: {coding: [{system: "http://loinc.org", code: 1-8}]}
  Observation.value[x]:valueCodeableConcept:
    card: 1..1
    types: CodeableConcept
    binding: required KleurCodelijst
    zib: NL-CM:99.1.2 | KleurWaarde | ColourValue
"""
COLOURS = """\
valueset: http://example.org/ValueSet/kleur
name: KleurCodelijst
include:
- system: http://example.org/kleur
  codes: |
    r | rood
    lichtblauw of azuur
- valueset: MeerKleuren
"""
MORE = """\
valueset: http://example.org/ValueSet/meer
name: MeerKleuren
include:
- system: http://example.org/kleur
  codes: |
    geel
- system: http://snomed.info/sct
  open: true
"""


def folder(tmp_path: Path, **files: str) -> Path:
    """A folder of tables, file names with ``__`` for the folder."""
    named = {
        "release": ABOUT,
        "zib_Kleur": PROFILE,
        "valuesets__KleurCodelijst": COLOURS,
        "valuesets__MeerKleuren": MORE,
    }
    for name, text in {**named, **files}.items():
        path = tmp_path / (name.replace("__", "/").replace("_", "-") + ".yaml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def observation(system: str, code: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "meta": {"profile": ["http://example.org/StructureDefinition/zib-Kleur"]},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]},
        "valueCodeableConcept": {"coding": [{"system": system, "code": code}]},
    }


def validator(tables: Package, *packages: Package) -> Validator:
    return Validator(FhirVersion.STU3, zibs.load.Definitions([*packages, tables]))


def test_a_table_is_a_profile_to_validate_against(tmp_path: Path) -> None:
    judge = validator(open_tables(folder(tmp_path)))
    for code in ("r", "lichtblauw of azuur", "geel"):
        assert judge.validate(observation("http://example.org/kleur", code)).verdict == "ok", code
    assert judge.validate(observation("http://snomed.info/sct", "405738005")).verdict == "unchecked"
    [finding] = judge.validate(observation("http://example.org/kleur", "g")).findings
    assert (finding.severity, finding.rule) == ("error", "binding")
    assert finding.zib == "Kleur, KleurWaarde, NL-CM 99.1.2"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("base: Observation\n", "", "the key 'base' is missing"),
        ("base: Observation", "base: zib-Klur", "'zib-Klur' is neither a table, nor a FHIR type, nor a URL"),
        ("    card: 1..1", "    card: 2..1", "valueCodeableConcept: '2..1': the highest number is below the lowest"),
        ("    card: 1..1", "    kard: 1..1", "unknown key 'kard'; known are binding, card"),
        ("    card: 1..1", "    comment: Long text of others", "unknown key 'comment'"),
        ("    card: 1..1", "    least: {", "line"),
        ("types: CodeableConcept", "types: Reference(nl-core", "is not a list of types"),
        ("types: CodeableConcept", "types: Reference(nl-core-pation)", "'nl-core-pation' is neither a table"),
        ("binding: required", "binding: mandatory", "the strength is one of required"),
        ("KleurCodelijst\n    zib", "KlurCodelijst\n    zib", "'KlurCodelijst' is neither a table"),
        ("NL-CM:99.1.2 | KleurWaarde | ColourValue", "99.1.2 KleurWaarde", "concept id | Dutch name | English name"),
        ("  Observation.code:", "  Condition.code:", "Condition.code: the element id does not begin with Observation"),
        ("  Observation.code:", "  Observation..code:", "the element id has an empty step"),
        ("    card: 1..1", "    slicing: {rules: shut}", "slicing rules 'shut'"),
        ("    card: 1..1", "    slicing: {by: [code]}", "discriminator 'code'"),
        ("    card: 1..1", "    slicing: yes", "slicing is no mapping"),
        ("    card: 1..1", "    invariants: {a-1: {expression: x}}", "invariant a-1: severity"),
        ("elements:\n", "elements: []\nmore:\n", "unknown key 'more'"),
    ],
)
def test_a_mistake_in_a_structure_is_told_with_file_and_element(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in PROFILE
    tables = open_tables(folder(tmp_path, zib_Kleur=PROFILE.replace(old, new)))
    [entry] = [one for one in tables.entries() if one.type == "StructureDefinition"]
    with pytest.raises(TableError) as caught:
        tables.read(entry)
    assert str(caught.value).startswith("zib-Kleur.yaml: ")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("- valueset: MeerKleuren", "- valueset: MinderKleuren", "include 2: 'MinderKleuren' is neither"),
        ("- valueset: MeerKleuren", "- open: maybe", "include 2: needs a system"),
        ("- valueset: MeerKleuren", "- system: http://example.org/x", "include 2: lists no codes and is not open"),
        ("- valueset: MeerKleuren", "- MeerKleuren", "include 2: is no mapping"),
        ("name: KleurCodelijst", "nam: KleurCodelijst", "unknown key 'nam'"),
    ],
)
def test_a_mistake_in_a_value_set_is_told_with_file_and_row(tmp_path: Path, old: str, new: str, told: str) -> None:
    tables = open_tables(folder(tmp_path, valuesets__KleurCodelijst=COLOURS.replace(old, new)))
    [entry] = [one for one in tables.entries() if one.id == "KleurCodelijst"]
    with pytest.raises(TableError) as caught:
        tables.read(entry)
    assert str(caught.value).startswith("valuesets/KleurCodelijst.yaml: ")
    assert told in str(caught.value)


def test_a_file_that_is_no_table_or_stands_twice_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"notes\.yaml: line 1: a table begins with"):
        open_tables(folder(tmp_path, notes="remember: this\n"))
    (tmp_path / "notes.yaml").unlink()
    with pytest.raises(TableError, match=r"zib-Kleur\.yaml: stands for the same as copy\.yaml"):
        open_tables(folder(tmp_path, copy=PROFILE))


def test_a_broken_table_hinders_only_its_own_profile(tmp_path: Path) -> None:
    """Tables are read when they are needed; validation tells of a broken one and goes on."""
    broken = PROFILE.replace("zib-Kleur", "zib-Stuk").replace("card: 1..1", "card: many")
    judge = validator(open_tables(folder(tmp_path, zib_Stuk=broken)))
    good = observation("http://example.org/kleur", "r")
    assert judge.validate(good).verdict == "ok"
    good["meta"]["profile"].append("http://example.org/StructureDefinition/zib-Stuk")
    assert judge.validate(good).verdict == "unchecked"


def test_the_label_changes_with_any_table(tmp_path: Path) -> None:
    """A kept verdict is bound to the tables that it came from."""
    before = open_tables(folder(tmp_path)).label
    assert open_tables(tmp_path).label == before
    assert open_tables(folder(tmp_path, valuesets__MeerKleuren=MORE.replace("geel", "paars"))).label != before


def official(tmp_path: Path, **more: str) -> Package:
    """A package that publishes zib-Problem with nothing but a rule of its own: a problem has a body site."""
    inner = tmp_path / "package"
    inner.mkdir()
    manifest = {"name": "example.problem", "version": "9.0.0", "fhirVersions": ["3.0.2"]}
    (inner / "package.json").write_text(json.dumps(manifest))
    rows = [
        {"id": "Condition", "path": "Condition", "short": "Aandoening"},
        {"id": "Condition.bodySite", "path": "Condition.bodySite", "min": 1, "short": "Plaats"},
        {"id": "Condition.asserter", "path": "Condition.asserter", "max": "0"},
    ]
    definition = {
        "resourceType": "StructureDefinition",
        "url": "http://nictiz.nl/fhir/StructureDefinition/zib-Problem",
        "type": "Condition",
        "kind": "resource",
        "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Condition",
        "differential": {"element": rows},
        **more,
    }
    (inner / "zib-Problem.json").write_text(json.dumps(definition))
    return open_package(tmp_path)


@pytest.mark.parametrize("more", [{}, {"version": "3.0.6"}], ids=["without version", "with version"])
def test_an_official_package_wins_for_what_it_holds_and_tables_fill_in_the_rest(
    tmp_path: Path, more: dict[str, str]
) -> None:
    judge = Validator(FhirVersion.STU3, zibs.definitions(packages=[official(tmp_path, **more)]))
    problem = {
        "resourceType": "Condition",
        "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-Problem"]},
        "subject": {"reference": "Patient/1"},
        "asserter": {"reference": "Patient/1"},
    }
    findings = {one.expression: one for one in judge.validate(problem).findings if one.severity == "error"}
    assert findings.keys() == {"Condition.bodySite", "Condition.asserter"}, "nothing of our own table for zib-Problem"
    assert findings["Condition.bodySite"].zib == "Probleem, ProbleemAnatomischeLocatie, NL-CM 5.1.11", "our names"
    assert judge.knows("http://nictiz.nl/fhir/StructureDefinition/zib-Alert")
    assert judge.label.startswith("stu3:example.problem@9.0.0,zibs-2017@")


def test_a_validator_without_any_package_knows_the_zibs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Issue 3, point 4: the tables are the embedded default."""
    monkeypatch.setenv("GATEWAY_PACKAGE_CACHE", str(tmp_path))
    assert zibs.validator(FhirVersion.STU3).knows("http://nictiz.nl/fhir/StructureDefinition/zib-Problem")
    assert zibs.validator(FhirVersion.STU3, []).knows("http://fhir.nl/fhir/StructureDefinition/nl-core-patient")
    assert zibs.validator(FhirVersion.R4, []).knows("http://nictiz.nl/fhir/StructureDefinition/nl-core-Problem")


def test_a_release_without_tables_is_a_lookup_error() -> None:
    with pytest.raises(LookupError, match="1999"):
        zibs.tables("1999")


def test_all_shipped_tables_are_in_order_and_small() -> None:
    tables = zibs.tables()
    kinds = [tables.read(entry)["resourceType"] for entry in tables.entries()]
    assert kinds.count("StructureDefinition") > 350
    assert sum(path.stat().st_size for path in ROOT.rglob("*.yaml")) < 2_500_000


def test_every_zib_element_has_a_dutch_and_an_english_name() -> None:
    tables = zibs.tables()
    rows = [name for entry in tables.entries() for name in tables.names(entry.url).values()]
    assert len(rows) > 900
    assert [row for row in rows if not all(part.strip() for part in row.split(" | "))] == []
