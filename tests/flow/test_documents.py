"""A PGO opens documents: whole, in part, as a FHIR resource; and nobody else's (issue 4, point 3)."""

import base64
import hashlib
import json
import random
from collections.abc import Iterator
from xml.etree import ElementTree

import httpx
import pytest
from databases import KINDS, database
from servers import Running, serving

from gateway.intake.bulk import bring
from gateway.intake.outcome import ImportOutcome
from gateway.intake.read import InputItem, parse
from gateway.intake.sender import Door
from gateway.store.documents import PIECE
from gateway.store.engine import open_engine
from gateway.wiring import open_gate
from gateway.wiring.intake import open_intake, open_releases
from profiles.fhir.version import FhirVersion
from workbench.statictokens import TOKENS, issue

PROVIDER = "ziekenhuiszandoord"
JSON = "application/fhir+json"
XML = "application/fhir+xml"
BIG = random.Random(4).randbytes(3 * PIECE + 12_345)
TOKENS_OF = {"anna": "anna-token-0123456789", "bas": "bas-token-0123456789"}


def bundle() -> bytes:
    def binary(url: str, id_: str | None, content: bytes) -> dict[str, object]:
        resource = {
            "resourceType": "Binary",
            "contentType": "application/pdf",
            "content": base64.b64encode(content).decode(),
        }
        return {"fullUrl": url, "resource": resource | ({"id": id_} if id_ else {})}

    def reference(id_: str, patient: str, url: str) -> dict[str, object]:
        return {
            "fullUrl": f"https://ehr.example/fhir/DocumentReference/{id_}",
            "resource": {
                "resourceType": "DocumentReference",
                "id": id_,
                "status": "current",
                "type": {"text": "Brief"},
                "subject": {"reference": f"Patient/{patient}", "display": patient},
                "indexed": "2026-01-01T00:00:00+01:00",
                "content": [{"attachment": {"contentType": "application/pdf", "url": url, "title": "Brief"}}],
            },
        }

    new = "urn:uuid:0e30b4b6-8c5b-4c6e-9b7e-5a0d7d5b0b10"
    patients = [{"resource": {"resourceType": "Patient", "id": name}} for name in TOKENS_OF]
    entries = [
        *patients,
        binary("https://ehr.example/fhir/Binary/big", "big", BIG),
        reference("relative", "anna", "Binary/big"),
        reference("absolute", "anna", "https://ehr.example/fhir/Binary/big"),
        binary(new, None, b"%PDF-new"),
        reference("new", "anna", new),
        binary("https://ehr.example/fhir/Binary/empty", "empty", b""),
        reference("without", "anna", "Binary/empty"),
        reference("elsewhere", "anna", "https://other.example/letter.pdf"),
        binary("https://ehr.example/fhir/Binary/letter-bas", "letter-bas", b"%PDF-bas"),
        reference("of-bas", "bas", "Binary/letter-bas"),
    ]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def load(server: Running, document: bytes) -> list[str]:
    """Import it; the rules of what was found."""
    refused, found = imported(server, document)
    assert not refused
    engine = open_engine(server.settings.database_url)
    rows = [
        {"token": token, "provider": PROVIDER, "services": ["51"], "patient": name} for name, token in TOKENS_OF.items()
    ]
    issue(engine, server.settings, TOKENS.validate_python(rows))
    engine.dispose()
    return found


def imported(server: Running, document: bytes) -> tuple[list[str], list[str]]:
    """Import it: why something was refused, and the rules of what was found about documents."""
    engine, refused, found = open_engine(server.settings.database_url), [], []
    outcome = ImportOutcome(lambda _, text: refused.append(text), lambda _, finding: found.append(finding.rule))
    gate = open_gate(server.settings)
    items = list(parse("test", document, "json", open_releases(gate), FhirVersion.STU3))
    intake = open_intake(engine, server.settings, gate)
    sender = intake.importer(PROVIDER, "epd", Door("operator", "test"))
    bring(intake, sender, [item for item in items if isinstance(item, InputItem)], outcome)
    engine.dispose()
    return refused, found


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with database(request.param, tmp_path_factory.mktemp("store")) as url, serving(url, world=False) as running:
        found = load(running, bundle())
        assert found.count("document-elsewhere") == 1
        yield running


@pytest.fixture
def pgo(server: Running) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {TOKENS_OF['anna']}", "accept": ""}
    with httpx.Client(base_url=f"{server.base}/{PROVIDER}/51/fhir/", headers=headers) as client:
        yield client


@pytest.mark.parametrize("accept", ["", "application/pdf", "*/*", "image/png", f"{JSON};q=0.5, application/pdf"])
def test_who_names_no_format_of_fhir_gets_the_document(pgo: httpx.Client, accept: str) -> None:
    answer = pgo.get("Binary/big", headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-length"] == str(len(BIG))
    assert answer.content == BIG


def test_who_names_fhir_gets_the_resource_in_both_formats(pgo: httpx.Client) -> None:
    as_json = pgo.get("Binary/big", headers={"accept": f"{JSON}; fhirVersion=3.0"})
    assert as_json.headers["content-type"].startswith(JSON)
    assert int(as_json.headers["content-length"]) == len(as_json.content)
    resource = as_json.json()
    assert set(resource) == {"resourceType", "id", "meta", "contentType", "content"}
    assert base64.b64decode(resource["content"]) == BIG
    as_xml = pgo.get("Binary/big", params={"_format": "xml"})
    assert as_xml.headers["content-type"].startswith(XML)
    root = ElementTree.fromstring(as_xml.content)
    assert [node.tag.partition("}")[2] for node in root] == ["id", "meta", "contentType", "content"]
    assert base64.b64decode(root[3].get("value", "")) == BIG
    assert int(as_xml.headers["content-length"]) == len(as_xml.content)


def test_who_has_the_document_already_gets_no_second_copy(pgo: httpx.Client) -> None:
    """RFC 9110 13.1: If-None-Match gives 304 without body, If-Match 412 for another version (field case f05)."""
    whole = pgo.get("Binary/big", headers={"accept": "application/pdf"})
    etag = whole.headers["etag"]
    for tags in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        for method in ("GET", "HEAD"):
            again = pgo.request(method, "Binary/big", headers={"accept": "application/pdf", "if-none-match": tags})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
            assert again.headers["cache-control"] == "no-store"
    assert pgo.get("Binary/big", headers={"if-none-match": '"other"'}).content == BIG
    assert pgo.get("Binary/big", headers={"if-match": f'"other", {etag}', "range": "bytes=0-9"}).status_code == 206
    lost = pgo.get("Binary/big", headers={"if-match": '"other"', "range": "bytes=0-9"})
    assert (lost.status_code, lost.json()["resourceType"]) == (412, "OperationOutcome")
    assert pgo.get("Binary/letter-bas", headers={"if-none-match": "*"}).status_code == 404, "nobody else's"


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=-5", len(BIG) - 5, len(BIG)),
        (f"bytes={PIECE - 2}-{PIECE + 2}", PIECE - 2, PIECE + 3),
        (f"bytes={PIECE}-", PIECE, len(BIG)),
        ("bytes=5-99999999", 5, len(BIG)),
    ],
)
def test_a_part_of_a_document(pgo: httpx.Client, asked: str, start: int, stop: int) -> None:
    answer = pgo.get("Binary/big", headers={"range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(BIG)}"
    assert answer.content == BIG[start:stop]


def test_a_download_goes_on_where_it_stopped_unless_the_document_changed(pgo: httpx.Client) -> None:
    head = pgo.head("Binary/big")
    assert (head.status_code, head.content) == (200, b"")
    assert (head.headers["content-length"], head.headers["accept-ranges"]) == (str(len(BIG)), "bytes")
    again = pgo.get("Binary/big", headers={"range": "bytes=100-", "if-range": head.headers["etag"]})
    assert again.content == BIG[100:]
    other = pgo.get("Binary/big", headers={"range": "bytes=100-", "if-range": '"another"'})
    assert (other.status_code, other.content) == (200, BIG)


def test_a_range_outside_the_document_is_416_with_its_size(pgo: httpx.Client) -> None:
    answer = pgo.get("Binary/big", headers={"range": f"bytes={len(BIG)}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(BIG)}"
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_every_attachment_that_we_serve_points_at_this_endpoint(pgo: httpx.Client) -> None:
    found = pgo.get("DocumentReference", params={"status": "current"}, headers={"accept": JSON}).json()
    urls = {one["resource"]["id"]: one["resource"]["content"][0]["attachment"]["url"] for one in found["entry"]}
    assert urls["relative"] == urls["absolute"] == "Binary/big"
    assert urls["elsewhere"] == "https://other.example/letter.pdf"
    assert pgo.get(urls["new"]).content == b"%PDF-new"
    assert pgo.get(urls["without"]).content == b""


@pytest.mark.parametrize("accept", ["", "application/pdf", JSON, XML])
def test_an_unknown_document_and_somebody_elses_are_the_same_to_the_client(pgo: httpx.Client, accept: str) -> None:
    answers = [pgo.get(f"Binary/{id_}", headers={"accept": accept}) for id_ in ("nothing", "letter-bas")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content


def test_without_a_token_there_is_no_document(pgo: httpx.Client) -> None:
    answer = httpx.get(pgo.base_url.join("Binary/big"), headers={"accept": "application/pdf"})
    assert answer.status_code == 401
    assert b"OperationOutcome" in answer.content


def test_a_document_that_changed_is_stored_anew(server: Running, pgo: httpx.Client) -> None:
    before = pgo.head("Binary/empty").headers["etag"]
    changed = json.loads(bundle())
    replaced = next(one["resource"] for one in changed["entry"] if one["resource"].get("id") == "empty")
    replaced["content"] = base64.b64encode(b"no longer empty").decode()
    load(server, json.dumps(changed).encode())
    assert pgo.get("Binary/empty").content == b"no longer empty"
    assert pgo.head("Binary/empty").headers["etag"] != before
    load(server, bundle())
    assert pgo.head("Binary/empty").headers["etag"] == before


def test_content_that_is_not_base64_is_refused_and_the_rest_is_stored(server: Running) -> None:
    broken = json.loads(bundle())
    next(one["resource"] for one in broken["entry"] if one["resource"].get("id") == "letter-bas")["content"] = "%%%"
    refused, _ = imported(server, json.dumps(broken).encode())
    assert refused == ["Binary/letter-bas: Binary.content: the content is not base64"]


def test_the_hash_of_what_arrives_is_the_hash_of_what_was_sent(pgo: httpx.Client) -> None:
    digest = hashlib.sha256()
    with pgo.stream("GET", "Binary/big") as answer:
        for piece in answer.iter_bytes():
            digest.update(piece)
    assert digest.digest() == hashlib.sha256(BIG).digest()
