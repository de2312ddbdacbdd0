"""A message that was held is tried again by command: after another setting, and never over what is newer."""

from pathlib import Path

import pytest
from databases import KINDS, database
from flow.hl7_sender import PID, adt, msh
from world.intake_house import House, pushing, source

from gateway.cli.db import upgrade
from gateway.intake import quarantine
from gateway.intake.hl7v2.take import MessageTaker
from gateway.intake.retry import CannotRetry, retry
from gateway.intake.settings import SourceSettings
from gateway.store.engine import open_engine

MESSAGE = "\r".join([msh("ADT^A08", "77"), "EVN||20260201", PID, "PV1|1|O", "ZPI|1|iets", ""]).encode()


def lab(**change: str) -> SourceSettings:
    return source(mllp={"port": 2575, **change})


def take(hospital: House, message: bytes) -> str:
    settings = hospital.parts.settings.sources["lab"].mllp
    assert settings is not None
    return MessageTaker("lab", settings, hospital.parts.intake).take(message).said.code


@pytest.mark.parametrize("kind", KINDS)
def test_a_held_message_is_taken_after_another_setting(kind: str, tmp_path: Path) -> None:
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        with pushing(url, lab=lab(not_taken="refuse")) as hospital:
            assert take(hospital, MESSAGE) == "AE"
            assert hospital.stored() == {}
            (item,) = quarantine.items(hospital.engine)
            assert retry(hospital.parts.intake, item).answer.status == 422
        with pushing(url, lab=lab()) as hospital:
            (item,) = quarantine.items(hospital.engine)
            taken = retry(hospital.parts.intake, item)
            assert (taken.answer.status, bool(taken.records)) == (200, True)
            assert hospital.stored()["Patient/4711"]["gender"] == "female"
            assert quarantine.items(hospital.engine) == []
            (closed,) = quarantine.items(hospital.engine, state=None)
            with pytest.raises(CannotRetry, match="taken in already"):
                retry(hospital.parts.intake, closed)


def test_a_message_that_was_overtaken_stays_held(tmp_path: Path) -> None:
    """What came after it is newer: the old message may not put itself above that."""
    with database("sqlite", tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        with pushing(url, lab=lab(not_taken="refuse")) as hospital:
            assert take(hospital, MESSAGE) == "AE"
        with pushing(url, lab=lab()) as hospital:
            assert take(hospital, adt("78", pid=PID.replace("|F|", "|M|")).encode()) == "AA"
            (item,) = quarantine.items(hospital.engine)
            with pytest.raises(CannotRetry, match="changed after"):
                retry(hospital.parts.intake, item)
            assert hospital.stored()["Patient/4711"]["gender"] == "male"
