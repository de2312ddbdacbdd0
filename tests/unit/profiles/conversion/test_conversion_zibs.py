"""Single zibs from 2017 to 2020: what a person would look for in the result, and what is told as lost."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from profiles.conversion import Converted, convert
from profiles.conversion.losses import as_outcome, sentence
from profiles.fhir.tree import Resource

DAY = dt.date(2026, 1, 15)
NICTIZ = "http://nictiz.nl/fhir/StructureDefinition/"
SNOMED = "http://snomed.info/sct"
CODE = NICTIZ + "code-specification"


def coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def extension(url: str, kind: str, value: Any) -> Resource:
    return {"url": url, f"value{kind}": value}


def only(resource: Resource) -> tuple[Resource, Converted]:
    result = convert([resource], DAY)
    return result.resources[0], result


def ids(result: Converted) -> list[str]:
    return [loss.id or loss.kind for loss in result.losses]


def patient(**elements: Any) -> Resource:
    meta = {"profile": ["http://fhir.nl/fhir/StructureDefinition/nl-core-patient"]}
    return {"resourceType": "Patient", "id": "p", "meta": meta, **elements}


def zib(kind: str, name: str, **elements: Any) -> Resource:
    return {"resourceType": kind, "id": "x", "meta": {"profile": [NICTIZ + name]}, **elements}


def test_a_call_name_is_a_name_of_its_own() -> None:
    """ZC-C02"""
    qualifier = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-qualifier"
    name = {
        "family": "Jansen",
        "given": ["Jan", "J."],
        "_given": [{"extension": [extension(qualifier, "Code", code)]} for code in ("CL", "IN")],
    }
    made, _ = only(patient(name=[name]))
    assert [one["use"] for one in made["name"]] == ["official", "usual"]
    assert made["name"][0]["given"] == ["J."]
    assert made["name"][1] == {"use": "usual", "given": ["Jan"]}


def test_a_general_practitioner_gets_a_role() -> None:
    """ZC-C03"""
    made, result = only(patient(generalPractitioner=[{"reference": "Practitioner/h", "display": "Huisarts"}]))
    assert made["generalPractitioner"] == [{"reference": "PractitionerRole/h.role", "display": "Huisarts"}]
    assert result.resources[1]["practitioner"]["reference"] == "Practitioner/h"


def test_an_official_home_address_keeps_its_kind() -> None:
    """ZC-C04"""
    kind = extension(
        NICTIZ + "zib-AddressInformation-AddressType",
        "CodeableConcept",
        coded("http://hl7.org/fhir/v3/AddressUse", "HP"),
    )
    official = extension("http://fhir.nl/fhir/StructureDefinition/nl-core-address-official", "Boolean", True)
    made, result = only(patient(address=[{"extension": [kind, official], "use": "home", "city": "Utrecht"}]))
    (address,) = made["address"]
    assert (address["use"], address["type"]) == ("home", "both")
    assert [row["url"] for row in address["extension"]] == [NICTIZ + "ext-AddressInformation.AddressType"]
    assert result.losses == []


def test_a_mobile_number_is_a_phone_with_its_kind() -> None:
    """ZC-C05"""
    kind = extension(
        NICTIZ + "zib-ContactInformation-TelecomType",
        "CodeableConcept",
        coded("http://hl7.org/fhir/v3/AddressUse", "MC"),
    )
    made, _ = only(patient(telecom=[{"extension": [kind], "system": "phone", "use": "mobile", "value": "06"}]))
    (phone,) = made["telecom"]
    assert phone["system"] == "phone"
    assert "use" not in phone
    (row,) = phone["_system"]["extension"]
    assert row["url"] == NICTIZ + "ext-CodeSpecification"
    assert row["valueCodeableConcept"] == coded("http://terminology.hl7.org/CodeSystem/v3-AddressUse", "MC")


def test_a_contact_role_gets_its_zero() -> None:
    """ZC-C06"""
    oid = "urn:oid:2.16.840.1.113883.2.4.3.11.22.472"
    made, _ = only(patient(contact=[{"relationship": [coded(oid, "2")]}]))
    assert made["contact"][0]["relationship"] == [coded(oid, "02")]


def test_an_unknown_verification_is_unconfirmed() -> None:
    """ZC-C07"""
    made, _ = only(zib("Condition", "zib-Problem", verificationStatus="unknown"))
    assert [row["code"] for row in made["verificationStatus"]["coding"]] == ["unconfirmed", "UNK"]


def test_the_first_body_site_stays_with_its_side() -> None:
    """ZC-C08"""
    side = extension(NICTIZ + "BodySite-Qualifier", "CodeableConcept", coded(SNOMED, "7771000"))
    sites = [{**coded(SNOMED, "1"), "extension": [side]}, coded(SNOMED, "2")]
    made, result = only(zib("Condition", "zib-Problem", bodySite=sites))
    (site,) = made["bodySite"]
    assert site["coding"][0]["code"] == "1"
    assert site["extension"][0]["url"] == NICTIZ + "ext-AnatomicalLocation.Laterality"
    assert ids(result) == ["LL-06"]


def test_a_nullified_allergy_has_no_clinical_status() -> None:
    """ZC-C10"""
    row = extension(CODE, "CodeableConcept", coded("http://hl7.org/fhir/v3/ActStatus", "nullified"))
    made, _ = only(
        zib(
            "AllergyIntolerance",
            "zib-AllergyIntolerance",
            clinicalStatus="active",
            _clinicalStatus={"extension": [row]},
        )
    )
    assert "clinicalStatus" not in made
    assert made["verificationStatus"]["coding"][0]["code"] == "entered-in-error"


def test_of_two_allergy_categories_the_first_stays() -> None:
    """ZC-C11"""
    made, result = only(zib("AllergyIntolerance", "zib-AllergyIntolerance", category=["food", "medication"]))
    assert made["category"] == ["food"]
    assert ids(result) == ["LL-07"]


def directive(decision: str, **elements: Any) -> Resource:
    permitted = extension(
        NICTIZ + "zib-TreatmentDirective-TreatmentPermitted",
        "CodeableConcept",
        coded("urn:oid:2.16.840.1.113883.2.4.3.11.60.40.4", decision),
    )
    return zib("Consent", "zib-TreatmentDirective", status="active", modifierExtension=[permitted], **elements)


def restricted(text: str) -> list[Resource]:
    return [{"type": "deny", "extension": [extension(NICTIZ + "zib-TreatmentDirective-Restrictions", "String", text)]}]


def test_a_permitted_treatment() -> None:
    """ZC-C12"""
    made, _ = only(directive("JA"))
    assert made["provision"]["type"] == "permit"
    assert made["scope"]["coding"][0]["code"] == "treatment"
    assert made["category"] == [coded(SNOMED, "129125009")]


@pytest.mark.parametrize(
    ("source", "text", "told"),
    [(restricted("overleg"), "overleg", []), ([], "beperking niet vastgelegd in de bron", ["assumed"])],
)
def test_yes_but_keeps_its_words(source: list[Resource], text: str, told: list[str]) -> None:
    """ZC-C13, ZC-C14"""
    made, result = only(directive("JA_MAAR", **({"except": source} if source else {})))
    assert "type" not in made.get("provision", {})
    assert made["modifierExtension"] == [
        extension(NICTIZ + "ext-TreatmentDirective2.SpecificationOther", "String", text)
    ]
    assert ids(result) == told


def test_a_verified_directive_names_who_agreed() -> None:
    """ZC-C15"""
    row = {
        "url": NICTIZ + "zib-TreatmentDirective-Verification",
        "extension": [
            extension("Verified", "Boolean", True),
            extension("VerifiedWith", "CodeableConcept", coded(SNOMED, "116154003")),
            extension("VerificationDate", "DateTime", "2018-04-09"),
        ],
    }
    made, result = only(directive("NEE", extension=[row], patient={"reference": "Patient/p"}))
    assert made["dateTime"] == "2018-04-09"
    assert made["provision"]["actor"][0]["reference"] == {"reference": "Patient/p"}
    assert ids(result) == ["LL-01"]


def test_a_directive_that_ended_is_inactive() -> None:
    """ZC-C16"""
    made, _ = only(directive("JA", period={"start": "2020", "end": "2025-01-01"}))
    assert made["status"] == "inactive"
    assert made["provision"]["period"]["end"] == "2025-01-01"


def test_the_type_of_home_is_an_observation_of_its_own() -> None:
    """ZC-C18"""
    source = zib("Observation", "zib-LivingSituation", status="final", valueCodeableConcept={"text": "flat"})
    made, result = only(source)
    assert made["hasMember"] == [{"reference": "Observation/x.house"}]
    assert result.resources[1]["valueCodeableConcept"] == {"text": "flat"}


def test_pack_years_are_rounded_and_told() -> None:
    """ZC-C19"""
    component = {"code": coded(SNOMED, "401201003"), "valueQuantity": {"value": Decimal("12.5")}}
    made, result = only(zib("Observation", "zib-TobaccoUse", component=[component]))
    assert made["component"][0]["valueInteger"] == 13
    assert [(loss.id, loss.value) for loss in result.losses] == [("LL-09", "12.5")]


def test_a_body_position_is_an_extension() -> None:
    """ZC-C20"""
    component = {"code": coded("http://loinc.org", "8361-8"), "valueCodeableConcept": coded(SNOMED, "33586001")}
    made, result = only(zib("Observation", "zib-BloodPressure", component=[component]))
    assert "component" not in made
    assert made["extension"][0]["valueCodeableConcept"] == coded(SNOMED, "33586001")
    assert result.losses == []


def test_standing_height_is_height_with_a_position() -> None:
    """ZC-C21"""
    made, _ = only(zib("Observation", "zib-BodyHeight", code=coded("http://loinc.org", "8308-9")))
    assert made["code"] == coded("http://loinc.org", "8302-2")
    assert made["component"][0]["valueCodeableConcept"] == coded(SNOMED, "10904000")


def test_a_panel_of_components_is_a_panel_of_results() -> None:
    """ZC-C22"""
    rows = [{"code": {"text": name}, "valueQuantity": {"value": Decimal("1.50")}} for name in ("a", "b")]
    made, result = only(zib("Observation", "zib-LaboratoryTestResult-Observation", status="final", component=rows))
    assert [one["reference"] for one in made["hasMember"]] == ["Observation/x.c1", "Observation/x.c2"]
    assert [one["code"]["text"] for one in result.resources[1:]] == ["a", "b"]
    assert str(result.resources[1]["valueQuantity"]["value"]) == "1.50", "digits stay"


def test_a_pending_result_is_registered() -> None:
    """ZC-C23"""
    row = extension(CODE, "CodeableConcept", coded("urn:oid:2.16.840.1.113883.2.4.3.11.60.40.4.16.1", "pending"))
    made, _ = only(
        zib("Observation", "zib-LaboratoryTestResult-Observation", status="preliminary", _status={"extension": [row]})
    )
    assert made["status"] == "registered"
    assert "_status" not in made


def test_a_flag_of_v2_gets_no_invented_snomed_code() -> None:
    """ZC-C24"""
    flag = coded("http://hl7.org/fhir/v2/0078", "H")
    made, _ = only(zib("Observation", "zib-LaboratoryTestResult-Observation", interpretation=flag))
    assert made["interpretation"] == [coded("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "H")]


def test_medication_that_is_not_taken() -> None:
    """ZC-C25"""
    made, _ = only(zib("MedicationStatement", "zib-MedicationUse", status="active", taken="n"))
    assert made["status"] == "not-taken"
    assert "taken" not in made


def test_an_agreement_on_behalf_of_another() -> None:
    """ZC-C26"""
    requester = {"agent": {"reference": "Practitioner/a"}, "onBehalfOf": {"reference": "Organization/o"}}
    made, result = only(zib("MedicationRequest", "zib-MedicationAgreement", status="active", requester=requester))
    assert made["requester"] == {"reference": "Practitioner/a"}
    assert "LL-15" in ids(result)


REASON = "urn:oid:2.16.840.1.113883.2.4.3.11.60.20.77.5.2.2"


def test_codes_of_an_agreement() -> None:
    """ZC-C27"""
    stop = extension(
        NICTIZ + "zib-Medication-StopType",
        "CodeableConcept",
        coded("urn:oid:2.16.840.1.113883.2.4.3.11.60.20.77.5.2.1", "2"),
    )
    made, _ = only(
        zib(
            "MedicationRequest",
            "zib-MedicationAgreement",
            category=coded(SNOMED, "16076005"),
            modifierExtension=[stop],
            reasonCode=[coded(REASON, "7")],
        )
    )
    assert made["category"] == [coded(SNOMED, "33633005")]
    assert made["modifierExtension"] == [
        extension(NICTIZ + "ext-StopType", "CodeableConcept", coded(SNOMED, "410546004"))
    ]
    assert made["reasonCode"] == [coded(SNOMED, "62014003")]


def test_a_reason_without_a_code_of_2020_is_text() -> None:
    """ZC-C27a"""
    reason = {"coding": [{"system": SNOMED, "code": "266709005", "display": "Gestart"}]}
    made, result = only(zib("MedicationRequest", "zib-MedicationAgreement", status="active", reasonCode=[reason]))
    assert made["reasonCode"] == [{"text": "Gestart"}]
    assert "LL-14" in ids(result)


def test_dose_and_rate_stand_together() -> None:
    """ZC-C27b"""
    dosage = {"doseQuantity": {"value": 2}, "rateRatio": {"numerator": {"value": 3}, "denominator": {"value": 1}}}
    made, _ = only(zib("MedicationRequest", "zib-MedicationAgreement", status="active", dosageInstruction=[dosage]))
    assert made["dosageInstruction"] == [{"doseAndRate": [dosage]}]


def test_a_gtin() -> None:
    """ZC-C28"""
    made, _ = only(zib("Medication", "zib-Product", code=coded("urn:oid:1.3.160", "871")))
    assert made["code"] == coded("https://www.gs1.org/gtin", "871")


def test_a_serial_number_and_a_udi() -> None:
    """ZC-C29"""
    serial = {"type": coded("http://hl7.org/fhir/identifier-type", "SNO"), "value": "7"}
    made, result = only(
        zib("Device", "zib-MedicalDeviceProduct", identifier=[serial], udi={"deviceIdentifier": "d", "name": "n"})
    )
    assert made["serialNumber"] == "7"
    assert made["udiCarrier"] == [{"deviceIdentifier": "d"}]
    assert ids(result) == ["LL-12"]


def test_a_vaccination_that_was_not_given() -> None:
    """ZC-C30"""
    made, _ = only(zib("Immunization", "zib-Vaccination", status="completed", notGiven=True, date="2020"))
    assert (made["status"], made["occurrenceDateTime"]) == ("not-done", "2020")


def test_three_recommendations_are_three_resources() -> None:
    """ZC-C31"""
    rows = [{"date": str(year), "vaccineCode": {"text": "v"}} for year in (2026, 2027, 2028)]
    source = zib("ImmunizationRecommendation", "zib-VaccinationRecommendation", recommendation=rows)
    result = convert([source], DAY)
    assert [one["id"] for one in result.resources] == ["x", "x.2", "x.3"]
    criteria = [one["recommendation"][0]["dateCriterion"][0]["value"] for one in result.resources]
    assert criteria == ["2026", "2027", "2028"]


def test_a_procedure_request_is_a_service_request_also_where_others_point_at_it() -> None:
    """ZC-C32"""
    request = zib("ProcedureRequest", "zib-ProcedureRequest", status="suspended", intent="plan")
    procedure = zib("Procedure", "zib-Procedure", basedOn=[{"reference": "ProcedureRequest/x"}])
    result = convert([request, procedure], DAY)
    assert (result.resources[0]["resourceType"], result.resources[0]["status"]) == ("ServiceRequest", "on-hold")
    assert result.resources[1]["basedOn"] == [{"reference": "ServiceRequest/x"}]


def test_a_device_request_has_no_profile_in_2020() -> None:
    """ZC-C33"""
    made, result = only(zib("DeviceRequest", "zib-MedicalDeviceRequest", status="active", intent=coded("i", "order")))
    assert "meta" not in made
    assert made["intent"] == "order"
    assert result.losses == []


def test_the_provider_of_a_contact_is_a_location_too() -> None:
    """ZC-C34"""
    provider = {"reference": "Organization/o"}
    made, result = only(zib("Encounter", "zib-Encounter", serviceProvider=provider))
    assert made["serviceProvider"] == provider
    assert made["location"] == [{"location": {"reference": "Location/o.loc"}}]
    assert result.resources[1]["managingOrganization"] == provider


def test_each_payor_has_a_coverage() -> None:
    """ZC-C35"""
    payors = [{"reference": "Organization/o"}, {"reference": "Patient/p"}]
    result = convert([zib("Coverage", "zib-Payer", payor=payors)], DAY)
    assert [one["meta"]["profile"][0].rpartition("-")[2] for one in result.resources] == [
        "Payer.InsuranceCompany",
        "Payer.PayerPerson",
    ]
    assert result.resources[1]["type"]["coding"][0]["code"] == "pay"


def test_an_alert_with_only_a_condition() -> None:
    """ZC-C36"""
    made, _ = only(zib("Flag", "zib-Alert", status="active"))
    assert made["code"]["coding"][0]["code"] == "not-applicable"


def test_an_unknown_extension_goes_along_and_is_told() -> None:
    """ZC-C38"""
    row = extension("http://example.org/fhir/own", "String", "x")
    made, result = only(zib("Condition", "zib-Problem", extension=[row]))
    assert made["extension"] == [row]
    assert [(loss.kind, loss.value) for loss in result.losses] == [("unmapped", "http://example.org/fhir/own")]


def test_what_is_lost_is_said_in_two_languages_in_the_narrative_and_as_an_outcome() -> None:
    source = directive("JA", extension=[{"url": NICTIZ + "zib-TreatmentDirective-Verification",
                                         "extension": [extension("Verified", "Boolean", True)]}])  # fmt: skip
    made, result = only(source)
    assert "geverifieerd" in sentence(result.losses[0])
    assert "verified" in sentence(result.losses[0], "en")
    assert "Niet omgezet" in made["text"]["div"]
    (issue,) = as_outcome(result.losses, "en")["issue"]
    assert (issue["severity"], issue["diagnostics"]) == ("warning", "lost LL-01")
    assert as_outcome([])["issue"][0]["severity"] == "information"


def test_a_problem_that_goes_on_keeps_its_end_as_a_note() -> None:
    made, result = only(zib("Condition", "zib-Problem", clinicalStatus="active", abatementDateTime="2002"))
    assert "abatementDateTime" not in made
    assert "2002" in made["note"][0]["text"]
    assert ids(result) == ["unmapped"]


def test_a_role_takes_the_place_of_a_practitioner_and_whether_it_is_the_same_person_is_told() -> None:
    """ZC-09"""
    role = extension(NICTIZ + "practitionerrole-reference", "Reference", {"reference": "PractitionerRole/r"})
    performer = {"reference": "Practitioner/h", "display": "Henk", "extension": [role]}
    source = zib("Observation", "zib-BodyWeight", status="final", performer=[performer])
    made, result = only(source)
    assert made["performer"] == [{"reference": "PractitionerRole/r"}]
    assert [(loss.kind, loss.value) for loss in result.losses] == [("assumed", "Practitioner/h Henk")]
    seen = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/h"}}
    assert convert([source, seen], DAY).losses == []


def test_a_role_beside_the_agent_of_a_request_is_not_lost() -> None:
    role = extension(NICTIZ + "practitionerrole-reference", "Reference", {"reference": "PractitionerRole/r"})
    requester = {"extension": [role], "agent": {"reference": "Practitioner/a"}}
    made, _ = only(zib("MedicationRequest", "zib-MedicationAgreement", status="active", requester=requester))
    assert made["requester"] == {"reference": "PractitionerRole/r"}
