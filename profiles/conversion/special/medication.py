"""Medication: reasons, stop types, whether it is taken, agreements."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from profiles.conversion.paths import Node, add_extension, codings, extension_value, extensions, listed, take_extensions
from profiles.conversion.work import NICTIZ, Work

SNOMED: Final = "http://snomed.info/sct"
STOP: Final = NICTIZ + "ext-StopType"
STOP_LIST: Final = "urn:oid:2.16.840.1.113883.2.4.3.11.60.20.77.5.2.1"
STOPS: Final = {"1": "385655000", "2": "410546004", "113381000146106": "385655000", "113371000146109": "410546004"}
REASON_LIST: Final = "urn:oid:2.16.840.1.113883.2.4.3.11.60.20.77.5.2.2"
REASONS: Final = {
    "5": "58848006", "6": "112251000146103", "7": "62014003", "8": "112191000146101", "9": "183966005",
    "10": "112751000146109", "12": "159711000146106", "14": "112261000146100", "15": "405613005",
}  # fmt: skip
OF_USE: Final = {**REASONS, "13": "112221000146107"}
NO_LONGER: Final = ("266709005", "473010000")
PERIOD: Final = NICTIZ + "ext-TimeInterval.Period"
LENGTH: Final = NICTIZ + "ext-TimeInterval.Duration"
ADDITIONAL: Final = NICTIZ + "zib-Medication-AdditionalInformation"
TAKEN: Final = {"n": "not-taken", "na": "not-taken", "unk": "unknown"}


def taken(work: Work) -> None:
    """Whether it is taken is part of the state in R4."""
    value = work.resource.pop("taken", None)
    stopped = _stop_type(work)
    if value in TAKEN and not stopped:
        work.resource["status"] = TAKEN[value]
    if value == "na":
        work.lose("partial", "LL-13", "MedicationStatement.taken", value)


def _stop_type(work: Work) -> bool:
    rows = extensions(work.resource, STOP, modifier=True)
    for row in rows:
        for one in codings(extension_value(row)):
            if one.get("code") in STOPS and one.get("system") in (STOP_LIST, SNOMED):
                one["code"], one["system"] = STOPS[one["code"]], SNOMED
    return bool(rows)


def recoded(work: Work, concept: Any, table: Mapping[str, str], path: str) -> Any:
    """A reason with the codes that 2020 has for it; of a code without one only the text stays."""
    kept = []
    for row in codings(concept):
        if row.get("system") == REASON_LIST and row.get("code") in table:
            kept.append({**row, "system": SNOMED, "code": table[row["code"]]})
        elif row.get("system") == REASON_LIST or row.get("code") in NO_LONGER:
            work.lose("partial", "LL-14", path, row)
            concept.setdefault("text", row.get("display") or str(row.get("code")))
        else:
            kept.append(row)
    if isinstance(concept, dict):
        concept.pop("coding", None)
        if kept:
            concept["coding"] = kept
    return concept


def reason_of_use(work: Work) -> None:
    """The reason of a change or stop of use."""
    for concept in listed(work.resource.get("statusReason")):
        recoded(work, concept, OF_USE, "MedicationStatement.extension(reasonForChangeOrDiscontinuationOfUse)")


def agreement(work: Work) -> None:
    """A medication agreement: stop type, reason, additional information."""
    _stop_type(work)
    rows = [
        recoded(work, one, REASONS, "MedicationRequest.reasonCode") for one in listed(work.resource.get("reasonCode"))
    ]
    if len(rows) > 1:
        work.lose("partial", "LL-14", "MedicationRequest.reasonCode", rows[1:])
    if rows:
        work.resource["reasonCode"] = rows[:1]
    for row in take_extensions(work.resource, ADDITIONAL):
        concept = extension_value(row)
        for one in codings(concept):
            if str(one.get("system")).endswith("5.2.3.2050"):
                one["system"] = "urn:oid:2.16.840.1.113883.2.4.3.11.60.20.77.5.2.14.2050"
        url = NICTIZ + "ext-MedicationAgreement.MedicationAgreementAdditionalInformation"
        add_extension(work.resource, url, "CodeableConcept", concept)
    _within_period(work.resource)
    _rendered(work.resource)


def administration_agreement(work: Work) -> None:
    """An administration agreement: stop type, reason as text, additional information as text."""
    _stop_type(work)
    for row in take_extensions(work.resource, NICTIZ + "zib-AdministrationAgreement-AgreementReason"):
        value = extension_value(row)
        if isinstance(value, dict) and codings(value):
            url = NICTIZ + "ext-AdministrationAgreement.ReasonModificationOrDiscontinuation"
            add_extension(work.resource, url, "CodeableConcept", value)
            continue
        # The extension asks for a code of a list; a text without one stands in the note.
        text = value.get("text") if isinstance(value, dict) else value
        work.resource["note"] = [*listed(work.resource.get("note")), {"text": f"Reden: {text}"}]
        work.lose("partial", "LL-14", "MedicationDispense.extension(agreementReason)", text)
    for row in take_extensions(work.resource, ADDITIONAL):
        concept = extension_value(row)
        first = next(iter(codings(concept)), Node())
        text = (concept.get("text") if isinstance(concept, dict) else None) or first.get("display") or first.get("code")
        work.lose("partial", "LL-14", "MedicationDispense.extension(additionalInformation)", first)
        if text:
            url = NICTIZ + "ext-AdministrationAgreement.AdditionalInformation"
            add_extension(work.resource, url, "String", text)
    _within_period(work.resource)
    _rendered(work.resource)


def _within_period(resource: Node) -> None:
    """A length of use belongs to the period of use in R4, where the extension may stand; it stood beside it."""
    lengths = take_extensions(resource, LENGTH)
    if not lengths:
        return
    if not extensions(resource, PERIOD):
        add_extension(resource, PERIOD, "Period", Node())
    period = extension_value(extensions(resource, PERIOD)[0])
    if isinstance(period, dict):
        period["extension"] = [*listed(period.get("extension")), *lengths]


def _rendered(resource: Node) -> None:
    rows = listed(resource.get("dosageInstruction")) + listed(resource.get("dosage"))
    texts = [row.get("text") for row in rows if isinstance(row, dict)]
    if texts and all(texts) and len(texts) == 1:
        add_extension(resource, NICTIZ + "ext-RenderedDosageInstruction", "String", texts[0])


CHANGES: Mapping[str, Callable[[Work], None]] = {
    "taken": taken,
    "reason-of-use": reason_of_use,
    "agreement": agreement,
    "administration-agreement": administration_agreement,
}
