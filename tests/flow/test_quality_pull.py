"""What live sources deliver is judged: counted beside the request, or held back before the answer (SC-H2, R1)."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from databases import KINDS, database
from sqlalchemy import select

from adapters.port import Batch, Reason
from gateway.cli.db import upgrade
from gateway.collect.held import Held
from gateway.collect.judged import PullGate
from gateway.collect.live import held_of
from gateway.quality.gate import Counting, Gate
from gateway.quality.recorder import Recorder
from gateway.quality.settings import Policy, PolicyRule, QualitySettings
from gateway.quality.verdicts import Verdicts
from gateway.store.engine import open_engine
from gateway.store.schema import quality_count, quality_defect
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.expect import Expectations
from profiles.standards.load import Catalogue, catalogue

PROBLEM = "http://nictiz.nl/fhir/StructureDefinition/zib-Problem"
DAY = date(2026, 3, 31)


def problem(id_: str, **more: object) -> Resource:
    """A problem that is right, unless ``more`` breaks it."""
    return {
        "resourceType": "Condition",
        "id": id_,
        "meta": {"profile": [PROBLEM]},
        "clinicalStatus": "active",
        "verificationStatus": "confirmed",
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "282291009", "display": "Diagnose"}]}],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "13645005", "display": "COPD"}]},
        "subject": {"reference": "Patient/p", "display": "P. Proef"},
        **more,
    }


def batch_of(*resources: Resource) -> Batch:
    return Batch("his", resources, datetime.now(UTC), patients=frozenset({"p"}))


def right_and_wrong() -> Batch:
    return batch_of(problem("right"), problem("wrong", clinicalStatus="present"))


@contextmanager
def recorder(url: str, tmp_path: Path, *rules: PolicyRule) -> Iterator[Recorder]:
    """A recorder on a fresh database, with our zib tables; stopped in good order at the end."""
    engine = open_engine(url)
    upgrade(engine)
    settings = QualitySettings(policies=rules)
    counting = Counting(Verdicts(str(tmp_path / "no-packages")), today=lambda: DAY)
    made = Recorder(engine, Gate(settings, catalogue(), counting), settings)
    try:
        yield made
    finally:
        made.close()
        engine.dispose()


def deliver(made: Recorder, times: int = 1) -> tuple[Sequence[Held], Sequence[Reason]]:
    held, _ = held_of(right_and_wrong(), FhirVersion.STU3, Expectations(Catalogue({})), prefixed=True)
    kept: Sequence[Held] = ()
    reasons: list[Reason] = []
    for _ in range(times):
        kept, gaps = asyncio.run(PullGate(made).check("hospital", FhirVersion.STU3, right_and_wrong(), held))
        reasons = [gap.reason for gap in gaps]
    return kept, reasons


@pytest.mark.parametrize("kind", KINDS)
def test_by_default_everything_is_delivered_and_counted_once_a_day(kind: str, tmp_path: Path) -> None:
    with database(kind, tmp_path) as url:
        with recorder(url, tmp_path) as made:
            kept, gaps = deliver(made, times=3)
        assert [one.id for one in kept] == ["his-right", "his-wrong"]
        assert not gaps
        engine = open_engine(url)
        with engine.connect() as connection:
            whole = connection.execute(select(quality_count).where(quality_count.c.element == "")).all()
            assert [(row.provider, row.source, row.day, row.seen, row.valid) for row in whole] == [
                ("hospital", "his", DAY, 2, 1)
            ]
            # The source's own id, not the one under which we serve it.
            lines = connection.execute(select(quality_defect)).all()
            assert [(row.reference, row.element, row.rule) for row in lines] == [("wrong", "5.1.4", "binding")]
        engine.dispose()


def test_a_blocking_policy_holds_back_what_is_wrong_and_says_that_something_is_missing(tmp_path: Path) -> None:
    block = PolicyRule(provider="hospital", standard="bgz-3", policy=Policy.BLOCK)
    with database("sqlite", tmp_path) as url, recorder(url, tmp_path, block) as made:
        kept, gaps = deliver(made)
    assert [one.id for one in kept] == ["his-right"]
    assert gaps == [Reason.INVALID_BLOCKED]


def test_switched_off_nothing_is_validated_or_counted(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as url:
        with recorder(url, tmp_path, PolicyRule(provider="hospital", policy=Policy.OFF)) as made:
            kept, _ = deliver(made)
        engine = open_engine(url)
        with engine.connect() as connection:
            assert connection.execute(select(quality_count)).all() == []
        engine.dispose()
    assert len(kept) == 2


def test_a_repairing_policy_mends_the_name_of_a_code_system_and_nothing_clinical(tmp_path: Path) -> None:
    coded = {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.96", "code": "13645005", "display": "COPD"}]}
    batch = batch_of(problem("coded", code=coded, clinicalStatus="present"))
    held, _ = held_of(batch, FhirVersion.STU3, Expectations(Catalogue({})), prefixed=False)
    with database("sqlite", tmp_path) as url, recorder(url, tmp_path, PolicyRule(policy=Policy.REPAIR)) as made:
        kept, gaps = asyncio.run(PullGate(made).check("hospital", FhirVersion.STU3, batch, held))
    assert not gaps
    assert kept[0].data["code"]["coding"][0] == {**coded["coding"][0], "system": "http://snomed.info/sct"}
    assert kept[0].data["clinicalStatus"] == "present"


@pytest.mark.parametrize("policy", [Policy.OBSERVE, Policy.BLOCK])
def test_a_citizen_number_that_cannot_be_right_is_found_before_it_is_masked(policy: Policy, tmp_path: Path) -> None:
    number = {"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": "123456789"}
    batch = batch_of({"resourceType": "RelatedPerson", "id": "daughter", "identifier": [number]})
    held, _ = held_of(batch, FhirVersion.STU3, Expectations(Catalogue({})), prefixed=True)
    with database("sqlite", tmp_path) as url:
        with recorder(url, tmp_path, PolicyRule(policy=policy)) as made:
            kept, _ = asyncio.run(PullGate(made).check("hospital", FhirVersion.STU3, batch, held))
        engine = open_engine(url)
        with engine.connect() as connection:
            line = connection.execute(select(quality_defect).where(quality_defect.c.rule == "system")).one()
        engine.dispose()
    assert (line.reference, line.expression) == ("daughter", "RelatedPerson.identifier[0].value")
    assert "123456789" not in repr(line)
    assert len(kept) == (0 if policy is Policy.BLOCK else 1)
    assert held[0].data["id"] == "his-daughter"
