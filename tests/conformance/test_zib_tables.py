"""Our zib tables and the official packages say the same: about every profile, every value set, and every instance."""

import shutil
import tomllib
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from conformance.agreed_requests import agreed
from conformance.validation_data import EXAMPLES, FIXTURES, instances, official, package_cache, read
from conformance.validation_mutants import Mutations

from profiles import zibs
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue
from profiles.validation import Validator, schema
from profiles.validation.run.findings import Report
from profiles.validation.schema.definitions import plain
from profiles.validation.schema.differential import amend
from profiles.validation.schema.nodes import Node, Tree
from profiles.zibs.extract import main

STU3 = FhirVersion.STU3
R4 = FhirVersion.R4
RELEASES = {"2017": (STU3, "hl7.fhir.r3.core@3.0.2"), "2020": (R4, "hl7.fhir.r4.core@4.0.1")}
"""The releases of the zibs that we have tables of: the FHIR release, and its core package."""
each_release = pytest.mark.parametrize("release", RELEASES)


def home(release: str) -> Path:
    return Path(zibs.__file__).parent / release


def sources_of(release: str) -> tuple[str, ...]:
    return tuple(yaml.safe_load((home(release) / "release.yaml").read_text("utf-8"))["packages"])


STANDARDS = ("bgz-3", "ggz-2", "geboortezorg-1", "geboortezorg-2", "pdfa-3")
IN_R4 = ("bgz-2020", "ggz-2020", "immunization-2")
SETS = [name for name, (version, _) in {**EXAMPLES, **FIXTURES}.items() if version is STU3]
DIFFERENCES = tomllib.loads(Path(__file__).with_name("zib_differences.toml").read_text(encoding="utf-8"))
FINDINGS = {(row["severity"], element) for row in DIFFERENCES["finding"] for element in row["elements"]}
VALUE_SETS = {url for row in DIFFERENCES["valueset"] for url in row["urls"]}


def structures(release: str = "2017") -> list[str]:
    return [entry.url for entry in zibs.tables(release).entries() if entry.type == "StructureDefinition"]


STRUCTURES = structures()


@cache
def packages(release: str = "2017") -> Validator:
    """A validator with the official packages that the tables were made from."""
    return official(RELEASES[release][0], sources_of(release))


@cache
def tables(release: str = "2017") -> Validator:
    """A validator with our tables alone: no package, no core package."""
    return Validator(RELEASES[release][0], zibs.definitions(release))


@cache
def both() -> Validator:
    """A validator with the official packages, and our tables below them."""
    return Validator(STU3, zibs.definitions(packages=packages().definitions.packages))


@pytest.mark.parametrize("standard", STANDARDS)
def test_every_profile_that_a_standard_names_has_a_table(standard: str) -> None:
    wanted = agreed()[standard].profiles()
    assert wanted, "the standard names profiles"
    assert sorted(wanted - set(STRUCTURES)) == []


@pytest.mark.parametrize("standard", [*STANDARDS, *IN_R4])
def test_the_rows_of_a_standard_expect_profiles_that_can_be_validated_without_any_package(standard: str) -> None:
    rules, validator = catalogue().standards[standard].rules, tables("2020" if standard in IN_R4 else "2017")
    named = {url for rule in rules for url in rule.profiles}
    named |= {url for rule in rules for urls in rule.included_profiles.values() for url in urls}
    assert sorted(url for url in named if not validator.knows(url)) == []


@each_release
def test_every_table_compiles_and_every_element_finds_its_place(release: str) -> None:
    def unplaced(validator: Validator) -> dict[str, list[str]]:
        trees = {url: validator.merger.tree(url) for url in structures(release)}
        return {url: tree.faults for url, tree in trees.items() if tree.faults}

    tables(release).prepare(structures(release))
    assert [url for url in structures(release) if not tables(release).knows(url)] == []
    assert unplaced(tables(release)) == unplaced(packages(release))


NAMES = {"id", "name", "source", "zib", "short", "constraints"}
"""Where a node comes from and how it is called; ``constraints`` (with their wording) are looked at apart."""


def said(node: Node) -> tuple[Any, ...]:
    """What a node demands. An invariant without an expression demands nothing that can be checked."""
    constraints = {key: (one.severity, one.expression) for key, one in node.constraints.items() if one.expression}
    return (*(getattr(node, one.name) for one in fields(node) if one.name not in NAMES), constraints)


def bindings(node: Node) -> Iterator[tuple[tuple[str, str], str | None]]:
    """The value set that a binding comes to after merging, by the structure and element that state it."""
    if node.binding is not None:
        yield (node.source, node.id), node.binding.value_set
    for child in [*(node.children or {}).values(), *node.slices.values()]:
        yield from bindings(child)


def statements(validator: Validator, url: str) -> dict[str, Any]:
    """What a definition states, element by element, as the validator reads it.

    A binding that only names a strength means the value set of the parent; tables write that one out.
    """
    inherited = dict(bindings(validator.merger.tree(url).root))
    definition = validator.definitions.structure(url)
    assert definition is not None
    found = {}
    for element in definition["differential"]["element"]:
        node = Node("", "")
        amend(node, element, url)
        if node.binding is not None and node.binding.value_set is None:
            node.binding = replace(node.binding, value_set=inherited.get((url, node.id)))
        if node.binding is not None and node.binding.value_set is not None:
            # Tables name the set, not its version: one version of a definition is used at a time.
            node.binding = replace(node.binding, value_set=plain(node.binding.value_set))
        head, dot, rest = node.id.partition(".")
        found[head.partition(":")[0] + dot + rest] = said(node)
    if found.get(definition["type"]) == said(Node("", "")):
        del found[definition["type"]]
    return found


@pytest.mark.parametrize(("release", "least"), [("2017", 4000), ("2020", 1200)])
def test_every_table_states_what_the_official_definition_states(release: str, least: int) -> None:
    """Element ids, cardinality, types, targets, fixed values, patterns, slicing, bindings and invariants, exactly."""
    different = {}
    count = 0
    for url in structures(release):
        ours, theirs = statements(tables(release), url), statements(packages(release), url)
        count += len(ours)
        if ours != theirs:
            different[url] = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    assert different == {}
    assert count > least


def slices(node: Node, at: str = "") -> Iterator[tuple[str, int]]:
    """Every slice below a node, with the least number of it that must be there."""
    for name, one in node.slices.items():
        yield f"{at}:{name}", one.min
        yield from slices(one, f"{at}:{name}")
    for name, child in (node.children or {}).items():
        yield from slices(child, f"{at}.{name}")


@each_release
def test_merged_profiles_have_the_same_parents_contexts_and_slices(release: str) -> None:
    known = structures(release)

    def outline(tree: Tree) -> tuple[Any, ...]:
        chain = [url for url in tree.chain if url in known]
        return tree.type, chain, tree.contexts, sorted(slices(tree.root))

    ours = {url: outline(tables(release).merger.tree(url)) for url in known}
    theirs = {url: outline(packages(release).merger.tree(url)) for url in known}
    assert {url for url in known if ours[url] != theirs[url]} == set()


@each_release
def test_value_sets_hold_the_same_codes(release: str) -> None:
    different = set()
    for entry in zibs.tables(release).entries():
        if entry.type == "ValueSet":
            ours, theirs = (one.terminology.value_set(entry.url) for one in (tables(release), packages(release)))
            assert ours is not None
            if theirs is None or ours.extents != theirs.extents:
                different.add(entry.url)
    assert different == (VALUE_SETS if release == "2017" else set())


def places(report: Report) -> Counter[tuple[str, str, str]]:
    """The findings of a report by severity, rule and place."""
    return Counter((one.severity, one.rule, one.expression) for one in report.findings)


def told(report: Report) -> Counter[tuple[str, str, str]]:
    """The same without the deliberate differences."""
    kept = (one for one in report.findings if (one.severity, one.definition) not in FINDINGS)
    return places(replace(report, findings=tuple(kept)))


def errors(report: Report) -> Counter[tuple[str, str]]:
    """The errors of a report by rule and place."""
    return Counter((one.rule, one.expression) for one in report.findings if one.severity == "error")


@pytest.mark.parametrize("name", SETS)
def test_tables_and_official_packages_give_the_same_verdicts_and_findings(name: str) -> None:
    compared = 0
    different = []
    for label, path, version, named in instances(name):
        resource = read(path, version)
        if not isinstance(resource, dict):
            continue
        compared += 1
        ours, theirs = tables().validate(resource), packages().validate(resource)
        if told(ours) != told(theirs) or ours.valid != theirs.valid:
            different.append((label, told(ours) - told(theirs), told(theirs) - told(ours)))
        if places(both().validate(resource)) != places(theirs):
            different.append((label, "tables below the official packages change more than names"))
        if errors(ours) != errors(official(version, named).validate(resource)):
            different.append((label, "errors with the packages that the set itself names"))
    assert different == []
    assert compared


@pytest.mark.parametrize("name", ["zib2017", "geboortezorg"])
def test_broken_instances_get_the_same_verdict(name: str) -> None:
    """Valid examples broken in every kind of rule (one in five of all mutants): what one rejects the other rejects."""
    made = 0
    different = []
    for label, path, version, _ in instances(name):
        resource = read(path, version)
        claims = resource.get("meta", {}).get("profile", ()) if isinstance(resource, dict) else ()
        for profile in filter(packages().knows, claims):
            for mutant in islice(
                Mutations(packages(), resource, profile).all(), zlib.crc32(label.encode()) % 5, None, 5
            ):
                made += 1
                if tables().validate(mutant.resource).valid != packages().validate(mutant.resource).valid:
                    different.append((label, mutant.kind, mutant.where))
    assert different == []
    assert made > 1000


@each_release
def test_running_the_extract_again_gives_the_tables_that_are_there(release: str, tmp_path: Path) -> None:
    """The tables are what the official packages say, corrected only by release.yaml."""
    shutil.copy(home(release) / "release.yaml", tmp_path)
    folders = [package_cache() / name.replace("@", "#") for name in (*sources_of(release), RELEASES[release][1])]
    assert main([*map(str, folders), "--into", str(tmp_path)]) == 0
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.yaml")}
    there = {path.relative_to(home(release)): path.read_bytes() for path in home(release).rglob("*.yaml")}
    assert made.keys() == there.keys()
    assert [str(name) for name in made if made[name] != there[name]] == []


@pytest.mark.parametrize("name", ["zib2020", "R4/Immunization-2-0", "R4/MP9-3-0-0-beta"])
def test_in_r4_tables_and_official_packages_find_the_same_errors(name: str) -> None:
    """In instances that claim what we have tables of; of all others nothing is wrong without a package."""
    compared, different, unseen = 0, [], []
    for label, path, version, _ in instances(name):
        resource = read(path, version)
        if not isinstance(resource, dict):
            continue
        ours = tables("2020").validate(resource)
        claims = resource.get("meta", {}).get("profile", ())
        if not claims or not all(tables("2020").knows(one) for one in claims):
            unseen += [(label, one.rule) for one in ours.findings if one.severity == "error" and one.rule == "profile"]
            continue
        compared += 1
        if errors(ours) != errors(packages("2020").validate(resource)):
            different.append((label, errors(ours) - errors(packages("2020").validate(resource))))
    assert different == []
    assert unseen == []
    assert compared


def test_zib_names_in_findings_are_dutch_and_carry_their_concept() -> None:
    """SC-H2: a finding names the zib element in Dutch with its NL-CM concept."""
    problem = {
        "resourceType": "Condition",
        "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-Problem"]},
        "subject": {"reference": "Patient/1", "display": "Mw. Zandoord"},
        "code": {"text": "Hoofdpijn"},
    }
    [finding] = [one for one in tables().validate(problem).findings if one.rule == "cardinality"]
    assert finding.zib == "Probleem, ProbleemStatus, NL-CM 5.1.4"
    assert finding.concept == "5.1.4"


def test_a_treatment_directive_without_its_modifier_extension_is_wrong() -> None:
    """A required slice of an element that is absent as a whole: who reads it would take the directive for a permit."""
    url = "http://nictiz.nl/fhir/StructureDefinition/zib-TreatmentDirective"
    consent = {"resourceType": "Consent", "patient": {"reference": "Patient/1"}, "status": "active"}
    for validator in (tables(), packages()):
        assert ("slicing", "Consent.modifierExtension") in errors(validator.validate(consent, [url]))


def test_birth_care_elements_are_named_from_their_data_set() -> None:
    """The same names, whether the tables or the packages were used."""
    resource = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "comment": ""}
    url = "http://nictiz.nl/fhir/StructureDefinition/bc-AmnioticFluid"
    for validator in (tables(), packages(), both()):
        found = {one.zib for one in validator.validate(resource, [url]).findings if one.rule == "format"}
        assert found == {"Vruchtwater, Toelichting, peri32-dataelement-2415"}


def test_base_invariants_of_the_types_are_those_of_the_core_package() -> None:
    """What stands in for the core package says the same; R4 and the general ones are in invariants.toml."""
    text = Path(schema.__file__).with_name("invariants-stu3.toml").read_text(encoding="utf-8")
    for row in tomllib.loads(text)["invariant"]:
        for path in row["paths"]:
            node = packages().merger.type_tree(path.partition(".")[0]).root
            for step in path.split(".")[1:]:
                node = (node.children or {})[step]
            assert node.constraints[row["key"]].expression == row["expression"], row["key"]
