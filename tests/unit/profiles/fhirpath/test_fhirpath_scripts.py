"""FHIRPath as the official scripts use it: their rules about every answer, and who is to blame when one fails."""

from decimal import Decimal

import pytest

from profiles import fhirpath
from profiles.fhir.version import FhirVersion
from profiles.fhirpath import ElementNode, FhirPathError

BSN = "http://fhir.nl/fhir/NamingSystem/bsn"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

EVERY_CODING = "Bundle.descendants().where($this.is(Coding)).all(system.exists() and code.exists())"
EVERY_CONCEPT = (
    "Bundle.descendants().where($this.is(CodeableConcept)) "
    ".all(coding.display.exists() or text.exists() or extension.exists())"
)
EVERY_REFERENCE = "Bundle.descendants().where($this.is(Reference)).all(display.exists())"
NO_VALUE_SET_OID = (
    "Bundle.descendants().where($this.is(coding))"
    ".where(system.startsWith('urn:oid:2.16.840.1.113883.2.4.3.11.60.40.2')).exists().not()"
)
NO_BSN = (
    f"Bundle.descendants().select(identifier.where(system = '{BSN}')"
    ".where(value.empty().not() and value.extension.exists().not())).count() = 0"
)
NO_BSN_IN_LINK = f"Bundle.link.url.contains('{BSN}') = false"
TOTAL = (
    "Bundle.total.exists() implies (Bundle.total.toInteger() <= "
    "Bundle.entry.where(search.empty() or search.mode = 'match').count())"
)
FULL_URL = (
    "Bundle.entry.fullUrl.all( startsWith('http://') or startsWith('https://') "
    "or matches('^urn:oid:[0-2](\\\\.(0|[1-9]\\\\d*))*$') or matches('^urn:uuid:[A-Fa-f\\\\d]{8}-[A-Fa-f\\\\d]{4}"
    "-[A-Fa-f\\\\d]{4}-[A-Fa-f\\\\d]{4}-[A-Fa-f\\\\d]{12}$') )"
)
CLAIMS_PROFILE = (
    "Bundle.entry.resource.where(is(OperationOutcome).not()).where(is(Binary).not())"
    ".where(meta.profile.empty()).empty()"
)
SELF_LINK = "Bundle.link.where(relation = 'self' and url.exists()).exists()"
ALL_RULES = [
    EVERY_CODING,
    EVERY_CONCEPT,
    EVERY_REFERENCE,
    NO_VALUE_SET_OID,
    NO_BSN,
    NO_BSN_IN_LINK,
    TOTAL,
    FULL_URL,
    CLAIMS_PROFILE,
    SELF_LINK,
]


def bundle():
    """A searchset with one Observation, its member and its patient, as a careful server sends it."""
    concept = {"coding": [{"system": "http://loinc.org", "code": "2947-0", "display": "Sodium"}]}
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 1,
        "link": [{"relation": "self", "url": "https://host/x/fhir/Observation?code=1"}],
        "entry": [
            {
                "fullUrl": "https://host/x/fhir/Observation/o1",
                "resource": {
                    "resourceType": "Observation",
                    "id": "o1",
                    "meta": {"profile": ["http://example.org/p"]},
                    "status": "final",
                    "code": concept,
                    "subject": {"reference": "Patient/p1", "display": "P."},
                    "valueQuantity": {"value": Decimal("1.50"), "unit": "mmol/L", "code": "mmol/L"},
                    "related": [{"type": "has-member", "target": {"reference": "Observation/o2", "display": "member"}}],
                    "effectiveDateTime": "2026-03-01T10:00:00+01:00",
                },
                "search": {"mode": "match"},
            },
            {
                "fullUrl": "https://host/x/fhir/Observation/o2",
                "resource": {
                    "resourceType": "Observation",
                    "id": "o2",
                    "meta": {"profile": ["http://example.org/p"]},
                    "code": concept,
                },
                "search": {"mode": "include"},
            },
            {
                "fullUrl": "https://host/x/fhir/Patient/p1",
                "resource": {
                    "resourceType": "Patient",
                    "id": "p1",
                    "meta": {"profile": ["http://example.org/q"]},
                    "identifier": [{"system": BSN, "_value": {"extension": [{"url": ABSENT, "valueCode": "masked"}]}}],
                    "birthDate": "1970-02-01",
                    "_birthDate": {"extension": [{"url": "http://example.org/accuracy", "valueCode": "DDU"}]},
                },
                "search": {"mode": "include"},
            },
        ],
    }


def holds(expression, resource, version=FhirVersion.STU3, **more):
    return fhirpath.compile(expression).truth(resource, version, **more)


def values(expression, resource, version=FhirVersion.STU3, **more):
    return fhirpath.compile(expression).evaluate(resource, version, **more)


@pytest.mark.parametrize(
    "expression",
    ALL_RULES,
)
@pytest.mark.parametrize("version", FhirVersion)
def test_the_response_rules_of_the_scripts_hold_for_a_careful_answer(expression, version):
    assert holds(expression, bundle(), version)


def _without_display(b):
    del b["entry"][0]["resource"]["subject"]["display"]


def _without_code(b):
    del b["entry"][0]["resource"]["code"]["coding"][0]["code"]


def _bare_concept(b):
    b["entry"][1]["resource"]["code"] = {"coding": [{"system": "http://loinc.org", "code": "1"}]}


def _value_set_as_system(b):
    system = "urn:oid:2.16.840.1.113883.2.4.3.11.60.40.2.12"
    b["entry"][0]["resource"]["code"]["coding"][0]["system"] = system


def _plain_bsn(b):
    b["entry"][2]["resource"]["identifier"] = [{"system": BSN, "value": "999990019"}]


def _bsn_in_link(b):
    b["link"][0]["url"] += f"&identifier={BSN}|1"


def _second_link(b):
    b["link"].append({"relation": "next", "url": "https://host/2"})


def _total_counts_includes(b):
    b["total"] = 3


def _relative_full_url(b):
    b["entry"][0]["fullUrl"] = "Observation/o1"


def _no_profile(b):
    del b["entry"][2]["resource"]["meta"]


@pytest.mark.parametrize(
    ("expression", "spoil"),
    [
        (EVERY_REFERENCE, _without_display),
        (EVERY_CODING, _without_code),
        (EVERY_CONCEPT, _bare_concept),
        (NO_VALUE_SET_OID, _value_set_as_system),
        (NO_BSN, _plain_bsn),
        (NO_BSN_IN_LINK, _bsn_in_link),
        (TOTAL, _total_counts_includes),
        (FULL_URL, _relative_full_url),
        (CLAIMS_PROFILE, _no_profile),
    ],
)
def test_each_rule_fails_on_the_fault_that_it_looks_for(expression, spoil):
    answer = bundle()
    spoil(answer)
    assert not holds(expression, answer)


def test_a_second_link_is_an_error_not_a_pass():
    answer = bundle()
    _second_link(answer)
    with pytest.raises(FhirPathError, match="single item"):
        holds(NO_BSN_IN_LINK, answer)


def test_an_element_with_only_extensions_exists_but_has_no_value():
    patient = bundle()["entry"][2]["resource"]
    assert values("Patient.identifier.value.exists()", patient) == [True]
    assert values("Patient.identifier.value.hasValue()", patient) == [False]
    assert values("Patient.identifier.value.extension.value", patient) == ["masked"]
    assert values("Patient.birthDate.count()", patient) == [1], "the primitive and its extensions are one element"
    assert values("Patient.birthDate.extension('http://example.org/accuracy').value", patient) == ["DDU"]


def test_a_list_of_primitives_keeps_values_and_extensions_together():
    name = {"given": ["Jan", None], "_given": [{"extension": [{"url": "q", "valueCode": "BR"}]}, {"id": "x"}]}
    patient = {"resourceType": "Patient", "name": [name]}
    assert values("Patient.name.given.where(extension('q').value = 'BR')", patient) == ["Jan"]
    assert values("Patient.name.given.count()", patient) == [2]


def test_decimals_keep_their_digits():
    observation = bundle()["entry"][0]["resource"]
    (value,) = values("Observation.value.value", observation)
    assert value == Decimal("1.50")
    assert str(value) == "1.50"
    assert holds("Observation.value.value.toString() = '1.50'", observation)
    assert holds("Observation.value.value > 1.2 and (Observation.value as Quantity).value < 2", observation)


def test_types_are_known_below_a_bundle():
    answer = bundle()
    assert values("Bundle.entry.where(resource.is(Observation)).count() = 2", answer) == [True]
    assert values("entry.where(resource as Patient).resource.id", answer) == ["p1"]
    assert values("Bundle.entry.resource.where($this is DomainResource).count()", answer) == [3]
    assert values("Bundle.entry.resource.ofType(Patient).birthDate is date", answer) == [True]
    assert values("Bundle.entry.resource[0].effective is dateTime", answer) == [True]
    assert values("Bundle.entry[0].resource.value.is(Quantity)", answer) == [True]
    assert values("Bundle.entry[0].resource.value.is(string)", answer) == [False]
    assert values("Bundle.entry[0].search is BackboneElement", answer) == [True]


def test_resolve_finds_what_is_in_the_bundle_contained_or_elsewhere():
    answer = bundle()
    asked = "Bundle.entry.resource.where($this is Observation).where(related.target.resolve().where(code.coding.code"
    assert values(f"{asked} = '2947-0')).id", answer) == ["o1"]
    contained = {
        "resourceType": "Observation",
        "contained": [{"resourceType": "Device", "id": "d"}],
        "device": {"reference": "#d"},
        "subject": {"reference": "Patient/9"},
    }
    assert values("Observation.device.resolve() is Device", contained) == [True]
    assert values("Observation.subject.resolve().empty()", contained) == [True]
    found = {"resourceType": "Patient", "id": "9"}
    assert values("Observation.subject.resolve().id", contained, find={"Patient/9": found}.get) == ["9"]
    held = {"resourceType": "Bundle", "entry": [{"resource": contained}]}
    assert values("Bundle.entry.resource.device.resolve().id", held) == ["d"]


def test_base_urls_are_cut_out_of_the_self_link():
    answer = bundle()
    answer["link"][0]["url"] = "https://host/x/fhir/DocumentReference?status=current"
    answer["entry"] = [
        {
            "resource": {
                "resourceType": "DocumentReference",
                "content": [{"attachment": {"url": "Binary/1"}}],
            }
        }
    ]
    url = "Bundle.entry.select(resource as DocumentReference)[0].content[0].attachment.url"
    base = "Bundle.link.where(relation='self').url.replaceMatches('DocumentReference[/?].*$','')"
    assert values(f"iif({url}.startsWith('Binary/'), {base} + {url}, {url})", answer) == [
        "https://host/x/fhir/Binary/1"
    ]
    assert values("link.url.replaceMatches('(.*/)Document.*', '$1')", answer) == ["https://host/x/fhir/"]


def test_constraints_of_profiles_run_on_an_element():
    observation = bundle()["entry"][0]["resource"]
    period = {"start": "2026-03-02", "end": "2026-03-01"}
    assert not holds("start.hasValue().not() or end.hasValue().not() or (start <= end)", period, type_name="Period")
    quantity = observation["valueQuantity"]
    assert not holds("code.empty() or system.exists()", quantity, type_name="Quantity")
    ours = {"resource": observation}
    assert holds("%resource.code.coding.code = '2947-0'", quantity, variables=ours, type_name="Quantity")
    assert holds("(country in 'nl' | 'nld').not() or matches('^x$')", {"country": "be"}, type_name="Address")
    assert holds("hasValue() or (children().count() > id.count())", "text", type_name="string")
    assert not holds("hasValue() or (children().count() > id.count())", {"id": "1"}, type_name="HumanName")
    empty = ElementNode(None, "string", {"extension": [{"url": "u", "valueCode": "unknown"}]})
    assert holds("hasValue() or (children().count() > id.count())", empty)
    assert holds("extension.exists() != value.exists()", {"url": "u", "valueDateTime": "2026"}, type_name="Extension")
    assert holds("code.intersect({'11','12'}).exists()", {"code": "12"})


def test_a_rule_about_every_element_says_which_element_breaks_it():
    answer = bundle()
    _without_display(answer)
    _plain_bsn(answer)
    where, data = fhirpath.compile(EVERY_REFERENCE).blame(answer)[0]
    assert where == "Bundle.entry[0].resource.subject"
    assert data == {"reference": "Patient/p1"}
    assert fhirpath.compile(NO_BSN).blame(answer)[0][0] == "Bundle.entry[2].resource.identifier[0]"
    empty = "Bundle.entry.resource.where(is(Observation).not()).where(birthDate.exists()).empty()"
    assert fhirpath.compile(empty).blame(answer)[0][0] == "Bundle.entry[2].resource"
    assert fhirpath.compile("Bundle.entry.where(search.mode = 'match').exists().not()").blame(answer)[0][0] == (
        "Bundle.entry[0]"
    )
    assert fhirpath.compile("Bundle.entry.count() = 7").blame(answer) == []
    assert fhirpath.compile("Bundle.type").blame(answer) == []
    assert fhirpath.compile("Bundle.entry.all(%nothing)").blame(answer) == []


@pytest.mark.parametrize("sign", ["=", "!="])
@pytest.mark.parametrize(
    ("code", "literal", "equals"),
    [
        ("118185001", "118185001", True),
        ("118185001", "118185002", False),
        ("0118", "118", False),
        ("29463-7", "29463", False),
        ("1.0", "1.0", True),
        ("1.0", "1", False),
    ],
)
def test_a_code_equals_the_number_of_the_same_digits(code, literal, equals, sign):
    """QUAL-01: a script that forgets the quotes around a code of digits means that code, also for the laboratory."""
    coded = {"resourceType": "Observation", "code": {"coding": [{"system": "urn:oid:1.2", "code": code}]}}
    for text in (f"Observation.code.coding.code {sign} {literal}", f"{literal} {sign} Observation.code.coding.code"):
        assert values(text, coded) == [equals is (sign == "=")]
