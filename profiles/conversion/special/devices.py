"""Devices and their use."""

from collections.abc import Callable, Mapping
from typing import Final

from profiles.conversion.paths import extension_value, extensions, holds, listed, take_extensions
from profiles.conversion.special.linked import with_location, with_role
from profiles.conversion.work import NICTIZ, Work
from profiles.record.walk import aim

PROFESSIONAL: Final = NICTIZ + "ext-MedicalDevice.HealthProfessional"
LOCATION: Final = NICTIZ + "ext-MedicalDevice.Location"


def device_use(work: Work) -> None:
    """The indication becomes a reason, the organisation a location."""
    for row in listed(work.resource.pop("indication", None)):
        held = take_extensions(row, NICTIZ + "zib-MedicalDevice-Problem")
        values = [extension_value(one) for one in held]
        if values:
            work.resource["reasonReference"] = [*listed(work.resource.get("reasonReference")), *values]
        if row:
            work.resource["reasonCode"] = [*listed(work.resource.get("reasonCode")), row]
    _treated(work)
    for one in extensions(work.resource, LOCATION):
        if isinstance(one.get("valueReference"), dict):
            one["valueReference"] = with_location(one["valueReference"], work)
    for one in extensions(work.resource, PROFESSIONAL):
        if isinstance(one.get("valueReference"), dict):
            one["valueReference"] = with_role(one["valueReference"], work)


def _treated(work: Work) -> None:
    """The procedures that name the device: in R4 its use points at them, no longer only they at it."""
    named = work.resource.get("device")
    target = aim(str(named.get("reference", ""))) if isinstance(named, dict) else None
    rows = work.beside.treated.get(target, []) if target is not None else []
    if rows:
        work.resource["derivedFrom"] = [*listed(work.resource.get("derivedFrom")), *map(dict, rows)]


def device(work: Work) -> None:
    """A serial number has an element of its own; the UDI is a carrier."""
    resource, kept = work.resource, []
    for row in listed(resource.get("identifier")):
        if holds(row.get("type"), "http://terminology.hl7.org/CodeSystem/v2-0203", "SNO") and row.get("value"):
            resource["serialNumber"] = row["value"]
            work.lose("partial", "LL-12", "Device.identifier(serialNumber)", row["value"])
        else:
            kept.append(row)
    resource.pop("identifier", None)
    if kept:
        resource["identifier"] = kept
    udi = resource.pop("udi", None)
    if isinstance(udi, dict):
        names = {"jurisdiction": "jurisdiction", "deviceIdentifier": "deviceIdentifier", "issuer": "issuer",
                 "carrierHRF": "carrierHRF", "carrierAIDC": "carrierAIDC", "entryType": "entryType"}  # fmt: skip
        resource["udiCarrier"] = [{key: udi[key] for key in names if key in udi}]
        if "name" in udi:
            resource["deviceName"] = [{"name": udi["name"], "type": "udi-label-name"}]
    if "model" in resource:
        resource["modelNumber"] = resource.pop("model")
    if isinstance(resource.get("version"), str):
        resource["version"] = [{"value": resource["version"]}]


CHANGES: Mapping[str, Callable[[Work], None]] = {"device-use": device_use, "device": device}
