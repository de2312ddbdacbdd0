"""One record in STU3, given in R4 too: rows of bgz-2020 and pdfa-2020, and the summary, over HTTP.

On one database: the store is asked by what the tests of STU3 try on both.
"""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from databases import database
from servers import Running, serving

from gateway.store.engine import open_engine
from profiles.fhir.codec import jsonio
from profiles.record.walk import references
from profiles.standards.checks import example
from profiles.standards.load import catalogue
from workbench.statictokens import TOKENS, issue

HOUSE, BSN = "ziekenhuiszandoord", "999951750"
WITH_ALL, OLD_ONLY = "joke-token-0123456789", "joke-token-of-48-012345"
JSON = "application/fhir+json"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    behaviour = {"losses": True}
    with (
        database("sqlite", tmp_path_factory.mktemp("store")) as url,
        serving(url, resource_server=behaviour) as running,
    ):
        engine = open_engine(url)
        services = {WITH_ALL: ["48", "bgz-2020", "pdfa-2020", "ips-2"], OLD_ONLY: ["48"]}
        rows = [{"token": key, "provider": HOUSE, "services": ids, "bsn": BSN} for key, ids in services.items()]
        issue(engine, running.settings, TOKENS.validate_python(rows))
        engine.dispose()
        yield running


def client(server: Running, service: str, token: str = WITH_ALL) -> httpx.Client:
    headers = {"authorization": f"Bearer {token}", "accept": JSON}
    return httpx.Client(base_url=f"{server.base}/{HOUSE}/{service}/fhir/", headers=headers, timeout=60)


@pytest.fixture
def bgz(server: Running) -> Iterator[httpx.Client]:
    with client(server, "bgz-2020") as http:
        yield http


@pytest.fixture
def ips(server: Running) -> Iterator[httpx.Client]:
    with client(server, "ips-2") as http:
        yield http


def entries(answer: httpx.Response, mode: str = "match") -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [row["resource"] for row in answer.json()["entry"] if row["search"]["mode"] == mode]


def test_every_row_of_the_bgz_gives_its_data_in_r4(bgz: httpx.Client) -> None:
    """ZC-C01: nobody asked the institution for anything but STU3."""
    for rule in catalogue().standards["bgz-2020"].rules:
        found = entries(bgz.get(rule.path, params=[example(one) for one in rule.required]))
        assert found, rule.id
        claims = {one for resource in found for one in resource.get("meta", {}).get("profile", ())}
        assert claims <= set(rule.profiles), rule.id
        assert {resource["resourceType"] for resource in found} == {rule.type}


def test_the_same_facts_stand_in_both_releases(server: Running, bgz: httpx.Client) -> None:
    with client(server, "48") as old:
        before = {one["id"]: one["code"]["coding"][0]["code"] for one in entries(old.get("Condition"))}
    after = entries(bgz.get("Condition"))
    assert {one["id"]: one["code"]["coding"][0]["code"] for one in after} == before
    assert isinstance(after[0]["clinicalStatus"], dict), "R4 has a concept"


def test_a_search_narrows_what_was_converted(bgz: httpx.Client) -> None:
    first, *_ = entries(bgz.get("Condition"))
    assert [one["id"] for one in entries(bgz.get("Condition", params={"_id": first["id"]}))] == [first["id"]]
    assert bgz.get("Condition", params={"patient": "joke"}).status_code == 400
    assert bgz.get("ProcedureRequest", params={"status": "active"}).status_code == 404, "R4 has no such type"


def test_what_was_lost_is_told_where_the_settings_say_so(bgz: httpx.Client) -> None:
    """ZC-03"""
    answer = bgz.get("Consent", params={"category": "http://snomed.info/sct|129125009"})
    (outcome,) = entries(answer, "outcome")
    assert {"severity", "code", "details", "diagnostics", "expression"} == set(outcome["issue"][0])
    assert {issue["expression"][0].partition(".")[0] for issue in outcome["issue"]} == {"Consent"}


def test_what_is_made_beside_a_resource_can_be_read_and_is_always_the_same(bgz: httpx.Client) -> None:
    """ZC-05, ZC-C03: the role of a general practitioner; ZC-C18: the type of home."""
    patient, *_ = entries(bgz.get("Patient", params={"_include": "Patient:general-practitioner"}))
    (role,) = [one["reference"] for one in patient["generalPractitioner"]]
    assert bgz.get(role).json()["resourceType"] == "PractitionerRole"
    (living,) = entries(bgz.get("Observation/$lastn", params={"code": "http://snomed.info/sct|365508006"}))
    house = living["hasMember"][0]["reference"]
    assert bgz.get(house).json()["valueCodeableConcept"]
    assert bgz.get("Observation/joke.nothing").status_code == 404
    assert bgz.get("Practitioner/nobody").status_code == 404


def test_a_token_for_the_old_release_does_not_open_the_new_one(server: Running) -> None:
    for service in ("bgz-2020", "ips-2"):
        with client(server, service, OLD_ONLY) as http:
            assert http.get("Condition").status_code == 403


def test_xml_and_the_wrong_release(bgz: httpx.Client) -> None:
    answer = bgz.get("Condition", headers={"accept": "application/fhir+xml; fhirVersion=4.0"})
    assert answer.content.startswith(b"<?xml")
    assert bgz.get("Condition", headers={"accept": f"{JSON}; fhirVersion=3.0"}).status_code == 406


def test_a_document_keeps_its_content(server: Running) -> None:
    with client(server, "pdfa-2020") as http:
        document, *_ = entries(http.get("DocumentReference"))
        assert "indexed" not in document
        assert document["date"]
        url = document["content"][0]["attachment"]["url"]
        content = http.get(url, headers={"accept": "application/pdf"})
        assert content.content.startswith(b"%PDF")
        assert base64.b64decode(http.get(url).json()["data"]) == content.content
        part = http.get(url, headers={"accept": "application/pdf", "range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"%PDF")


def test_a_summary_is_a_document_in_which_every_reference_resolves(ips: httpx.Client) -> None:
    """IP-C01, IP-C16, IP-C19: over HTTP, and again the same bytes."""
    answer = ips.get("Patient/$summary")
    assert answer.status_code == 200
    document = jsonio.load(answer.content)
    urls = {row["fullUrl"] for row in document["entry"]}
    assert {row["reference"] for row in references(document)} <= urls
    sections = {row["title"]: row for row in document["entry"][0]["resource"]["section"]}
    assert len(sections["Medicatie"]["entry"]) > 3
    assert "entry" not in sections["Functionele status"], "IP-C15"
    assert BSN not in answer.text
    assert ips.get("Patient/$summary").content == answer.content
    assert ips.get("Patient/joke/$summary").content == answer.content
    assert ips.get("Patient/bram/$summary").status_code == 404


def test_the_european_form_and_another_language(ips: httpx.Client) -> None:
    """IP-C02, IP-C07"""
    asked = {"profile": "http://hl7.eu/fhir/eps/StructureDefinition/bundle-eu-eps", "_lang": "en"}
    composition = ips.get("Patient/$summary", params=asked).json()["entry"][0]["resource"]
    assert composition["title"] == "Patient summary"
    assert "11329-0" in {row["code"]["coding"][0]["code"] for row in composition["section"]}


@pytest.mark.parametrize(
    ("query", "issue"),
    [
        ({"identifier": f"http://fhir.nl/fhir/NamingSystem/bsn|{BSN}"}, "not-supported"),
        ({"profile": "http://example.org/other"}, "not-supported"),
        ({"_lang": "fr"}, "value"),
        ({"colour": "red"}, "not-supported"),
    ],
)
def test_a_summary_is_asked_of_nobody_else_and_in_no_other_form(
    ips: httpx.Client, query: dict[str, str], issue: str
) -> None:
    """IP-C20, IP-C21"""
    answer = ips.get("Patient/$summary", params=query)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, issue)
    assert BSN not in answer.text


def parameters(**values: str) -> bytes:
    rows = [{"name": name, "valueString": value} for name, value in values.items()]
    return jsonio.dump({"resourceType": "Parameters", "parameter": rows})


def test_a_summary_may_be_asked_with_parameters(ips: httpx.Client) -> None:
    """IP-30: POST asks what GET asks, without anything in the address."""
    asked = ips.get("Patient/$summary", params={"_lang": "en"})
    headers = {"content-type": "application/fhir+json"}
    posted = ips.post("Patient/$summary", content=parameters(_lang="en"), headers=headers)
    assert (posted.status_code, posted.content) == (200, asked.content)
    row = '<parameter><name value="_lang"/><valueCode value="en"/></parameter>'
    xml = f'<Parameters xmlns="http://hl7.org/fhir">{row}</Parameters>'
    other = ips.post("Patient/$summary", content=xml, headers={"content-type": "application/fhir+xml"})
    assert other.content == asked.content
    assert ips.post("Patient/joke/$summary").content == ips.get("Patient/$summary").content


@pytest.mark.parametrize(
    ("body", "status", "issue"),
    [
        (parameters(identifier=f"http://fhir.nl/fhir/NamingSystem/bsn|{BSN}"), 400, "not-supported"),
        (parameters(profile="http://example.org/other"), 400, "not-supported"),
        (b'{"resourceType": "Patient"}', 400, "invalid"),
        (b'{"resourceType": "Parameters", "parameter": {}}', 400, "value"),
        (b'{"resourceType": "Parameters", "parameter": [{"name": "_lang", "valueInteger": 1}]}', 400, "value"),
        (b'{"resourceType": "Parameters", "parameter": [null]}', 400, "value"),
        (b"{", 400, "structure"),
        (b" " * 9_000, 413, "too-long"),
    ],
)
def test_posted_parameters_name_nobody_and_are_read_with_care(
    ips: httpx.Client, body: bytes, status: int, issue: str
) -> None:
    """IP-30, IP-C21: whose summary it is says the token."""
    answer = ips.post("Patient/$summary", content=body, headers={"content-type": "application/fhir+json"})
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (status, issue)
    assert BSN not in answer.text


def test_another_kind_of_body_is_refused(ips: httpx.Client) -> None:
    """IP-30"""
    assert ips.post("Patient/$summary", content=b"a=b", headers={"content-type": "text/plain"}).status_code == 415


def test_a_summary_on_paper(ips: httpx.Client) -> None:
    """Who asks for a PDF gets one; who asks for what there is not, is told."""
    paper = ips.get("Patient/$summary", headers={"accept": "application/pdf"})
    assert (paper.status_code, paper.headers["content-type"]) == (200, "application/pdf")
    assert paper.content.startswith(b"%PDF-1.7")
    assert ips.get("Patient/$summary", headers={"accept": "image/png"}).status_code == 406


def test_the_statement_names_the_operation(ips: httpx.Client) -> None:
    """IP-32"""
    (row,) = ips.get("metadata").json()["rest"][0]["resource"]
    assert row["operation"][0]["definition"] == "http://hl7.org/fhir/uv/ips/OperationDefinition/summary"
