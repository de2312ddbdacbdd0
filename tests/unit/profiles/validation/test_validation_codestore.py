"""The institution's own code systems: read from its files, and what they tell about codes and value sets."""

import contextlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from unit.profiles.validation.small_definitions import element, observation, profile, rules

from gateway.cli.main import cli
from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from profiles.validation.rules.systems import verhoeff
from profiles.validation.schema.codefiles import SNOMED, add_snomed, add_table
from profiles.validation.schema.codestore import CodeStore, StoreError
from profiles.validation.schema.definitions import Definitions
from profiles.validation.schema.ecl import EclError, compile_ecl

ROOT, FINDING, PAIN, CHEST, OLD, REFSET = "138875005", "404684003", "22253000", "29857009", "73211009", "46635009"
CONCEPTS = [(ROOT, "1"), (FINDING, "1"), (PAIN, "1"), (CHEST, "1"), (OLD, "0")]
RELATIONS = [(FINDING, ROOT, "1"), (PAIN, FINDING, "1"), (CHEST, PAIN, "1"), (CHEST, OLD, "0")]


def release(folder: Path) -> Path:
    """A SNOMED CT release of four concepts, as RF2."""
    inner = folder / "release" / "Snapshot"
    inner.mkdir(parents=True)
    concepts = "\n".join(["id\teffectiveTime\tactive", *(f"{code}\t2026\t{active}" for code, active in CONCEPTS)])
    relations = "\n".join(
        [
            "id\tactive\tsourceId\tdestinationId\ttypeId",
            *(f"1\t{active}\t{child}\t{above}\t116680003" for child, above, active in RELATIONS),
            f"1\t1\t{CHEST}\t{REFSET}\t363698007",
        ]
    )
    members = f"id\tactive\trefsetId\treferencedComponentId\nx\t1\t{REFSET}\t{PAIN}\ny\t0\t{REFSET}\t{CHEST}"
    (inner / "sct2_Concept_Snapshot_NL_2026.txt").write_text(concepts, encoding="utf-8")
    (inner / "sct2_Relationship_Snapshot_NL_2026.txt").write_text(relations, encoding="utf-8")
    (inner / "der2_Refset_SimpleSnapshot_NL_2026.txt").write_text(members, encoding="utf-8")
    return inner.parent


@pytest.fixture
def store(tmp_path: Path) -> CodeStore:
    add_snomed(tmp_path / "codes.sqlite", release(tmp_path))
    return CodeStore(tmp_path / "codes.sqlite")


def judged(store: CodeStore | None, code: str, *filters: dict[str, str]) -> list[tuple[str, str]]:
    """The errors of an Observation with this SNOMED code, bound to a value set with these filters."""
    include = {"system": SNOMED, "filter": list(filters)} if filters else {"system": SNOMED}
    values = {"resourceType": "ValueSet", "url": "urn:values", "compose": {"include": [include]}}
    bound = element("Observation.value[x]", binding={"strength": "required", "valueSet": "urn:values"})
    definition = profile("bound", "Observation", bound)
    validator = Validator(FhirVersion.R4, Definitions(extra=[values, definition]), codes=store)
    coded = observation(valueCodeableConcept={"coding": [{"system": SNOMED, "code": code}]})
    report = validator.validate(coded, [str(definition["url"])])
    if store is None:
        assert report.verdict != "ok"
    return rules(report)


def test_what_could_not_be_told_becomes_right_or_wrong(store: CodeStore) -> None:
    below = {"property": "concept", "op": "is-a", "value": FINDING}
    assert judged(None, CHEST, below) == []
    assert judged(store, CHEST, below) == []
    assert judged(store, ROOT, below) == [("binding", "Observation.value")]


@pytest.mark.parametrize(
    ("row", "inside", "outside"),
    [
        ({"property": "concept", "op": "is-a", "value": PAIN}, [PAIN, CHEST], [FINDING]),
        ({"property": "concept", "op": "descendent-of", "value": PAIN}, [CHEST], [PAIN, FINDING]),
        ({"property": "concept", "op": "in", "value": REFSET}, [PAIN], [CHEST, FINDING]),
        ({"property": "constraint", "op": "=", "value": f"<< {PAIN} |Pain| MINUS ^ {REFSET}"}, [CHEST], [PAIN, ROOT]),
    ],
    ids=["is-a", "descendent-of", "in", "constraint"],
)
def test_value_sets_by_filter(store: CodeStore, row: dict[str, str], inside: list[str], outside: list[str]) -> None:
    assert [judged(store, code, row) for code in inside] == [[]] * len(inside)
    assert all(judged(store, code, row) for code in outside)


def test_a_refset_that_was_not_read_decides_nothing(store: CodeStore) -> None:
    assert judged(store, PAIN, {"property": "concept", "op": "in", "value": OLD}) == []


def test_a_code_that_snomed_does_not_have(store: CodeStore) -> None:
    """One that is not in the store (it was withdrawn), and one whose check digit is wrong, with or without a store."""
    assert ("code", "Observation.value.coding[0].code") in judged(store, OLD)
    assert ("system", "Observation.value.coding[0].code") in judged(None, "404684004")
    assert judged(store, f"{PAIN}:363698007={CHEST}") == [("binding", "Observation.value")]


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("*", {ROOT, FINDING, PAIN, CHEST}),
        (f"<{FINDING}", {PAIN, CHEST}),
        (f"<< {PAIN} OR {ROOT}", {PAIN, CHEST, ROOT}),
        (f"< {ROOT} AND (<< {PAIN} MINUS {CHEST})", {PAIN}),
    ],
)
def test_expressions_select(store: CodeStore, text: str, selected: set[str]) -> None:
    rule = compile_ecl(text, SNOMED, store)
    assert {code for code in (ROOT, FINDING, PAIN, CHEST, OLD) if rule(code)} == selected


@given(st.text(max_size=40) | st.text("<^*() ANDORMINUS|1234567", max_size=200))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    class Nothing:
        def has_refset(self, url: str, refset: str) -> bool:
            return False

    nothing: Any = Nothing()
    with contextlib.suppress(EclError):
        compile_ecl(text, SNOMED, nothing)


@given(st.integers(10_000, 10**15))
def test_one_check_digit_fits(number: int) -> None:
    assert sum(verhoeff(f"{number}{digit}") for digit in range(10)) == 1


@pytest.mark.parametrize("text", ["LOINC_NUM,NAME\n8480-6,Systolic\n", "LOINC_NUM;NAME\r\n8480-6;Systolisch\u00eb\r\n"])
def test_a_table_is_read_by_its_heads(tmp_path: Path, text: str) -> None:
    for coding in ("utf-8-sig", "cp1252"):
        (tmp_path / "loinc.csv").write_bytes(text.encode(coding))
        add_table(tmp_path / "codes.sqlite", "http://loinc.org", tmp_path / "loinc.csv", "LOINC_NUM", "NAME")
        store = CodeStore(tmp_path / "codes.sqlite")
        assert (store.has("http://loinc.org", "8480-6"), store.has("http://loinc.org", "8480-7")) == (True, False)
    with pytest.raises(StoreError, match="no column CODE"):
        add_table(tmp_path / "codes.sqlite", "urn:x", tmp_path / "loinc.csv", "CODE")


def test_a_release_that_is_none_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "codes.sqlite"
    add_snomed(path, release(tmp_path))
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.zip").write_bytes(b"no archive")
    for wrong in ("empty", "x.zip"):
        with pytest.raises(StoreError):
            add_snomed(path, tmp_path / wrong)
    (tmp_path / "none.csv").write_text("code\n", encoding="utf-8")
    with pytest.raises(StoreError, match="no codes"):
        add_table(path, SNOMED, tmp_path / "none.csv", "code")
    assert CodeStore(path).has(SNOMED, PAIN)


def test_an_operator_reads_an_archive_and_lists_it(tmp_path: Path) -> None:
    folder, archive = release(tmp_path), tmp_path / "SnomedCT_NL.zip"
    with zipfile.ZipFile(archive, "w") as whole:
        for path in folder.rglob("*.txt"):
            whole.write(path, f"SnomedCT/{path.relative_to(folder)}")
    store = ["--store", str(tmp_path / "codes.sqlite")]
    added = CliRunner().invoke(cli, ["terminology", "add", "snomed", str(archive), *store, "--json"])
    assert json.loads(added.output) == {"url": SNOMED, "title": "SnomedCT_NL.zip", "codes": 4}
    listed = CliRunner().invoke(cli, ["terminology", "list", *store])
    assert listed.output == f"{SNOMED}  4 codes  SnomedCT_NL.zip\n"
    wrong = CliRunner().invoke(cli, ["terminology", "list", "--store", str(archive)])
    assert (wrong.exit_code, "is no store of codes" in wrong.output) == (2, True)
