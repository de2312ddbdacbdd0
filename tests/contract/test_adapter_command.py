"""``gateway adapters``: per standard and row what each source can deliver."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from contract.adapter_world import record, serving

from adapters.mapping.compiled import load_mapping
from adapters.mapping.coverage import zib_elements
from adapters.sql.sample import MAPPING, fill_sqlite
from adapters.testing.fake_ehr import FakeEhr
from gateway.cli.adapters import adapters
from profiles.standards.load import catalogue

CONFIG = """
[providers.hospital]
display_name = "Hospital"
services = ["48", "51"]
[[providers.hospital.sources]]
"""


def run(*arguments: str, config: Path | None = None) -> tuple[int, str]:
    given = [*arguments, *(["--config", str(config)] if config else [])]
    result = CliRunner().invoke(adapters, given, catch_exceptions=False)
    return result.exit_code, result.output


def write(tmp_path: Path, source: str) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG + source, "utf-8")
    return path


@pytest.fixture
def sql(tmp_path: Path) -> Path:
    url = fill_sqlite(tmp_path / "ehr.db")
    return write(tmp_path, f'type = "sql"\nname = "epd"\nurl = "{url}"\nmapping = "{MAPPING}"\n')


def test_a_probe_of_an_empty_configuration_ends_well() -> None:
    code, output = run("probe")
    assert code == 0
    assert "No sources are configured" in output
    assert "documents, fhir, files, sql" in output


def test_a_probe_prints_every_row_of_the_standards_on_offer(sql: Path) -> None:
    code, output = run("probe", "--json", config=sql)
    rows = json.loads(output)["rows"]
    levels = {(row["standard"], row["row"]): row["level"] for row in rows}
    assert code == 0
    assert {level for (standard, _), level in levels.items() if standard == "bgz-3"} == {"deliverable"}
    assert levels["pdfa-3", "documentManifest"] == "no"
    assert {standard for standard, _ in levels} == {"bgz-3", "pdfa-3"}


def test_a_probe_of_one_standard(sql: Path) -> None:
    code, output = run("probe", "--json", "--standard", "geboortezorg-1", config=sql)
    levels = {row["row"]: row["level"] for row in json.loads(output)["rows"]}
    assert code == 0
    assert levels["observationsOnRecord"] == "partly"


def test_a_probe_learns_from_the_statement_of_an_ehr(tmp_path: Path) -> None:
    with serving(FakeEhr(record())) as address:
        source = f'type = "fhir"\nname = "ehr"\nurl = "{address}/fhir"\nversion = "stu3"\n'
        _, output = run("probe", "--json", "--standard", "bgz-3", config=write(tmp_path, source))
    levels = {row["row"]: row["level"] for row in json.loads(output)["rows"]}
    assert (levels["problem"], levels["encounter"]) == ("deliverable", "no")


def test_a_source_that_is_down_is_a_finding(tmp_path: Path) -> None:
    source = 'type = "fhir"\nname = "ehr"\nurl = "http://127.0.0.1:9/fhir"\nversion = "stu3"\n'
    code, output = run("probe", config=write(tmp_path, source))
    assert code == 1
    assert "hospital/ehr: the source cannot be reached" in output


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('type = "nonsense"\nname = "x"\n', "there is no adapter type 'nonsense'; installed are"),
        ('type = "fhir"\nname = "x"\nurl = "ftp://x"\nversion = "stu3"\n', "url: Value error, not an http"),
        ('type = "fhir"\nname = "X!"\nurl = "http://x"\nversion = "stu3"\n', "name: String should match"),
        ('type = "sql"\nname = "x"\nurl = "sqlite:///x"\nmapping = "nowhere.yaml"\n', "nowhere.yaml cannot be read"),
    ],
)
def test_wrong_settings_end_with_one_clear_line(tmp_path: Path, source: str, words: str) -> None:
    code, output = run("probe", config=write(tmp_path, source))
    assert code == 2
    assert words in " ".join(output.split())


def test_coverage_of_a_mapping_counts_zib_elements() -> None:
    code, output = run("coverage", str(MAPPING))
    assert code == 0
    assert "zib elements are mapped" in output
    assert "ProbleemLateraliteit" in output


def test_the_sample_mapping_calls_zib_elements_by_their_names() -> None:
    """SC-H2: coverage is against the whole zib, and a misspelt element cannot pass for one."""
    for section in load_mapping(MAPPING).sections:
        if section.zib is not None and section.profile is not None:
            named = {*section.zib.elements, *section.zib.missing}
            assert named <= zib_elements(section.profile), section.name


def test_the_sample_mapping_says_of_every_zib_element_whether_it_is_held() -> None:
    """What an EHR does not hold is missing with a reason, not left unsaid."""
    for section in load_mapping(MAPPING).sections:
        if section.zib is not None and section.profile is not None:
            named = {*section.zib.elements, *section.zib.missing}
            assert zib_elements(section.profile) <= named, section.name


def test_the_page_about_mapping_says_what_the_sample_holds_of_the_bgz() -> None:
    page = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text("utf-8").splitlines()
    start = page.index("| zib | row of the BgZ | table | not held, and why |") + 2
    written = page[start : page.index("", start)]
    made, rows = [], set()
    for section in load_mapping(MAPPING).sections:
        rules = sorted(rule for standard, rule in section.rows if standard == "bgz-3")
        rows.update(rules)
        if rules:
            name = section.zib.name if section.zib else str(section.profile).rpartition("/")[2]
            missing = section.zib.missing if section.zib else {}
            reasons = {why: [name for name in missing if missing[name] == why] for why in missing.values()}
            why = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
            answered = ", ".join(f"`{rule}`" for rule in rules)
            made.append(f"| {name} | {answered} | `{main_table(section.query)}` | {why} |")
    assert written == made
    assert rows == {rule.id for rule in catalogue().standards["bgz-3"].rules}


def main_table(query: str) -> str:
    """The table that a query's rows come from; others are joined to it."""
    found = re.search(r"\bfrom (\w+)", query)
    assert found is not None
    return found[1]


def test_the_types_that_are_installed_are_listed() -> None:
    code, output = run("list")
    assert code == 0
    assert "a relational EHR behind a declarative mapping" in output
