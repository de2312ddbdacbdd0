"""Coverage, devices, vaccinations, procedures, persons: what STU3 arranges otherwise."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from profiles.conversion.back.around import BackWork
from profiles.conversion.paths import Node, add_extension, extension_value, holds, listed, take_extensions
from profiles.conversion.paths import extensions as rows_of
from profiles.conversion.special.devices import LOCATION, PROFESSIONAL
from profiles.conversion.special.linked import kind_of
from profiles.conversion.special.status import absent
from profiles.conversion.work import NICTIZ
from profiles.record.walk import values

SEQUENCE: Final = "http://hl7.org/fhir/StructureDefinition/specimen-sequenceNumber"
BANK: Final = {"bankName": "BankName", "bankCode": "Bankcode", "accountNumber": "AccountNumber"}
DUE: Final = ("http://loinc.org", "30980-7")
UNKNOWN: Final = {"coding": [{"system": "http://hl7.org/fhir/data-absent-reason", "code": "unknown"}]}


def coverage(work: BackWork) -> None:
    """Bank details stand with the payor."""
    payors = [one for one in listed(work.resource.get("payor")) if isinstance(one, dict)]
    for row in take_extensions(work.resource, NICTIZ + "ext-Payer.BankInformation") if payors else ():
        parts = [{**one, "url": BANK.get(str(one.get("url")), one.get("url"))} for one in listed(row.get("extension"))]
        made = {**row, "url": NICTIZ + "zib-Payer-BankInformation", "extension": parts}
        payors[0]["extension"] = [*listed(payors[0].get("extension")), made]


def device(work: BackWork) -> None:
    """A serial number is an identifier; the carrier is the UDI, with its name."""
    resource = work.resource
    serial = resource.pop("serialNumber", None)
    if serial is not None:
        kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "SNO"}]}
        resource["identifier"] = [*listed(resource.get("identifier")), {"type": kind, "value": serial}]
    carriers = listed(resource.pop("udiCarrier", None))
    if len(carriers) > 1:
        work.lose("partial", "LB-02", "Device.udiCarrier", carriers[1:])
    if carriers:
        resource["udi"] = carriers[0]
    names = listed(resource.pop("deviceName", None))
    labels = [one for one in names if one.get("type") == "udi-label-name" and "name" in one]
    if labels and carriers:
        resource["udi"] = {**carriers[0], "name": labels[0]["name"]}
        names.remove(labels[0])
    if names:
        resource["deviceName"] = names
    if "modelNumber" in resource:
        resource["model"] = resource.pop("modelNumber")
    versions = listed(resource.pop("version", None))
    if versions:
        resource["version"] = [one["value"] for one in versions if "value" in one]
        for one in versions:
            if set(one) - {"value"}:
                work.lose("lost", "LB-01", "Device.version", one)


def device_use(work: BackWork) -> None:
    """Reasons are indications; a location that was made is the organisation it stands for."""
    resource = work.resource
    for one in listed(resource.pop("reasonReference", None)):
        row: Node = {}
        add_extension(row, NICTIZ + "zib-MedicalDevice-Problem", "Reference", one)
        resource["indication"] = [*listed(resource.get("indication")), row]
    codes = listed(resource.pop("reasonCode", None))
    if codes:
        resource["indication"] = [*listed(resource.get("indication")), *codes]
    for row in rows_of(resource, PROFESSIONAL):
        direct = work.made_for(row.get("valueReference"), "Practitioner")
        if direct is not None:
            row["valueReference"] = direct
    _organization(work)
    if "timingDateTime" in resource:
        resource["timingPeriod"] = {"start": resource.pop("timingDateTime")}
        work.lose("partial", "LB-10", "DeviceUseStatement.timingDateTime", resource["timingPeriod"]["start"])
    _told_there(work)


def _organization(work: BackWork) -> None:
    """Where 2020 has the location, 2017 has the organisation: that of the location, when it came along."""
    for row in take_extensions(work.resource, LOCATION):
        location = row.get("valueReference")
        direct = work.made_for(location, "Organization") or (location if kind_of(location) == "Organization" else None)
        if direct is None:
            direct = (work.around.aimed(location) or Node()).get("managingOrganization")
            work.lose("lost", "LB-01", "DeviceUseStatement.extension(location)", location)
        if direct is not None:
            add_extension(work.resource, LOCATION, "Reference", direct)


def _told_there(work: BackWork) -> None:
    """A procedure that came along and names the device says it in STU3; what else it derives from has no place."""
    device = (work.resource.get("device") or {}).get("reference")
    rest = []
    for one in listed(work.resource.pop("derivedFrom", None)):
        aimed = work.around.aimed(one)
        if aimed is None or device not in list(values(aimed, "focalDevice.manipulated.reference")):
            rest.append(one)
    if rest:
        work.resource["derivedFrom"] = rest


def immunization(work: BackWork) -> None:
    """Not given is a mark of its own; when, who, why and the doses of a series have other names."""
    resource = work.resource
    resource["notGiven"] = resource.get("status") == "not-done"
    if resource["notGiven"]:
        resource["status"] = "completed"
    names = (("reasonCode", "reason"), ("statusReason", "reasonNotGiven"))
    reasons = {there: listed(resource.pop(here)) for here, there in names if here in resource}
    if reasons:
        resource["explanation"] = reasons
    for sign in ("", "_"):
        value = resource.pop(f"{sign}occurrenceDateTime", None)
        if value is not None:
            resource[f"{sign}date"] = value
    if "primarySource" not in resource and "_primarySource" not in resource:
        resource["_primarySource"] = absent()
        work.assume("Immunization.primarySource", "unknown")
    rows = [{("role" if key == "function" else key): row[key] for key in row} for row in _givers(work)]
    if rows:
        resource["practitioner"] = rows
    doses = [_protocol(row, work) for row in listed(resource.pop("protocolApplied", None))]
    if doses:
        resource["vaccinationProtocol"] = doses


def _givers(work: BackWork) -> list[Node]:
    """Those who gave it; an organisation as such has no place in STU3."""
    rows = listed(work.resource.pop("performer", None))
    kept = [row for row in rows if kind_of(row.get("actor")) != "Organization"]
    for row in rows:
        if row not in kept:
            work.lose("lost", "LB-01", "Immunization.performer", row.get("actor"))
    return kept


def _protocol(row: Node, work: BackWork) -> Node:
    made = {key: value for key, value in row.items() if key in ("series", "authority", "targetDisease")}
    for here, there in (("doseNumberPositiveInt", "doseSequence"), ("seriesDosesPositiveInt", "seriesDoses")):
        if here in row:
            made[there] = row[here]
    for here in ("doseNumberString", "seriesDosesString"):
        if row.get(here, "unknown") != "unknown":
            work.lose("lost", "LB-01", f"Immunization.protocolApplied.{here}", row[here])
    if "targetDisease" not in made:
        made["targetDisease"] = [dict(UNKNOWN)]
        work.assume("Immunization.protocolApplied.targetDisease", "unknown")
    made["doseStatus"] = dict(UNKNOWN)
    work.assume("Immunization.protocolApplied.doseStatus", "unknown")
    return made


def recommendation(work: BackWork) -> None:
    """The desired date stands by itself; that the recommendation has no date of its own is no loss when it had none."""
    if "_date" in work.resource and "date" not in work.resource:
        work.resource.pop("_date")
    for row in listed(work.resource.get("recommendation")):
        criteria = listed(row.pop("dateCriterion", None))
        due = [one for one in criteria if holds(one.get("code"), *DUE) and "value" in one]
        if due:
            row["date"] = due[0]["value"]
            criteria.remove(due[0])
        if criteria:
            row["dateCriterion"] = criteria
        if "doseNumberPositiveInt" in row:
            row["doseNumber"] = row.pop("doseNumberPositiveInt")


def performers(work: BackWork) -> None:
    """The function of who did it is a role; a location that was made is the organisation that did it."""
    resource = work.resource
    rows: list[Any] = [
        {("role" if key == "function" else key): row[key] for key in row}
        for row in listed(resource.pop("performer", None))
    ]
    organization = work.made_for(resource.get("location"), "Organization")
    if organization is not None:
        del resource["location"]
        if all((row.get("actor") or {}).get("reference") != organization["reference"] for row in rows):
            rows.append({"actor": organization})
    if rows:
        resource["performer"] = rows


def specimen(work: BackWork) -> None:
    """The number of a container is an identifier."""
    for row in listed(work.resource.get("container")):
        for one in take_extensions(row, SEQUENCE):
            row["identifier"] = [*listed(row.get("identifier")), {"value": str(extension_value(one))}]


def explanation(work: BackWork) -> None:
    """A note is the explanation of a nutrition advice."""
    rows = listed(work.resource.pop("note", None))
    notes = [str(one["text"]) for one in rows if "text" in one]
    for one in rows:
        if set(one) - {"text"}:
            work.lose("partial", "LB-06", "NutritionOrder.note", one)
    if notes:
        add_extension(work.resource, NICTIZ + "zib-NutritionAdvice-Explanation", "String", "\n\n".join(notes))


def stays(work: BackWork) -> None:
    """What needs no way back: names, addresses and references change with their data types."""


CHANGES: Mapping[str, Callable[[BackWork], None]] = {
    "coverage": coverage,
    "device": device,
    "device-use": device_use,
    "explanation": explanation,
    "immunization": immunization,
    "organization": stays,
    "patient": stays,
    "performers": performers,
    "recommendation": recommendation,
    "specimen": specimen,
}
