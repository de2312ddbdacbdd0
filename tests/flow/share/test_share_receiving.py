"""Receiving: what a PGO sends is taken in whole or not at all, once, and comes back as it is kept (sharing.md)."""

import json
import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from databases import KINDS
from world.share_house import (
    ANNA,
    BRAM,
    BSN_SYSTEM,
    CARLA,
    CORRECT,
    DOCUMENT,
    FORM,
    JSON,
    MEASURE,
    PHOTO,
    ShareHouse,
    bundle,
    correction,
    document,
    entry,
    measurements,
    pdf,
    sender,
    share_house,
    urn,
    weight,
)  # fmt: skip

from profiles.fhir.codec import xmlio
from profiles.fhir.version import FhirVersion


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShareHouse]:
    with share_house(request.param, tmp_path_factory.mktemp("share")) as found:
        yield found


def issue(answer: Any) -> dict[str, Any]:
    """The first issue of a refusal."""
    found: dict[str, Any] = answer.json()["issue"][0]
    return found


def entries(answer: Any) -> list[dict[str, Any]]:
    """The entries of an answer."""
    found: list[dict[str, Any]] = answer.json()["entry"]
    return found


@pytest.mark.parametrize("form", ["json", "xml"])
def test_measurements_come_back_as_they_are_kept(house: ShareHouse, form: str) -> None:
    """DL-C01, DL-C02, DL-01, DL-21: three Observations and the Patient who is known, ids, units byte for byte."""
    answer = house.send(measurements(72.50, 73, 74.1), form=form)
    assert answer.status_code == 200
    found = xmlio.parse(answer.content, FhirVersion.STU3) if form == "xml" else answer.json(parse_float=Decimal)
    assert found["type"] == "batch-response"
    resources = [one["resource"] for one in found["entry"]]
    assert [one["resourceType"] for one in resources] == ["Patient", *["Observation"] * 3]
    assert resources[0]["id"] == "anna"
    assert [str(one["valueQuantity"]["value"]) for one in resources[1:]] == ["72.5", "73", "74.1"]
    for one, resource in zip(found["entry"][1:], resources[1:], strict=True):
        assert one["fullUrl"].endswith(f"/fhir/Observation/{resource['id']}")
        assert one["response"]["status"] == "201 Created"
        assert resource["subject"]["reference"] == "Patient/anna"
        assert resource["valueQuantity"]["code"] == "kg"
        assert resource["meta"]["profile"]
    assert answer.headers["cache-control"] == "no-store"


def test_one_wrong_entry_of_a_batch_leaves_the_others(house: ShareHouse) -> None:
    """DL-C03, DL-23: another code is 422 for its entry, and two items stand in the inbox."""
    before = house.count()
    body = measurements(70, 71, 72)
    body["entry"][2]["resource"]["code"]["coding"][0]["code"] = "1234-5"
    answer = house.send(body)
    assert [one["response"]["status"][:3] for one in entries(answer)] == ["200", "201", "422", "201"]
    refused = entries(answer)[2]["response"]["outcome"]["issue"][0]
    assert refused["code"] == "code-invalid"
    assert "1234-5" not in json.dumps(refused)
    assert house.count() == (before[0] + 1, before[1] + 2)


def test_what_cannot_well_be_is_taken_and_marked(house: ShareHouse) -> None:
    """DL-C04, DL-43: a weight of 900 kg is 201, and stands on top."""
    answer = house.send(measurements(900))
    assert answer.status_code == 200
    assert house.lines()[0].urgent


def test_the_same_request_is_answered_again_and_kept_once(house: ShareHouse) -> None:
    """DL-C05, DL-30, SHR-04, DL-C43: the client that heard nothing repeats, and gets its first answer."""
    body, headers = measurements(65), {"medmij-request-id": str(uuid.uuid4())}
    first = house.send(body, headers=headers)
    before = house.count()
    second = house.send(body, headers=headers)
    assert second.status_code == 200
    assert second.json() == first.json()
    assert house.count() == before
    other = house.send(measurements(66), headers=headers)
    assert (other.status_code, issue(other)["code"]) == (409, "duplicate")
    theirs = house.send(measurements(66, bsn=BRAM), bsn=BRAM, headers=headers)
    assert theirs.status_code == 409


def test_the_same_content_again_is_not_shown_twice(house: ShareHouse) -> None:
    """DL-C06: another request id with the same content is 201, and stands in the inbox once."""
    body = measurements(61.25)
    house.send(body)
    lines = len(house.lines())
    again = house.send(body)
    assert entries(again)[1]["response"]["status"] == "201 Created"
    assert len(house.lines()) == lines


@pytest.mark.parametrize("number", [ANNA, "9999 900 19"])
def test_a_citizen_service_number_in_what_is_sent_goes_nowhere(
    tmp_path_factory: pytest.TempPathFactory, number: str, caplog: pytest.LogCaptureFixture
) -> None:
    """DL-C07, DL-25, IDN-06: masked before it is kept; not in the answer, the log, or any byte of the database."""
    with share_house("sqlite", tmp_path_factory.mktemp("dump")) as alone:
        who = urn()
        note = weight(who, comment=f"mijn nummer is {number}")
        named = sender(who, identifier=[{"system": BSN_SYSTEM, "value": ANNA}])
        answer = alone.send(bundle("batch", named, entry(urn(), note)))
        assert answer.status_code == 200
        rules = alone.lines()[0].findings
        dumped = alone.dump()
    assert "bsn-in-content" in rules
    for text in (answer.text.encode(), caplog.text.encode(), dumped):
        assert ANNA.encode() not in text
        assert number.encode() not in text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"birthDate": "1971-01-31"}, "business-rule"),
        ({"identifier": [{"system": BSN_SYSTEM, "value": BRAM}]}, "business-rule"),
    ],
)
def test_a_patient_who_is_somebody_else_refuses_everything(
    house: ShareHouse, change: dict[str, Any], code: str
) -> None:
    """DL-C08, DL-25: another birth date, or the number of somebody else: 422, nothing stored, nothing told."""
    before, who = house.count(), urn()
    answer = house.send(bundle("batch", sender(who, **change), entry(urn(), weight(who))))
    assert (answer.status_code, issue(answer)["code"]) == (422, code)
    assert "1970" not in answer.text
    assert BRAM not in answer.text
    assert house.count() == before


def test_the_patient_entry_changes_nothing_in_the_record(house: ShareHouse) -> None:
    """DL-25: another name and address in what is sent; the record stays, and the difference is told to staff."""
    who = urn()
    named = sender(who, name=[{"family": "Iemand-Anders"}], address=[{"city": "Elders"}])
    answer = house.send(bundle("batch", named, entry(urn(), weight(who))))
    known = entries(answer)[0]["resource"]
    assert known["name"][0]["family"] == "Lindegaarde"
    assert "address" not in known


def test_a_token_opens_its_own_service_only(house: ShareHouse) -> None:
    """DL-C09, DL-C10, DL-11: no sending elsewhere, and no reading through a service that sends."""
    answer = house.call("GET", "Observation", MEASURE)
    assert (answer.status_code, issue(answer)["code"]) == (403, "security")
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    other = house.send(measurements(70), service="48")
    assert other.status_code == 403


def test_who_is_not_known_here_can_send_nothing(house: ShareHouse) -> None:
    """DL-C12, AVL-08: a token of a person who is not (or no longer) known here: 403 forbidden."""
    answer = house.send(measurements(70), bsn=CARLA)
    assert (answer.status_code, issue(answer)["code"]) == (403, "forbidden")


def test_a_token_that_is_too_old_sends_nothing(house: ShareHouse) -> None:
    """DL-C14: 401 after its time, and nothing stored."""
    before = house.count()
    house.expire(ANNA)
    answer = house.send(measurements(70))
    house.expire(ANNA, timedelta(hours=1))
    assert (answer.status_code, issue(answer)["code"]) == (401, "security")
    assert house.count() == before


def test_one_invalid_entry_refuses_a_transaction(house: ShareHouse) -> None:
    """DL-C28, DL-23: 422 and nothing stored."""
    before = house.count()
    body = measurements(70, 71, kind="transaction")
    body["entry"][2]["resource"]["status"] = "nonsense"
    answer = house.send(body)
    assert answer.status_code == 422
    assert "nonsense" not in answer.text
    assert house.count() == before


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"url": "https://other.example/Observation"}, 400),
        ({"method": "DELETE"}, 400),
        ({"method": "GET"}, 400),
        ({"method": "PATCH"}, 400),
        ({"ifNoneExist": "identifier=a|b"}, 400),
        ({"ifMatch": 'W/"1"'}, 400),
        ({"url": "Observation/12", "method": "PUT"}, 400),
    ],
)
def test_entries_may_create_and_nothing_else(house: ShareHouse, change: dict[str, str], status: int) -> None:
    """DL-C40, DL-22: other methods, other hosts and conditions are 400, and nothing is stored."""
    before, body = house.count(), measurements(70)
    body["entry"][1]["request"] |= change
    assert house.send(body).status_code == status
    assert house.count() == before


def test_a_narrative_is_cleaned(house: ShareHouse) -> None:
    """DL-C41, DL-27: a script in a narrative is not kept."""
    who = urn()
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p onclick="x()">hoi</p><script>alert(1)</script></div>'
    body = bundle("batch", sender(who), entry(urn(), weight(who, text={"status": "generated", "div": div})))
    kept = entries(house.send(body))[1]["resource"]["text"]["div"]
    assert "hoi" in kept
    assert "script" not in kept
    assert "onclick" not in kept


@pytest.mark.parametrize("form", ["json", "xml"])
def test_what_points_elsewhere_is_never_followed(house: ShareHouse, form: str) -> None:
    """DL-C42, DL-24: an address at another host stays text; another person's things, and nothing at all, are 422."""
    who = urn()
    away = {"reference": "https://elsewhere.example/fhir/Device/1", "display": "weegschaal"}
    answer = house.send(bundle("batch", sender(who), entry(urn(), weight(who, device=away))))
    assert entries(answer)[1]["resource"]["device"]["reference"] == away["reference"]
    assert "reference-elsewhere" in {rule for line in house.lines() for rule in line.findings}
    texts = []
    for target in ("Patient/bram", "Patient/niemand", urn()):
        before = house.count()
        refused = house.send(
            measurements(70, kind="transaction") | {"entry": [sender(who), entry(urn(), weight(target))]}, form=form
        )
        assert refused.status_code == 422
        texts.append(re.sub(r"[0-9a-f-]{36}", "", refused.text))
        assert house.count() == before
    assert texts[0] == texts[1] == texts[2]


def test_the_number_of_entries_is_bounded(house: ShareHouse) -> None:
    """DL-C44, DL-29: 500 entries are taken, 501 are 413, and so are 10,000."""
    who = urn()
    many = [entry(urn(), weight(who, 50 + number / 100)) for number in range(499)]
    refused = house.send(bundle("batch", sender(who), *many, entry(urn(), weight(who)), entry(urn(), weight(who))))
    assert (refused.status_code, issue(refused)["code"]) == (413, "too-long")
    refused = house.send(bundle("batch", sender(who), *[entry(urn(), {"resourceType": "Observation"})] * 10_000))
    assert refused.status_code == 413
    before = house.count()
    taken = house.send(bundle("batch", sender(who, BRAM), *many), bsn=BRAM)
    # A person may have no more than so many items that wait; the first time may be more than that.
    assert taken.status_code == 200
    assert house.count()[1] == before[1] + 499


def test_the_inbox_of_a_person_is_bounded(house: ShareHouse) -> None:
    """DL-13 (e): who has 499 items that wait sends no more until somebody decides."""
    answer = house.send(measurements(70, bsn=BRAM), bsn=BRAM)
    assert (answer.status_code, issue(answer)["code"]) == (403, "forbidden")


def test_a_body_that_is_too_large_is_not_read(house: ShareHouse) -> None:
    """DL-29: 200 MB are 413 by their stated length, before anything is read."""
    answer = house.send(b"{}", headers={"content-length": "200000000"})
    assert (answer.status_code, issue(answer)["code"]) == (413, "too-long")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"not json", 400, "structure"),
        (b"[]", 400, "structure"),
        (b'{"resourceType":"Patient"}', 400, "value"),
        (b'{"resourceType":"Bundle","type":"collection"}', 400, "value"),
        (b'{"resourceType":"Bundle","type":"batch"}', 400, "required"),
        (b'{"resourceType":"Bundle","type":"batch","entry":[{}]}', 400, "required"),
        (b'{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Flag"},"request":{}}]}',
         422, "not-supported"),
        (b'{"resourceType":"Bundle","resourceType":"Bundle"}', 400, "structure"),
    ],
)  # fmt: skip
def test_what_is_no_bundle_gets_a_typed_answer(house: ShareHouse, body: bytes, status: int, code: str) -> None:
    """DL-20, section 10: every bad body has its own answer."""
    answer = house.send(body)
    assert (answer.status_code, issue(answer)["code"]) == (status, code)


def test_media_type_and_release_are_looked_at(house: ShareHouse) -> None:
    """Section 10: another media type is 415, another FHIR release 406."""
    assert house.send(measurements(70), headers={"content-type": "text/plain"}).status_code == 415
    other = house.send(measurements(70), headers={"content-type": f"{JSON}; fhirVersion=4.0"})
    assert other.status_code == 406


def test_the_wrong_profile_is_refused(house: ShareHouse) -> None:
    """DL-28: a profile that the service does not take is 422; who claims none claims what fits."""
    who = urn()
    odd = weight(who, meta={"profile": ["https://example.org/StructureDefinition/mine"]})
    answer = house.send(bundle("transaction", sender(who), entry(urn(), odd)))
    assert (answer.status_code, issue(answer)["code"]) == (422, "code-invalid")


def test_moments_lie_between_birth_and_tomorrow(house: ShareHouse) -> None:
    """DL-29: a measurement of before the person was born, or of next year, is 422."""
    for moment in ("1969-12-31T00:00:00+01:00", "2999-01-01T00:00:00+01:00"):
        who = urn()
        body = bundle("transaction", sender(who), entry(urn(), weight(who, effectiveDateTime=moment)))
        assert house.send(body).status_code == 422


def test_without_prefer_the_answer_is_short(house: ShareHouse) -> None:
    """DL-21: status and location, and no resource."""
    answer = house.send(measurements(70.75), headers={"prefer": ""})
    assert all("resource" not in one for one in entries(answer))
    assert entries(answer)[1]["response"]["location"].startswith("Observation/")


def test_the_trail_says_what_came_and_nothing_of_it(house: ShareHouse) -> None:
    """DL-C45, DL-94, LOG-04: one record per request, with counts per type; no value, no name."""
    house.send(measurements(71.125))
    record = [one for one in house.records() if one["action"] == "pgo:resource:transaction"][-1]
    assert record["outcome"] == 200
    assert dict(record["resources"])["Observation"] == 1
    assert record["rule"] == "sendMeasurements"
    assert "71.125" not in json.dumps(record)


def test_a_document_is_taken_in_with_its_file(house: ShareHouse) -> None:
    """DL-C29, DL-70, DL-71: PDF/A by an MHD Bundle; the attachment points at the file as it is kept here."""
    content = pdf()
    answer = house.send(document(content), service=DOCUMENT)
    assert answer.status_code == 200, answer.text
    kept = {one["resource"]["resourceType"]: one["resource"] for one in entries(answer)}
    assert set(kept) == {"Patient", "DocumentManifest", "DocumentReference", "Binary"}
    attachment = kept["DocumentReference"]["content"][0]["attachment"]
    assert attachment["url"] == f"Binary/{kept['Binary']['id']}"


@pytest.mark.parametrize("bad", [{"script": True}, {"password": True}])
def test_a_pdf_that_can_do_something_is_refused(house: ShareHouse, bad: dict[str, bool]) -> None:
    """DL-C30: JavaScript, or a password: 422 and nothing stored."""
    before = house.count()
    answer = house.send(document(pdf(**bad)), service=DOCUMENT)
    assert answer.status_code == 422
    assert house.count() == before


@pytest.mark.parametrize(
    "content", [b"MZ\x90\x00" + bytes(200), b"#!/bin/sh\nrm -rf /\n", b"<html></html>", b"PK\x03\x04"]
)
def test_a_program_that_calls_itself_a_pdf_is_refused(house: ShareHouse, content: bytes) -> None:
    """Bad input: what a file is, its first bytes say."""
    answer = house.send(document(content), service=DOCUMENT)
    assert (answer.status_code, issue(answer)["code"]) == (422, "value")


@pytest.mark.parametrize(
    "change", [{"hash": "AAAA"}, {"contentType": "image/png"}, {"url": "https://else.example/a.pdf"}]
)
def test_an_attachment_says_what_is_true_of_its_file(house: ShareHouse, change: dict[str, str]) -> None:
    """DL-26 of sharing.md: hash, media type and address."""
    assert house.send(document(pdf(), **change), service=DOCUMENT).status_code == 422


def test_a_request_to_correct_the_record_is_acknowledged(house: ShareHouse) -> None:
    """DL-C31, DL-81, DL-82: an informational OperationOutcome, and a month to answer."""
    answer = house.send(correction(), service=CORRECT)
    assert answer.status_code == 200, answer.text
    kinds = [one["resource"]["resourceType"] for one in entries(answer)]
    assert kinds == ["Patient", "Organization", "Communication", "OperationOutcome"]
    told = entries(answer)[-1]["resource"]["issue"][0]
    assert (told["severity"], told["code"]) == ("information", "informational")
    line = house.lines(service=CORRECT)[0]
    assert line.due is not None
    assert (line.due - line.received.date()).days in range(28, 32)


def test_a_correction_is_of_a_known_kind(house: ShareHouse) -> None:
    """DL-C33: another category is 422."""
    answer = house.send(correction("other"), service=CORRECT)
    assert (answer.status_code, issue(answer)["code"]) == (422, "code-invalid")


def test_services_that_only_send_read_nothing(house: ShareHouse) -> None:
    """DL-11: reading by id or searching through them is 403."""
    for service in (DOCUMENT, PHOTO):
        assert house.call("GET", "Binary/1", service).status_code == 403
    assert house.call("GET", "Task?code=http://loinc.org|74468-0&status=requested", FORM).status_code == 200
