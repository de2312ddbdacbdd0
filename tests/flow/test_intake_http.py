"""Hospital interfaces over HTTP as they are: preconditions, encodings, methods and media types (INT, RFC 9110)."""

import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from world.intake_house import BSN, BSN_SYSTEM, House, bundle, condition, house, patient, source

from gateway.intake.encoding import MEMBERS, decoded
from gateway.intake.settings import IntakeSettings
from gateway.problems import Problem
from gateway.store.schema import repair
from profiles.fhir.codec import xmlio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.version import FhirVersion

AT = "/intake/epd/Condition/c1"


@pytest.fixture(params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with house(request.param, tmp_path, epd=source()) as found:
        found.send("PUT", "/intake/epd/Patient/p1", patient())
        yield found


def status(hospital: House, headers: dict[str, str], **change: Any) -> int:
    return hospital.send("PUT", AT, condition(**change), headers=headers).status_code


def test_put_only_when_nothing_is_there(hospital: House) -> None:
    """RFC 9110 13.1.2: who says If-None-Match: * never overwrites what a colleague stored first (field case f03)."""
    assert status(hospital, {"if-none-match": "*"}) == 201
    assert status(hospital, {"if-none-match": "*"}, clinicalStatus="resolved") == 412
    assert hospital.stored()["Condition/c1"]["clinicalStatus"] == "active"
    assert status(hospital, {"if-none-match": '"other", W/"1"'}, clinicalStatus="resolved") == 412
    assert status(hospital, {"if-none-match": 'W/"7"'}, clinicalStatus="resolved") == 200
    assert hospital.send("DELETE", AT).status_code == 200
    assert status(hospital, {"if-none-match": "*"}) == 201, "what was deleted is not there"


def test_put_only_on_the_version_that_was_seen(hospital: House) -> None:
    assert status(hospital, {"if-match": "*"}) == 412, "nothing is there yet"
    assert status(hospital, {}) == 201
    assert status(hospital, {"if-match": "*"}, clinicalStatus="remission") == 200
    assert status(hospital, {"if-match": 'W/"8", W/"2"'}, clinicalStatus="resolved") == 200
    assert status(hospital, {"if-match": '"strange"'}) == 412
    assert status(hospital, {"if-match": "yes"}) == 400
    assert status(hospital, {"if-match": ", ".join(f'"{n}"' for n in range(1, 200))}) == 400
    assert hospital.stored()["Condition/c1"]["clinicalStatus"] == "resolved"
    gone = hospital.send("DELETE", AT, headers={"if-match": 'W/"1"'})
    assert (gone.status_code, "Condition/c1" in hospital.stored()) == (412, True)


def test_put_only_when_unmodified_since(hospital: House) -> None:
    created = hospital.send("PUT", AT, condition())
    seen = created.headers["last-modified"]
    earlier = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    assert status(hospital, {"if-unmodified-since": earlier}, clinicalStatus="resolved") == 412
    assert status(hospital, {"if-unmodified-since": "yesterday"}, clinicalStatus="remission") == 200
    assert status(hospital, {"if-unmodified-since": seen, "if-match": 'W/"2"'}, clinicalStatus="resolved") == 200


def test_a_create_takes_no_precondition_but_its_own(hospital: House) -> None:
    answer = hospital.send("POST", "/intake/epd/Condition", condition(), headers={"if-none-match": "*"})
    assert answer.status_code == 400
    assert "If-None-Exist" in answer.text


def test_preconditions_stand_in_bundles_too(hospital: House) -> None:
    hospital.send("PUT", AT, condition())
    sent = bundle("batch", ("PUT", "Condition/c1", condition(clinicalStatus="resolved")),
                  ("PUT", "Condition/c2", condition("c2")))  # fmt: skip
    for entry in sent["entry"]:
        entry["request"]["ifNoneMatch"] = "*"
    answer = hospital.send("POST", "/intake/epd", sent)
    assert [entry["response"]["status"][:3] for entry in answer.json()["entry"]] == ["412", "201"]


@pytest.mark.parametrize("mark", ["|", "%7C", "%7c"])
def test_a_conditional_reference_is_a_search_uri(hospital: House, mark: str) -> None:
    """Field case f07: '|' may not stand in a URI as it is (RFC 3986)."""
    system = BSN_SYSTEM if mark == "|" else BSN_SYSTEM.replace(":", "%3A")
    named = condition(subject={"reference": f"Patient?identifier={system}{mark}{BSN}"})
    answer = hospital.send("POST", "/intake/epd", bundle("transaction", ("POST", "Condition", named)))
    assert answer.status_code == 200, answer.text
    assert "Patient/p1" in json.dumps(hospital.stored())


@pytest.mark.parametrize("query", ["name=Testpersoon", f"identifier={BSN}", "identifier=a|b&active=true", ""])
def test_a_conditional_reference_that_is_no_identifier_is_refused(hospital: House, query: str) -> None:
    """Never stored as it stands: a reference to a search is a reference to nothing."""
    answer = hospital.send("PUT", AT, condition(subject={"reference": f"Patient?{query}"}))
    assert answer.status_code == 400
    assert "identifier" in answer.text
    assert BSN not in answer.text


def test_version_and_time_are_ours(hospital: House) -> None:
    """FHIR http, update: the server sets versionId and lastUpdated; what the source said of its own is kept sealed."""
    theirs = {"versionId": "77", "lastUpdated": "1999-01-01T00:00:00Z", "profile": condition()["meta"]["profile"]}
    first = hospital.send("PUT", AT, condition(meta=theirs))
    meta = hospital.stored()["Condition/c1"]["meta"]
    assert (meta["versionId"], meta["profile"]) == ("1", theirs["profile"])
    assert meta["lastUpdated"] > "2020"
    hospital.send("PUT", AT, condition(meta=theirs | {"versionId": "78", "lastUpdated": "2001-01-01T00:00:00Z"}))
    assert hospital.stored()["Condition/c1"]["meta"] == meta, "nothing changed but the version of the source"
    second = hospital.send("PUT", AT, condition(meta=theirs, clinicalStatus="resolved"))
    assert (first.headers["etag"], second.headers["etag"]) == ('W/"1"', 'W/"2"')
    assert hospital.stored()["Condition/c1"]["meta"]["versionId"] == "2"
    with hospital.engine.connect() as connection:
        rules = connection.execute(select(repair.c.expression).where(repair.c.rule == "meta-of-source")).scalars().all()
    assert set(rules) == {"Condition.meta.versionId", "Condition.meta.lastUpdated"}


def test_the_served_xml_states_the_same_version(hospital: House) -> None:
    hospital.send("PUT", AT, condition())
    with hospital.engine.connect() as connection:
        body = connection.exec_driver_sql("select xml from resource where id = 'c1'").scalar_one()
    read = xmlio.parse(xmlio.document(unpack(bytes(body))), FhirVersion.STU3)
    assert read["meta"] == hospital.stored()["Condition/c1"]["meta"]


PACKED = {"gzip": gzip.compress, "X-GZIP": gzip.compress, "identity": bytes, "gzip, identity": gzip.compress}


@pytest.mark.parametrize("coding", PACKED)
def test_a_packed_body_is_read(coding: str, tmp_path: Path) -> None:
    with house("sqlite", tmp_path) as hospital:
        body = PACKED[coding](json.dumps(patient()).encode())
        answer = hospital.send("PUT", "/intake/epd/Patient/p1", body, headers={"content-encoding": coding})
        assert answer.status_code == 201, answer.text


REFUSED = {
    "a bomb": ("gzip", gzip.compress(b"[" + b" " * 20_000_000), 413),
    "a bomb in members": ("gzip", gzip.compress(b" " * 15_000) * 3, 413),
    "many members": ("gzip", gzip.compress(b"") * (MEMBERS + 1), 400),
    "cut off": ("gzip", gzip.compress(b"{}")[:-4], 400),
    "not packed": ("gzip", b'{"resourceType":"Patient"}', 400),
    "something behind it": ("gzip", gzip.compress(b"{}") + b"{}", 400),
    "packed twice": ("gzip, gzip", gzip.compress(gzip.compress(b"{}")), 415),
    "deflate": ("deflate", zlib.compress(b"{}"), 415),
    "brotli": ("br", b"\x8b\x00", 415),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_that_cannot_be_unpacked_is_refused(name: str, tmp_path: Path) -> None:
    coding, body, expected = REFUSED[name]
    section = IntakeSettings(sources={"epd": source()}, body_bytes=30_000)
    with house("sqlite", tmp_path, section) as hospital:
        answer = hospital.send("PUT", "/intake/epd/Patient/p1", body, headers={"content-encoding": coding})
        assert answer.status_code == expected, answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert (answer.headers.get("accept-encoding") == "gzip") == (expected == 415)
        assert hospital.stored() == {}


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_unpacking_gives_what_was_packed_or_a_clear_no(content: bytes, tail: bytes) -> None:
    assert decoded(gzip.compress(content), "gzip", 200) == content
    with pytest.raises(Problem) as told:
        decoded(b"x" + content + tail, "gzip", 200)
    assert told.value.status == 400


METHODS = [
    ("/intake/epd", "POST, OPTIONS"),
    ("/intake/epd/Condition", "POST, PUT, DELETE, OPTIONS"),
    (AT, "PUT, DELETE, OPTIONS"),
    ("/intake/token", "POST, OPTIONS"),
]


@pytest.mark.parametrize(("path", "allowed"), METHODS)
def test_methods_are_answered_properly(path: str, allowed: str, tmp_path: Path) -> None:
    """RFC 9110 15.5.6: a method that is not known gets 405 with Allow, and OPTIONS says the same."""
    with house("sqlite", tmp_path) as hospital:
        asked = hospital.send("OPTIONS", path)
        assert (asked.status_code, asked.headers["allow"], asked.content) == (204, allowed, b"")
        for method in ("GET", "HEAD", "PATCH", "TRACE"):
            answer = hospital.send(method, path, headers={"accept": "application/fhir+xml"})
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
            if method != "HEAD":
                assert xmlio.parse(answer.content, FhirVersion.STU3)["resourceType"] == "OperationOutcome"
        assert hospital.send("PUT", f"{path}/a/b/c", patient()).status_code == 404


SPELLINGS = [
    "Application/FHIR+JSON",
    'application/fhir+json; Charset="UTF-8"; FHIRVersion=3.0',
    "application/json+fhir;charset=utf8",
    "text/JSON ; x=1",
]


@pytest.mark.parametrize("media", SPELLINGS)
def test_media_types_have_no_case(media: str, tmp_path: Path) -> None:
    with house("sqlite", tmp_path) as hospital:
        answer = hospital.send("PUT", "/intake/epd/Patient/p1", patient(), headers={"content-type": media})
        assert answer.status_code == 201, answer.text


def test_the_media_type_of_a_document_has_no_case_and_no_parameters(tmp_path: Path) -> None:
    """Field case f08: 'Application/PDF; x=1' and 'application/pdf' are one type (RFC 9110, 8.3.1)."""
    reference = {
        "resourceType": "DocumentReference", "id": "d1", "status": "current", "indexed": "2026-02-01T10:00:00+01:00",
        "type": {"text": "Brief"}, "subject": {"reference": "Patient/p1"}, "author": [{"display": "x"}],
        "content": [{"attachment": {"contentType": "application/pdf", "url": "Binary/b1", "title": "t"}}],
    }  # fmt: skip
    binary = {"resourceType": "Binary", "id": "b1", "contentType": "Application/PDF ; x=1", "content": "JVBERi0xLjQK"}
    sent = bundle("transaction", ("PUT", "Patient/p1", patient()), ("PUT", "DocumentReference/d1", reference),
                  ("PUT", "Binary/b1", binary))  # fmt: skip
    with house("sqlite", tmp_path) as hospital:
        answer = hospital.send("POST", "/intake/epd", sent)
        assert answer.status_code == 200, answer.text
        assert "document-type" not in answer.text
        assert "document-unreadable" in answer.text or "rule document" in answer.text, "looked at as the PDF it is"
        sent["entry"][2]["resource"] |= {"contentType": "image/png"}
        assert "document-type" in hospital.send("POST", "/intake/epd", sent).text
