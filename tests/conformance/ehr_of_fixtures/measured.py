"""Which element is which column: measurements, laboratory results and specimens."""

from collections.abc import Mapping, Sequence

from conformance.ehr_of_fixtures.paths import (
    Column,
    among,
    at,
    contained,
    fixed,
    key,
    listed,
    moment,
    own,
    owner,
)
from conformance.ehr_of_fixtures.rule import Rule

SITE = "collection.bodySite"

MEASURED = {"patient_id": owner, "measured_at": moment("effectiveDateTime"), "remark": at("comment")}
SPECIMEN: Mapping[str, Column] = {
    "patient_id": owner,
    "snomed": at("type.coding.code"),
    "name": at("type.coding.display"),
    "taken_at": moment("collection.collectedDateTime"),
    "received_at": moment("receivedTime"),
    "method": at("collection.method.coding.code"),
    "method_name": at("collection.method.coding.display"),
    "volume": at("collection.quantity.value"),
    "volume_unit": at("collection.quantity.unit"),
    "body_site": at(f"{SITE}.coding.code"),
    "body_site_name": at(f"{SITE}.coding.display"),
    "side": listed("side", f"{SITE}.extension(BodySite-Qualifier).valueCodeableConcept.coding"),
    "container_number": at("container.identifier.value"),
    "container": at("container.type.coding.code"),
    "container_name": at("container.type.coding.display"),
    "remark": at("note.text"),
}


def _measured(kind: str, columns: Mapping[str, Column]) -> Sequence[Rule]:
    return (Rule("measurement", "measurement_id", own, {**MEASURED, "kind": fixed(kind), **columns}),)


def _component(code: str) -> str:
    return f"component({code}).valueCodeableConcept.coding"


MEASUREMENTS: Mapping[str, Sequence[Rule]] = {
    "zib-BloodPressure": _measured(
        "RR",
        {
            "value": at("component(8480-6).valueQuantity.value"),
            "second_value": at("component(8462-4).valueQuantity.value"),
            "mean_value": at("component(6797001).valueQuantity.value"),
            "detail": listed("body_position", _component("424724000")),
            "site": listed("pressure_site", "bodySite.coding"),
            "method": listed("pressure_method", "method.coding"),
            "cuff": listed("cuff", _component("70665002")),
            "end_point": listed("diastolic_end", _component("85549003")),
        },
    ),
    "zib-BodyWeight": _measured(
        "GEW", {"value": at("valueQuantity.value"), "detail": listed("clothing", _component("8352-7"))}
    ),
    "zib-BodyHeight": _measured(
        "LEN",
        {"value": at("valueQuantity.value"), "detail": among("code.coding.code", {"8308-9": "ST", "8306-3": "LI"})},
    ),
    "zib-LaboratoryTestResult-Observation": (
        Rule(
            "lab_result",
            "result_id",
            own,
            {
                "patient_id": owner,
                "specimen_id": key("specimen"),
                "discipline": listed("discipline", "category.coding", elsewhere=True),
                "loinc": at("code.coding.code"),
                "name": at("code.coding.display"),
                "value": at("valueQuantity.value"),
                "unit": at("valueQuantity.unit"),
                "ucum": at("valueQuantity.code"),
                "finding": at("valueString"),
                "low": at("referenceRange.low.value"),
                "high": at("referenceRange.high.value"),
                "flag": listed("flag", "interpretation.coding"),
                "state": listed("lab_state", "status"),
                "method": at("method.coding.code"),
                "method_name": at("method.coding.display"),
                "remark": at("comment"),
                "measured_at": moment("effectiveDateTime"),
            },
        ),
        # A result says of which panel it is, a panel in FHIR which results it has.
        Rule("lab_result", "result_id", key("target"), {"panel_id": own}, at="related"),
    ),
    "zib-LaboratoryTestResult-Specimen": (Rule("specimen", "specimen_id", own, SPECIMEN),),
    "zib-LaboratoryTestResult-Specimen-Isolate": (
        Rule("specimen", "specimen_id", own, {**SPECIMEN, "parent_id": contained("parent")}),
        Rule(
            "specimen", "specimen_id", lambda source: f"{source.parent}-{source.node['id']}", SPECIMEN, at="contained"
        ),
    ),
}
