"""A mapping that cannot work stops the start, and all that is wrong is told: line, place, what was meant."""

from pathlib import Path

import pytest

from adapters.mapping.compiled import load_mapping
from adapters.mapping.faults import shown, steps
from adapters.port import AdapterMisconfigured
from adapters.registry import build
from adapters.sql.sample import MAPPING

GOOD = """\
mapping: tiny
version: stu3
systems: {snomed: "http://snomed.info/sct"}
terms:
  state: {map: {A: active}}
patient: {query: select patient_id from patient where bsn = :bsn}
sections:
  problem:
    type: Condition
    rows: [bgz-3/problem]
    query: select * from problem where patient_id = :patient
    resource:
      id: =id(problem_id)
      subject: =reference('Patient', patient_id)
      clinicalStatus: =code(state, 'state')
      code: =coded(snomed, 'snomed', name)
      note:
      - text: =remark
"""


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(AdapterMisconfigured) as caught:
        load_mapping(path)
    return caught.value.text


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        (
            "[bgz-3/problem]",
            "[bgz-3/problems]",
            "line 10, sections.problem.rows[0]: there is no row 'problems' in bgz-3; did you mean problem?",
        ),
        (
            "[bgz-3/problem]",
            "[bgz3/problem]",
            "line 10, sections.problem.rows[0]: there is no standard 'bgz3'; did you mean bgz-3?",
        ),
        (
            "[bgz-3/problem]",
            "[bgz-3/problem, bgz-3/alert]",
            "line 10, sections.problem.rows[1]: bgz-3/alert asks for Flag, and this section makes Condition",
        ),
        (
            "version: stu3",
            "version: r4",
            "line 10, sections.problem.rows[0]: bgz-3/problem is of FHIR stu3, and this mapping of r4",
        ),
        (
            "type: Condition",
            "type: Conditions",
            "line 9, sections.problem.type: FHIR has no resource Conditions; did you mean Condition?",
        ),
        (
            "clinicalStatus:",
            "clincalStatus:",
            "line 15, sections.problem.resource.clincalStatus: Condition has no element clincalStatus; "
            "did you mean clinicalStatus?",
        ),
        (
            "- text: =remark",
            "- texts: =remark",
            "line 18, sections.problem.resource.note[0].texts: Annotation has no element texts; did you mean text?",
        ),
        (
            "note:\n      - text: =remark",
            "note: {text: =remark}",
            "line 17, sections.problem.resource.note: a list is expected here",
        ),
        (
            "code: =coded(snomed, 'snomed', name)",
            "code: [{text: =name}]",
            "line 16, sections.problem.resource.code: no list is possible here",
        ),
        (
            "'snomed', name",
            "'snomde', name",
            "line 16, sections.problem.resource.code: coded(): there is no system called 'snomde'",
        ),
        (
            "=id(problem_id)",
            "=ide(problem_id)",
            "line 13, sections.problem.resource.id: there is no function ide()",
        ),
        (
            "where patient_id = :patient",
            "",
            "line 11, sections.problem.query: a query has :patient as its one parameter",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line_its_place_and_what_was_meant(
    tmp_path: Path, right: str, wrong: str, told: str
) -> None:
    assert right in GOOD
    assert told in refused(tmp_path, GOOD.replace(right, wrong, 1))


def test_all_faults_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Also those of other sections than the one that cannot be read at all."""
    more = """\
  alert:
    type: Flag
    colour: red
    query: select * from alert where patient_id = :patient
    resource: {id: =id(a), subject: =reference('Patient', patient_id)}
"""
    text = (
        GOOD.replace("bgz-3/problem", "bgz-3/problems").replace("=remark", "=remarks(").replace("'state')", "'stat')")
    )
    told = refused(tmp_path, text + more).splitlines()
    assert told[0] == "mapping tiny.yaml: 4 faults"
    assert [one.split(":")[0].strip() for one in told[1:]] == [
        "line 10, sections.problem.rows[0]",
        "line 15, sections.problem.resource.clinicalStatus",
        "line 18, sections.problem.resource.note[0].text",
        "line 21, sections.alert.colour",
    ]


def test_a_fault_in_a_shared_piece_is_told_where_the_piece_stands(tmp_path: Path) -> None:
    pieces = "pieces:\n  who: &who\n    subject: =reference(\n"
    text = pieces + GOOD.replace("      subject: =reference('Patient', patient_id)\n", "      <<: *who\n")
    assert "line 3, sections.problem.resource.subject: " in refused(tmp_path, text)


def test_a_mapping_that_is_no_table_or_no_yaml_is_told(tmp_path: Path) -> None:
    assert "line 1: Input should be" in refused(tmp_path, "- a\n- b\n")
    assert "at line 2" in refused(tmp_path, "mapping: a\n\tversion: b\n")
    assert "cannot be read" in refused(tmp_path, "mapping: [")


def test_a_source_whose_mapping_names_an_unknown_row_cannot_be_made(tmp_path: Path) -> None:
    """So a gateway with it does not start: the data of that row would be left out in silence."""
    path = tmp_path / "wrong.yaml"
    path.write_text(MAPPING.read_text("utf-8").replace("bgz-3/problem", "bgz-3/problems"), "utf-8")
    with pytest.raises(AdapterMisconfigured, match="there is no row 'problems' in bgz-3"):
        build({"type": "sql", "name": "epd", "url": "sqlite:///nowhere.db", "mapping": str(path)})


def test_places_can_be_written_and_read() -> None:
    assert shown(steps("code.coding[0].$if")) == "code.coding[0].$if"
    assert steps("note[12].text") == ("note", 12, "text")
