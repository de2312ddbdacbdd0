"""Which element of a resource is which column of the sample EHR: persons, staff, organisations and who pays."""

from collections.abc import Mapping, Sequence

from conformance.ehr_of_fixtures.paths import (
    Column,
    at,
    bsn,
    given,
    key,
    listed,
    loose,
    named,
    own,
    owner,
    shown,
)
from conformance.ehr_of_fixtures.rule import Rule

FAMILY = "_family.extension"
BANK = "payor.extension(zib-Payer-BankInformation).extension"
ORDER = "extension(humanname-assembly-order).valueCode"


def _name(path: str, first: str) -> Mapping[str, Column]:
    """The parts of a HumanName; ``first`` is what the column for the full given names is called."""
    return {
        first: given(path, "BR"),
        "initials": given(path, "IN"),
        "call_name": given(path, "CL"),
        "prefix": at(f"{path}.{FAMILY}(humanname-own-prefix).valueString"),
        "surname": at(f"{path}.{FAMILY}(humanname-own-name).valueString"),
    }


def _address(key_: Column, path: str, inside: str = "") -> Rule:
    """A row for an address, with the key of the one who lives there. ``inside``: where it is in the element."""
    line = f"{inside}_line.extension"
    suffix = f"{line}(iso21090-ADXP-buildingNumberSuffix).valueString"
    columns = {
        "street": at(f"{line}(iso21090-ADXP-streetName).valueString"),
        "house_number": at(f"{line}(iso21090-ADXP-houseNumber).valueString"),
        # A house number has a letter and an addition; where there is one suffix, it is the addition.
        "house_letter": at(suffix, -2),
        "house_addition": at(suffix, -1),
        "unit": at(f"{line}(iso21090-ADXP-unitID).valueString"),
        "locator": at(f"{line}(iso21090-ADXP-additionalLocator).valueString"),
        "postcode": at(f"{inside}postalCode"),
        "city": at(f"{inside}city"),
        "municipality": at(f"{inside}district"),
        "country": at(f"{inside}country"),
    }
    return Rule("address", "address_id", key_, columns, at=path)


PERSONS: Mapping[str, Sequence[Rule]] = {
    "nl-core-patient": (
        _address(own, "address"),
        Rule(
            "patient",
            "patient_id",
            owner,
            {
                "bsn": bsn,
                "display_name": shown,
                **_name("name", "first_names"),
                "partner_prefix": at(f"name.{FAMILY}(humanname-partner-prefix).valueString"),
                "partner_surname": at(f"name.{FAMILY}(humanname-partner-name).valueString"),
                "name_order": listed("name_order", f"name.{ORDER}"),
                "sex": listed("sex", "gender"),
                "birth_date": at("birthDate"),
                "multiple_birth": at("multipleBirthBoolean"),
                "deceased": at("deceasedBoolean"),
                "deceased_on": at("deceasedDateTime"),
                "marital_state": listed("marital", "maritalStatus.coding"),
                "mobile": at("telecom(phone).value"),
                "email": at("telecom(email).value"),
                "address_id": own,
                "gp_id": key("generalPractitioner", "Practitioner"),
            },
        ),
        _address(named("name"), "contact", "address."),
        Rule(
            "contact_person",
            "contact_id",
            named("name"),
            {
                "patient_id": owner,
                **_name("name", "first_name"),
                "relation": listed("relation", "relationship.coding(RoleCode)"),
                "role": listed("contact_role", "relationship.coding(urn:oid:2.16.840.1.113883.2.4.3.11.22.472)"),
                "phone": at("telecom(phone).value"),
                "email": at("telecom(email).value"),
                "address_id": named("name"),
            },
            at="contact",
        ),
    ),
    "nl-core-practitioner": (
        Rule(
            "employee",
            "employee_id",
            own,
            {
                "agb": at("identifier(agb-z).value"),
                "big": at("identifier(big).value"),
                **_name("name", "first_name"),
                "phone": at("telecom(phone).value"),
                "email": at("telecom(email).value"),
            },
        ),
    ),
    "nl-core-practitionerrole": (
        Rule(
            "employee",
            "employee_id",
            key("practitioner"),
            {
                "organisation_id": key("organization"),
                "specialty": at("specialty.coding.code"),
                "specialty_name": at("specialty.coding.display"),
                "phone": at("telecom(phone).value"),
                "email": at("telecom(email).value"),
            },
        ),
    ),
    "nl-core-organization": (
        _address(own, "address"),
        Rule(
            "organisation",
            "organisation_id",
            own,
            {
                "agb": at("identifier(agb-z).value"),
                "uzovi": at("identifier(uzovi).value"),
                "name": at("name"),
                "kind": listed("organisation_kind", "type.coding(organization-type)"),
                "phone": at("telecom(phone).value"),
                "address_id": own,
            },
        ),
    ),
    "nl-core-location": (
        _address(own, "address"),
        Rule(
            "location",
            "location_id",
            own,
            {
                "organisation_id": key("managingOrganization"),
                "agb": at("identifier(agb-z).value"),
                "name": shown,
                "phone": at("telecom(phone).value"),
                "address_id": own,
            },
        ),
    ),
    "zib-Payer": (
        Rule(
            "insurance",
            "policy_id",
            own,
            {
                "patient_id": owner,
                "insurer_id": key("payor", "Organization"),
                "kind": listed("insurance_kind", "type.coding"),
                "member_number": at("subscriberId"),
                "start_date": at("period.start"),
                "end_date": at("period.end"),
                "payer_name": loose("payor"),
                "bank_name": at(f"{BANK}(BankName).valueString"),
                "bank_account": at(f"{BANK}(AccountNumber).valueString"),
                "bank_code": at(f"{BANK}(Bankcode).valueString"),
            },
        ),
    ),
}
