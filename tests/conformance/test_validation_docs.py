"""The ten findings in docs/validation.md are what a data steward really gets."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conformance.validation_data import EXAMPLES, official
from shared import shared

from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.validation.run.findings import as_text

DOCS = Path(__file__).parents[2] / "docs" / "validation.md"
Change = Callable[[Any], Any]


def without(name: str) -> Change:
    return lambda resource: resource.pop(name)


def put(name: str, value: Any) -> Change:
    return lambda resource: resource.__setitem__(name, value)


def _wrong_unit(resource: Any) -> None:
    resource["component"][0]["valueQuantity"]["code"] = "kPa"


def _wrong_component(resource: Any) -> None:
    resource["component"][0]["code"]["coding"][0]["code"] = "8480-9"


def _wrong_bsn(resource: Any) -> None:
    resource["identifier"] = [{"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": "123456789"}]


def _wrong_extension(resource: Any) -> None:
    resource["name"][0]["_family"]["extension"][0].pop("valueString")
    resource["name"][0]["_family"]["extension"][0]["valueBoolean"] = True


FINDINGS: dict[str, tuple[str, str, Change]] = {
    "1": ("zib2017", "zib-AllergyIntolerance-01.json", without("code")),
    "2": ("zib2017", "zib-Problem-01.json", put("clinicalStatus", "actief")),
    "3": ("zib2017", "zib-Problem-01.json", put("onsetDateTime", "31-12-2019")),
    "4": ("zib2017", "zib-BloodPressure-01.json", _wrong_unit),
    "5": ("zib2017", "zib-BloodPressure-01.json", _wrong_component),
    "6": ("zib2017", "nl-core-patient-01.json", _wrong_bsn),
    "7": ("zib2017", "zib-Problem-01.json", put("subject", {"reference": "Medication/12"})),
    "8": ("zib2017", "zib-Problem-01.json", put("diagnose", "astma")),
    "9": ("zib2017", "nl-core-patient-01.json", _wrong_extension),
    "10": ("zib2020", "nl-core-Alert-01.json", put("period", {"start": "2026-02-01", "end": "2026-01-01"})),
}


def finding(number: str) -> str:
    """The errors of a finding, as the command shows them."""
    name, file, change = FINDINGS[number]
    version, packages = EXAMPLES[name]
    resource: Resource = copy.deepcopy(jsonio.parse(shared("examples", name, "json", file).read_bytes()))
    change(resource)
    report = official(version, packages).validate(resource)
    errors = tuple(one for one in report.findings if one.severity == "error")
    return as_text(dataclasses.replace(report, findings=errors), file, "nl")


@pytest.mark.parametrize("number", FINDINGS)
def test_the_documented_finding_is_real(number: str) -> None:
    shown = finding(number)
    assert "fout:" in shown
    text = DOCS.read_text(encoding="utf-8")
    assert [line for line in shown.splitlines() if line.strip() not in text] == []
