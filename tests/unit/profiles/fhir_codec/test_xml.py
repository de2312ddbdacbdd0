"""XML from outside is read strictly and safely; what is written is exactly what the data say."""

from decimal import Decimal
from typing import Any

import pytest

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.version import FhirVersion

STU3, R4 = FhirVersion.STU3, FhirVersion.R4
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'


def patient(inner: str) -> bytes:
    return f'<Patient xmlns="http://hl7.org/fhir">{inner}</Patient>'.encode()


def test_everything_that_json_writes_differently() -> None:
    document = patient(
        '<id value="p1"/>'
        f'<text id="t"><status value="generated"/>{DIV}<p>a &amp; b</p></div></text>'
        '<contained><Organization><id value="o"/></Organization></contained>'
        '<extension url="urn:a"><valueDecimal value="1.50"/></extension>'
        '<active value="true"/>'
        '<name id="n"><given id="g" value="Ann"/>'
        '<given><extension url="urn:b"><valueCode value="x"/></extension></given><given value="Eva"/></name>'
        '<birthDate><extension url="urn:c"><valueString value="unknown"/></extension></birthDate>'
        '<multipleBirthInteger value="2"/>'
    )
    resource = xmlio.parse(document, STU3)
    assert resource == {
        "resourceType": "Patient",
        "id": "p1",
        "text": {"id": "t", "status": "generated", "div": f"{DIV}<p>a &amp; b</p></div>"},
        "contained": [{"resourceType": "Organization", "id": "o"}],
        "extension": [{"url": "urn:a", "valueDecimal": Decimal("1.50")}],
        "active": True,
        "name": [
            {
                "id": "n",
                "given": ["Ann", None, "Eva"],
                "_given": [{"id": "g"}, {"extension": [{"url": "urn:b", "valueCode": "x"}]}, None],
            }
        ],
        "_birthDate": {"extension": [{"url": "urn:c", "valueString": "unknown"}]},
        "multipleBirthInteger": 2,
    }
    assert xmlio.dump(resource, STU3) == b'<?xml version="1.0" encoding="UTF-8"?>' + document


def test_elements_are_written_in_the_order_of_the_specification() -> None:
    resource = {
        "birthDate": "1970-01-01",
        "_active": {"id": "a"},
        "resourceType": "Patient",
        "name": [{"given": ["A"], "family": "B"}],
        "active": False,
        "id": "1",
    }
    assert xmlio.fragment(resource, R4) == (
        b'<Patient><id value="1"/><active id="a" value="false"/><name><family value="B"/><given value="A"/></name>'
        b'<birthDate value="1970-01-01"/></Patient>'
    )


def test_resources_within_resources() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {
                "resource": {
                    "resourceType": "Parameters",
                    "parameter": [{"name": "x", "resource": {"resourceType": "Basic"}}],
                }
            }
        ],
    }
    assert xmlio.parse(xmlio.dump(bundle, R4), R4) == bundle


def test_comments_instructions_prefixes_and_schema_locations_are_left_out() -> None:
    document = b"""\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?><?pi x?><!-- c -->
      <f:Patient xmlns:f="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
        xsi:schemaLocation="http://hl7.org/fhir patient.xsd"><!-- c --><f:id value="1"/><?pi y?></f:Patient>"""
    assert xmlio.parse(document, STU3) == {"resourceType": "Patient", "id": "1"}


@pytest.mark.parametrize(
    ("source", "div"),
    [
        (f"{DIV}a<br/>b<!-- kept --></div>", f"{DIV}a<br/>b<!-- kept --></div>"),
        (f'{DIV}a<p title="1 &gt; 0 >"/>\r\n</div >', f'{DIV}a<p title="1 &gt; 0 >"/>\n</div >'),
        (f'{DIV}<p xml:lang="nl">a</p></div>', f'{DIV}<p xml:lang="nl">a</p></div>'),
        ('<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:p>a</h:p></h:div>', f"{DIV}<p>a</p></div>"),
        (f"{DIV}a<?pi x?>&lt;</div>", f"{DIV}a&lt;</div>"),
        ('<div xmlns="http://www.w3.org/1999/xhtml"/>', '<div xmlns="http://www.w3.org/1999/xhtml"/>'),
        ('<h:div xmlns:h="http://www.w3.org/1999/xhtml"/>', f"{DIV}</div>"),
    ],
)
def test_a_narrative_keeps_its_source_text_where_that_can_stand_alone(source: str, div: str) -> None:
    resource = xmlio.parse(patient(f'<text><status value="generated"/>{source}</text>'), STU3)
    assert resource["text"]["div"] == div
    assert xmlio.parse(xmlio.dump(resource, STU3), STU3) == resource


ENTITIES = '<!DOCTYPE Patient [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>'
REFUSED: list[tuple[str | bytes, str, str | None]] = [
    (ENTITIES + patient('<id value="&b;"/>').decode(), "document type declaration", None),
    ('<!DOCTYPE Patient SYSTEM "file:///etc/passwd">' + patient("").decode(), "document type declaration", None),
    (patient('<id value="&nbsp;"/>'), "undefined entity", "Patient"),
    ("<Patient/>", "in the namespace", None),
    ('<Patient xmlns="urn:x"/>', "in the namespace", None),
    ('<Nothing xmlns="http://hl7.org/fhir"/>', "expected a resource", None),
    ('<DomainResource xmlns="http://hl7.org/fhir"/>', "expected a resource", None),
    ('<HumanName xmlns="http://hl7.org/fhir"/>', "expected a resource", None),
    (patient("<name><first value='x'/></name>"), "unknown element first", "Patient.name[0]"),
    (patient("<name/><name><given value='x' use='y'/></name>"), "unknown attribute on given", "Patient.name[1]"),
    (patient("<name url='x'/>"), "unknown attribute on name", "Patient"),
    (patient("<resourceType value='x'/>"), "unknown element", "Patient"),
    (patient("<x xmlns='urn:x'/>"), "outside the namespace", "Patient"),
    (patient("<active value='true'/>x"), "text is not allowed", "Patient"),
    (patient("<active value='true'/><active value='true'/>"), "more than once", "Patient"),
    (patient("<active/>"), "without a value", "Patient.active"),
    (patient("<name><given/></name>"), "without a value", "Patient.name[0].given[0]"),
    (patient("<active value='true'><value/></active>"), "unknown element", "Patient.active"),
    (patient("<contained/>"), "without a value or content", "Patient.contained[0]"),
    (patient("<contained><Basic/><Basic/></contained>"), "more than one resource", "Patient.contained[0]"),
    (patient("<contained><name/></contained>"), "expected a resource", "Patient.contained[0]"),
    (patient("<contained id='x'><Basic/></contained>"), "unknown attribute", "Patient"),
    (patient("<text><div>x</div></text>"), "unknown element div", "Patient.text"),
    (patient(f"<text>{DIV}<x xmlns='urn:x'/></div></text>"), "not XHTML", "Patient.text.div"),
    (patient("<multipleBirthInteger value='" + "1" * 200 + "'/>"), "more than 128", "Patient"),
    (patient("<extension url='x'><valueDecimal value='1e9999'/></extension>"), "exponent", "Patient.extension[0]"),
    (patient("")[:-3], "not well-formed", "Patient"),
    (patient("") + b"<x/>", "not well-formed", None),
    (b"<?xml version='1.0' encoding='iso-8859-1'?>" + patient(""), "encoding must be UTF-8", None),
    (b"\xff\xfe" + patient("").decode().encode("utf-16-le"), "not UTF-8", None),
    ("<?xml version='1.0' encoding='utf-16'?>" + patient("").decode(), "UTF-8|not well-formed", None),
    (patient("\x00"), "not well-formed", "Patient"),
    (patient("<id value='&#0;'/>"), "not well-formed", "Patient"),
    (patient("<id value='&#xD800;'/>"), "not well-formed", "Patient"),
    (patient("<extension>" * 200 + "</extension>" * 200), "nested deeper", "Patient" + ".extension[0]" * 99),
    (patient(f"<text>{DIV}" + "<p>" * 200 + "</p>" * 200 + "</div></text>"), "nested deeper", "Patient.text.div"),
    (patient("<contained><Patient>" * 90 + "</Patient></contained>" * 90), "nested deeper", None),
]


@pytest.mark.parametrize(("document", "text", "path"), REFUSED)
def test_what_is_refused_is_named_with_its_place(document: str | bytes, text: str, path: str | None) -> None:
    with pytest.raises(FormatError, match=text) as refusal:
        xmlio.parse(document if isinstance(document, bytes) else document.encode(), STU3)
    assert refusal.value.line == 1
    if path is not None:
        assert refusal.value.expression == path


def test_the_line_of_a_fault_is_that_of_the_document() -> None:
    with pytest.raises(FormatError) as refusal:
        xmlio.parse(patient("\n<id value='1'/>\n  <foo/>"), STU3)
    assert (refusal.value.line, refusal.value.column) == (3, 3)


def test_a_document_over_the_limit_is_refused() -> None:
    with pytest.raises(FormatError, match="larger than 100 bytes"):
        xmlio.parse(patient(" " * 100), STU3, max_size=100)


def test_versions_know_their_own_elements() -> None:
    document = b'<Encounter xmlns="http://hl7.org/fhir"><class><code value="AMB"/></class><reasonCode/></Encounter>'
    assert xmlio.parse(document, R4)["resourceType"] == "Encounter"
    with pytest.raises(FormatError, match="unknown element reasonCode"):
        xmlio.parse(document, STU3)


def test_a_value_that_is_no_number_or_boolean_stays_text_for_the_validator() -> None:
    resource = xmlio.parse(patient("<active value='${X}'/><multipleBirthInteger value='many'/>"), STU3)
    assert (resource["active"], resource["multipleBirthInteger"]) == ("${X}", "many")
    assert xmlio.parse(xmlio.dump(resource, STU3), STU3) == resource


NOT_WRITTEN: list[tuple[dict[str, Any], str]] = [
    ({"foo": 1}, "Patient.foo: unknown property"),
    ({"_name": {}}, "Patient._name: unknown property"),
    ({"name": [{"resourceType": "HumanName"}]}, "Patient.name[0].resourceType: unknown property"),
    ({"name": {"family": "x"}}, "Patient.name: must be an array"),
    ({"name": []}, "Patient.name: must be an array that is not empty"),
    ({"name": None}, "Patient.name: must not be null"),
    ({"name": ["x"]}, "Patient.name[0]: must be an object"),
    ({"name": [{"given": "x"}]}, "Patient.name[0].given: must be an array"),
    ({"name": [{"given": ["x", None]}]}, "Patient.name[0].given[1]: must not be null"),
    ({"name": [{"given": ["x", 1]}]}, "Patient.name[0].given[1]: must be a string"),
    ({"birthDate": ["1970"]}, "Patient.birthDate: must be a string"),
    ({"birthDate": None}, "Patient.birthDate: must not be null"),
    ({"_birthDate": {}}, "Patient.birthDate._birthDate: must not be an empty object"),
    ({"_birthDate": {"value": 1}}, "Patient.birthDate._birthDate.value: unknown property"),
    ({"_birthDate": []}, "Patient.birthDate._birthDate: must be an object"),
    ({"active": "true"}, "Patient.active: must not be a string"),
    ({"active": 1}, "Patient.active: must be a boolean"),
    ({"multipleBirthInteger": Decimal("1.5")}, "Patient.multipleBirthInteger: must be a integer"),
    ({"multipleBirthInteger": "1"}, "Patient.multipleBirthInteger: must not be a string"),
    ({"extension": [{"url": 1}]}, "Patient.extension[0].url: must be a string"),
    ({"extension": [{"url": "a", "valueDecimal": Decimal("NaN")}]}, "Patient.extension[0].valueDecimal: must be a"),
    ({"extension": [{"url": "a", "valueDecimal": 1.5}]}, "Patient.extension[0].valueDecimal: must be a decimal"),
    ({"id": "\x01"}, "Patient.id: a text holds a character"),
    ({"id": "\ud800"}, "Patient.id: a text holds a character"),
    ({"contained": [{"id": "1"}]}, "Patient.contained[0]: resourceType is not"),
    ({"contained": ["x"]}, "Patient.contained[0]: a resource is an object"),
    ({"text": {"div": "<p/>"}}, "Patient.text.div: the narrative is not a div"),
    ({"text": {"div": f"{DIV}</div><id value='x'/>"}}, "Patient.text.div: the narrative is not well-formed"),
    ({"text": {"div": f"{DIV}</div></text><id value='x'/><text><div>"}}, "Patient.text.div: the narrative is not well"),
    ({"text": {"div": '<div xmlns="urn:x"/>'}}, "Patient.text.div: the narrative holds an element that is not XHTML"),
    ({"text": {"div": "<divine>x</divine>"}}, "Patient.text.div: the narrative is not a div"),
    ({"text": {"div": 1}}, "Patient.text.div: must be a string"),
]


@pytest.mark.parametrize(("members", "text"), NOT_WRITTEN)
def test_what_cannot_be_written_without_loss_is_refused(members: dict[str, Any], text: str) -> None:
    with pytest.raises(FormatError) as refusal:
        xmlio.dump({"resourceType": "Patient", **members}, STU3)
    assert str(refusal.value).startswith(text)


@pytest.mark.parametrize("resource", [None, [], {}, {"resourceType": "Nothing"}, {"resourceType": ["Patient"]}])
def test_what_is_no_resource_is_not_written(resource: Any) -> None:
    with pytest.raises(FormatError):
        xmlio.dump(resource, STU3)


def test_deep_data_is_not_written() -> None:
    node: dict[str, Any] = {"url": "x"}
    for _ in range(5000):
        node = {"url": "x", "extension": [node]}
    with pytest.raises(FormatError, match="nested deeper"):
        xmlio.dump({"resourceType": "Patient", "extension": [node]}, STU3)


def nested(shape: str, depth: int) -> dict[str, Any]:
    basic: dict[str, Any] = {"resourceType": "Basic"}
    if shape == "narrative":
        return {**basic, "text": {"div": DIV + "<p>" * depth + "</p>" * depth + "</div>"}}
    if shape == "contained":
        for _ in range(depth):
            basic = {"resourceType": "Basic", "contained": [basic]}
        return basic
    if shape == "primitive":
        extras: dict[str, Any] = {"id": "a"}
        for _ in range(depth):
            extras = {"extension": [{"url": "x", "_valueCode": extras}]}
        return {**basic, "_language": extras}
    extension: dict[str, Any] = {"url": "x"}
    for _ in range(depth):
        extension = {"url": "x", "extension": [extension]}
    return {**basic, "extension": [extension]}


@pytest.mark.parametrize("shape", ["extension", "contained", "narrative", "primitive"])
def test_what_can_be_written_can_be_read_however_deep(shape: str) -> None:
    written = 0
    for depth in range(30, 110):
        resource = nested(shape, depth)
        try:
            document = xmlio.dump(resource, R4)
        except FormatError:
            continue
        written += 1
        assert xmlio.parse(document, R4) == resource
        assert jsonio.parse(jsonio.dump(resource)) == resource
    assert 15 < written < 80


def test_attribute_values_are_escaped() -> None:
    text = '<a href="x">\'&\n\r\té\U0001f600</a>'
    written = xmlio.fragment({"resourceType": "Basic", "language": text}, R4)
    assert b"&lt;a href=&quot;x&quot;&gt;'&amp;&#10;&#13;&#9;" in written
    assert xmlio.parse(xmlio.dump({"resourceType": "Basic", "language": text}, R4), R4)["language"] == text


def test_a_narrative_without_namespace_or_with_html_entities_is_made_to_stand_in_xml() -> None:
    resource = {"resourceType": "Basic", "text": {"div": "<div>a&nbsp;&eacute;&lt;</div>"}}
    assert f"{DIV}a&#160;&#233;&lt;</div>".encode() in xmlio.fragment(resource, R4)


def test_scripts_of_the_qualification_may_borrow_from_r5() -> None:
    document = (
        b'<TestScript xmlns="http://hl7.org/fhir"><profile id="p" value="http://x"/><test><action><assert>'
        b'<stopTestOnFail value="true"/></assert></action></test></TestScript>'
    )
    script = xmlio.parse_script(document)
    assert (script["profile"], script["_profile"]) == (["http://x"], [{"id": "p"}])
    assert xmlio.dump_script(script).endswith(document)
    with pytest.raises(FormatError):
        xmlio.parse(document, R4)
