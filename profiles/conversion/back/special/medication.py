"""Medication: reasons, stop types, agreements."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from profiles.conversion.back.around import BackWork
from profiles.conversion.paths import Node, add_extension, codings, extension_value, extensions, listed, take_extensions
from profiles.conversion.special.medication import (
    ADDITIONAL,
    LENGTH,
    OF_USE,
    PERIOD,
    REASON_LIST,
    REASONS,
    SNOMED,
    STOP,
    STOP_LIST,
)  # fmt: skip
from profiles.conversion.work import NICTIZ

STOPS: Final = {"385655000": "1", "113381000146106": "1", "410546004": "2", "113371000146109": "2"}
ADDED: Final = "urn:oid:2.16.840.1.113883.2.4.3.11.60.20.77.5.2"


def _stop_type(work: BackWork) -> None:
    for row in extensions(work.resource, STOP, modifier=True):
        _listed(extension_value(row), STOPS, STOP_LIST)


def _listed(concept: Any, table: Mapping[str, str], system: str) -> None:
    """The codes of SNOMED CT as the list of 2017 has them."""
    for row in codings(concept):
        if row.get("system") == SNOMED and row.get("code") in table:
            row["code"], row["system"] = table[row["code"]], system
            row.pop("display", None)


def reason_of_use(work: BackWork) -> None:
    """The reason of a change or stop of use, and the kind of stop."""
    _stop_type(work)
    for row in extensions(work.resource, NICTIZ + "zib-MedicationUse-ReasonForChangeOrDiscontinuationOfUse"):
        _listed(extension_value(row), {here: there for there, here in OF_USE.items()}, REASON_LIST)
    for concept in listed(work.resource.get("statusReason")):
        _listed(concept, {here: there for there, here in OF_USE.items()}, REASON_LIST)


def agreement(work: BackWork) -> None:
    """A medication agreement: stop type, reason, additional information."""
    _stop_type(work)
    for concept in listed(work.resource.get("reasonCode")):
        _listed(concept, {here: there for there, here in REASONS.items()}, REASON_LIST)
    for row in take_extensions(
        work.resource, NICTIZ + "ext-MedicationAgreement.MedicationAgreementAdditionalInformation"
    ):
        concept = extension_value(row)
        for one in codings(concept):
            if one.get("system") == ADDED + ".14.2050":
                one["system"] = ADDED + ".3.2050"
        add_extension(work.resource, ADDITIONAL, "CodeableConcept", concept)
    _beside_period(work.resource)
    _not_rendered(work.resource)


def administration_agreement(work: BackWork) -> None:
    """An administration agreement: stop type, reason, additional information as text."""
    _stop_type(work)
    for row in take_extensions(
        work.resource, NICTIZ + "ext-AdministrationAgreement.ReasonModificationOrDiscontinuation"
    ):
        url = NICTIZ + "zib-AdministrationAgreement-AgreementReason"
        concept = extension_value(row)
        first = next(iter(codings(concept)), Node())
        text = (concept.get("text") if isinstance(concept, dict) else None) or first.get("display") or first.get("code")
        work.lose("partial", "LL-14", "MedicationDispense.extension(agreementReason)", first)
        if text:
            add_extension(work.resource, url, "String", text)
    for row in take_extensions(work.resource, NICTIZ + "ext-AdministrationAgreement.AdditionalInformation"):
        add_extension(work.resource, ADDITIONAL, "CodeableConcept", {"text": extension_value(row)})
    _beside_period(work.resource)
    _not_rendered(work.resource)


def _beside_period(resource: Node) -> None:
    """A length of use stands beside the period of use; a period that held nothing else was made for it."""
    rows = extensions(resource, PERIOD)
    period = extension_value(rows[0]) if rows else None
    lengths = take_extensions(period, LENGTH) if isinstance(period, dict) else []
    if period == {}:
        take_extensions(resource, PERIOD)
    if lengths:
        resource["extension"] = [*listed(resource.get("extension")), *lengths]


def _not_rendered(resource: Node) -> None:
    """The words of the only dosage stand in it already."""
    url = NICTIZ + "ext-RenderedDosageInstruction"
    rows = [row.get("text") for row in listed(resource.get("dosageInstruction"))]
    if rows == [extension_value(row) for row in extensions(resource, url)]:
        take_extensions(resource, url)


CHANGES: Mapping[str, Callable[[BackWork], None]] = {
    "reason-of-use": reason_of_use,
    "agreement": agreement,
    "administration-agreement": administration_agreement,
}
