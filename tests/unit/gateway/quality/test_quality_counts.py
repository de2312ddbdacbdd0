"""Counts from verdicts: numbers and defect lines, nothing of a dossier (R1, R15, SC-A3); written without loss."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS, database
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select, text
from timing import LONG

from gateway.cli.db import upgrade
from gateway.quality.elements import CountPlans
from gateway.quality.gate import Counting, Gate
from gateway.quality.recorder import Delivery, Recorder
from gateway.quality.settings import QualitySettings
from gateway.quality.store import forget, save
from gateway.quality.tally import Subject, Tally, reference_of
from gateway.quality.verdicts import Verdicts, basis
from gateway.report.figures import Choice, Figures
from gateway.store.engine import open_engine
from gateway.store.schema import quality_count, quality_defect, quality_finding, quality_name
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue
from profiles.zibs import validator

DAY = date(2026, 3, 31)
VALIDATOR = validator(FhirVersion.STU3, ())
PLANS = CountPlans(VALIDATOR)
SECRET = "Zeldzame aandoening van mevrouw Proef"


def problem(id_: str = "c1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": id_,
        "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-Problem"]},
        "clinicalStatus": "active",
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "282291009"}]}],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "13645005"}]},
        "subject": {"reference": "Patient/p"},
        **more,
    }


def tally_of(*resources: dict[str, Any], day: date = DAY, source: str = "his") -> Tally:
    made = Tally()
    for one in resources:
        subject = Subject("hospital", source, "stu3", one["resourceType"], reference_of(one))
        made.add(day, subject, one, VALIDATOR.validate(one), PLANS, VALIDATOR.label)
    return made


def written(made: Tally) -> str:
    """Everything in a tally that can reach the database."""
    return repr((made.numbers, made.rules, made.names, made.subjects, made.bases))


@contextmanager
def store(kind: str, folder: Path) -> Iterator[Engine]:
    with database(kind, folder) as url:
        engine = open_engine(url)
        upgrade(engine)
        try:
            yield engine
        finally:
            engine.dispose()


def test_nothing_of_a_dossier_is_counted() -> None:
    """SC-A3: values that break a rule, and texts beside them, stay where they are."""
    made = tally_of(
        problem(
            clinicalStatus=SECRET,
            code={"text": SECRET, "coding": [{"system": SECRET, "code": SECRET, "display": SECRET}]},
            onsetDateTime=SECRET,
            note=[{"text": SECRET}],
            asserter={"reference": "Practitioner/1", "display": SECRET},
            **{"extra": SECRET},
        )
    )
    assert made.rules, "there is something wrong with it"
    assert "Zeldzame" not in written(made)
    assert "Proef" not in written(made)


PLACES = st.sampled_from(["clinicalStatus", "code", "note", "onsetDateTime", "severity", "abatement", SECRET])
VALUES = st.sampled_from(
    [SECRET, {"text": SECRET}, [{"text": SECRET}], {"coding": [{"code": SECRET, "system": SECRET}]}, {SECRET: SECRET}]
)


@given(st.dictionaries(PLACES, VALUES))
@settings(max_examples=60, deadline=None)
def test_no_value_gets_in_wherever_it_stands(changes: dict[str, Any]) -> None:
    assert SECRET not in written(tally_of(problem(**changes)))


def test_a_citizen_number_used_as_an_id_is_masked() -> None:
    assert reference_of({"id": "999951750"}) == "*********"
    assert reference_of({"id": "pat-999951750-x"}) == "pat-*********-x"
    assert reference_of({"id": "123456789012"}) == "123456789012"
    assert reference_of({"id": "123456789"}) == "123456789"


def test_a_department_is_an_organisation_and_never_a_person() -> None:
    ward = {"reference": "Organization/7", "display": "Longziekten"}
    doctor = {"reference": "Practitioner/1", "display": "dr. Proef"}
    made = tally_of(problem("a", asserter=doctor), problem("b", context={"organization": ward}))
    assert {scope.department for scope, _ in made.numbers} == {"", "Longziekten"}


def test_missing_and_too_many_are_different_faults() -> None:
    bare = problem()
    del bare["code"]
    rules = {rule for _, _, rule, severity in tally_of(bare).rules if severity == "error"}
    assert "cardinality:required" in rules


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_add_up_and_defects_are_those_of_the_last_check(kind: str, tmp_path: Path) -> None:
    wrong, right = problem(clinicalStatus="present"), problem()
    with store(kind, tmp_path) as engine:
        for day, resource in ((DAY, wrong), (DAY + timedelta(days=1), wrong)):
            with engine.begin() as connection:
                save(connection, tally_of(resource, day=day))
        with engine.begin() as connection:
            save(connection, tally_of(wrong, day=DAY))
        with engine.connect() as connection:
            whole = select(quality_count.c.day, quality_count.c.seen, quality_count.c.valid)
            rows = connection.execute(whole.where(quality_count.c.element == "").order_by("day")).all()
            assert [tuple(row) for row in rows] == [(DAY, 2, 0), (DAY + timedelta(days=1), 1, 0)]
            line = connection.execute(select(quality_defect)).one()
            assert (line.element, line.rule, line.first_seen) == ("5.1.4", "binding", DAY)
            assert "active" in line.allowed
            names = select(quality_name.c.name_nl).where(quality_name.c.element == "5.1.4")
            assert connection.execute(names).scalar_one() == "ProbleemStatus"
        with engine.begin() as connection:
            save(connection, tally_of(right, day=DAY + timedelta(days=2)))
        with engine.connect() as connection:
            assert connection.execute(select(quality_defect)).all() == []
            found = select(func.sum(quality_finding.c.found)).where(quality_finding.c.severity == "error")
            assert connection.execute(found).scalar_one() == 3


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_older_than_the_retention_goes(kind: str, tmp_path: Path) -> None:
    with store(kind, tmp_path) as engine, engine.begin() as connection:
        save(connection, tally_of(problem("old", clinicalStatus="x"), day=DAY))
        save(connection, tally_of(problem("new", clinicalStatus="x"), day=DAY + timedelta(days=10)))
        forget(connection, DAY + timedelta(days=10))
        assert connection.execute(select(quality_defect.c.reference)).scalars().all() == ["new"]
        assert set(connection.execute(select(quality_count.c.day)).scalars()) == {DAY + timedelta(days=10)}


@pytest.mark.parametrize("kind", KINDS)
def test_two_writers_at_once_lose_nothing_and_do_not_block_each_other(kind: str, tmp_path: Path) -> None:
    with store(kind, tmp_path) as engine:

        def write(source: str) -> None:
            for number in range(5):
                with engine.begin() as connection:
                    save(connection, tally_of(problem(f"{source}-{number}"), problem(f"{source}-{number}b")))

        threads = [threading.Thread(target=write, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with engine.connect() as connection:
            seen = select(quality_count.c.seen).where(quality_count.c.element == "")
            assert connection.execute(seen).scalar_one() == 20


def recorder(engine: Engine, folder: Path, size: int = 2_000) -> Recorder:
    counting = Counting(Verdicts(str(folder / "none")), today=lambda: DAY)
    chosen = QualitySettings(queue=size)
    return Recorder(engine, Gate(chosen, catalogue(), counting), chosen)


def seen(engine: Engine) -> int:
    with engine.connect() as connection:
        total = select(func.coalesce(func.sum(quality_count.c.seen), 0)).where(quality_count.c.element == "")
        return int(connection.execute(total).scalar_one())


def test_a_stop_in_good_order_loses_nothing(tmp_path: Path) -> None:
    with store("sqlite", tmp_path) as engine:
        made = recorder(engine, tmp_path)
        for number in range(60):
            made.put(Delivery("hospital", "his", FhirVersion.STU3, [problem(f"p{number}")]))
        made.close()
        assert seen(engine) == 60


def test_a_database_that_is_away_costs_no_figures(tmp_path: Path) -> None:
    with store("sqlite", tmp_path) as engine:
        made = recorder(engine, tmp_path)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE quality_count RENAME TO away"))
        made.gate.judge("hospital", "his", FhirVersion.STU3, problem("a"))
        made.write()
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO quality_count"))
        made.gate.judge("hospital", "his", FhirVersion.STU3, problem("b"))
        made.close()
        assert seen(engine) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_odd_names_from_a_source_do_not_stop_the_figures(kind: str, tmp_path: Path) -> None:
    ward = {"reference": "Organization/7", "display": "Long\0ziekten " + "x" * 200}
    odd = problem("i\0d" + "9" * 100, context={"organization": ward}, clinicalStatus="present")
    with store(kind, tmp_path) as engine:
        made = recorder(engine, tmp_path)
        nonsense = {"resourceType": "Geen\0type " + "x" * 300, "id": 5}
        made.put(Delivery("hospital", "his", FhirVersion.STU3, [odd, nonsense, problem("plain")]))
        made.close()
        assert seen(engine) == 3


def test_a_full_queue_drops_figures_and_never_waits(tmp_path: Path) -> None:
    with store("sqlite", tmp_path) as engine:
        made = recorder(engine, tmp_path, size=10)
        begun = time.monotonic()
        many = [problem(f"m{number}") for number in range(200)]
        for _ in range(40):
            made.put(Delivery("hospital", "his", FhirVersion.STU3, many))
        assert time.monotonic() - begun < LONG
        assert made.dropped > 0
        made.close()
        assert seen(engine) == 200


def test_the_report_says_which_definitions_served(tmp_path: Path, package_cache: Path) -> None:
    bgz = catalogue().standards["bgz-3"]
    without = basis(bgz, str(tmp_path / "none"))
    assert without.kind == "tables"
    assert "nictiz.fhir.nl.stu3.zib2017@2.2.18" in without.absent
    assert basis(bgz, str(package_cache)).kind == "official"
    assert basis(catalogue().standards["immunization-2"], str(tmp_path / "none")).kind == "tables"
    assert basis(catalogue().standards["dental-care-1"], str(tmp_path / "none")).kind == "base"


def test_a_tally_can_be_told_as_json_keys() -> None:
    """Counts hold nothing but text, numbers and days."""
    made = tally_of(problem(clinicalStatus="present"))
    assert json.dumps([[*map(str, scope), element, *numbers] for (scope, element), numbers in made.numbers.items()])


@pytest.mark.parametrize("kind", KINDS)
def test_counts_say_which_definitions_judged(kind: str, tmp_path: Path) -> None:
    """Names and versions as they were then, whatever is installed later; another set of them is another line."""
    with store(kind, tmp_path) as engine:
        first, later = tally_of(problem("a"), problem("b")), Tally()
        later.bases[DAY + timedelta(days=1), "hospital", "his", "stu3", "stu3:zib2017@9.9.9:"] += 1
        with engine.begin() as connection:
            for one in (first, first, later):
                save(connection, one)
            bases = Figures(connection, Choice("hospital")).bases()
            assert bases == [
                ("stu3", VALIDATOR.label, DAY, DAY, 4),
                ("stu3", "stu3:zib2017@9.9.9:", DAY + timedelta(days=1), DAY + timedelta(days=1), 1),
            ]
            forget(connection, DAY + timedelta(days=1))
            assert [row[1] for row in Figures(connection, Choice()).bases()] == ["stu3:zib2017@9.9.9:"]
