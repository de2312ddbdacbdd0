"""A hospital pushes: single resources, transactions and batches, on both databases (issue 6)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from databases import KINDS
from sqlalchemy import select
from world.intake_house import (
    BSN,
    BSN_SYSTEM,
    OTHER_BSN,
    PROVIDER,
    House,
    bundle,
    condition,
    house,
    patient,
    source,
    without,
)

from gateway.cli.import_ import import_command
from gateway.intake.settings import IntakeSettings
from gateway.store.schema import original, resource
from profiles.fhir.codec import xmlio
from profiles.fhir.version import FhirVersion


@pytest.fixture(params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with house(request.param, tmp_path, epd=source(), lab=source(), pacs=source(patients_of=["epd"])) as found:
        yield found


def text_of(answer: Any) -> str:
    return " ".join(issue["details"]["text"] for issue in answer.json()["issue"])


def test_a_pushed_resource_is_stored_with_its_history_and_served_without_bsn(hospital: House) -> None:
    created = hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    assert (created.status_code, created.headers["etag"]) == (201, 'W/"1"')
    assert created.headers["location"].endswith("/intake/epd/Patient/p1/_history/1")
    changed = hospital.send("PUT", "/intake/epd/Patient/p1", patient(gender="other"))
    assert (changed.status_code, changed.headers["etag"]) == (200, 'W/"2"')
    assert hospital.stored()["Patient/p1"]["gender"] == "other"
    assert BSN not in json.dumps(hospital.stored())
    with hospital.engine.connect() as connection:
        sealed = connection.execute(select(original.c.version, original.c.sealed).order_by(original.c.version)).all()
    assert [row.version for row in sealed] == [1, 2]
    assert all(BSN.encode() not in row.sealed for row in sealed)
    assert [record["action"] for record in hospital.audit()] == ["ehr:resource:create", "ehr:resource:update"]
    assert hospital.count("outbox") == 2


def test_the_same_content_again_makes_no_new_version(hospital: House) -> None:
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    first = hospital.send("POST", "/intake/epd/Condition", without(condition(), "id"))
    again = hospital.send("POST", "/intake/epd/Condition", without(condition(), "id"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.headers["location"] == again.headers["location"]
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    assert hospital.count("original") == 2
    assert hospital.count("outbox") == 2


def test_a_retry_with_the_same_request_id_gets_the_same_answer(hospital: House) -> None:
    """Even when the resource was changed in between: what was answered once is answered again."""
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    sent = bundle("transaction", ("PUT", "Condition/c1", condition()))
    first = hospital.send("POST", "/intake/epd", sent, headers={"x-request-id": "push-1"})
    hospital.send("PUT", "/intake/epd/Condition/c1", condition(clinicalStatus="resolved"))
    again = hospital.send("POST", "/intake/epd", sent, headers={"x-request-id": "push-1"})
    assert (again.status_code, again.json()) == (200, first.json())
    assert hospital.stored()["Condition/c1"]["clinicalStatus"] == "resolved"
    made, repeated = [record for record in hospital.audit() if record.get("request_id") == "push-1"]
    assert repeated["reason"] == "repeated"
    assert (made["action"], made["person"]) == (repeated["action"], repeated["person"])
    other = hospital.send("DELETE", "/intake/epd/Condition/c1", headers={"x-request-id": "push-1"})
    assert other.status_code == 409


def test_a_transaction_is_all_or_nothing(hospital: House) -> None:
    """References by fullUrl are resolved, whatever the order of the entries."""
    sent = bundle(
        "transaction",
        ("POST", "Condition", condition(subject={"reference": "urn:uuid:11111111-1111-4111-8111-111111111111"})),
        ("POST", "Patient", patient()),
    )
    sent["entry"][1]["fullUrl"] = "urn:uuid:11111111-1111-4111-8111-111111111111"
    answer = hospital.send("POST", "/intake/epd", sent)
    assert answer.json()["type"] == "transaction-response"
    assert [entry["response"]["status"] for entry in answer.json()["entry"]] == ["201 Created"] * 2
    (owner,) = [key for key in hospital.stored() if key.startswith("Patient/")]
    (found,) = [one for key, one in hospital.stored().items() if key.startswith("Condition/")]
    assert found["subject"]["reference"] == owner
    wrong = bundle("transaction", ("PUT", "Condition/c8", condition("c8", owner.split("/")[1])),
                   ("PUT", "Condition/c9", condition("c9", "nobody")))  # fmt: skip
    refused = hospital.send("POST", "/intake/epd", wrong)
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]
    assert len(hospital.stored()) == 2


def test_a_batch_is_answered_entry_by_entry(hospital: House) -> None:
    sent = bundle(
        "batch",
        ("PUT", "Patient/p1", patient()),
        ("PUT", "Condition/c1", condition()),
        ("PUT", "Condition/c2", condition("c2", "nobody")),
        ("PATCH", "Condition/c3", condition("c3")),
        ("PUT", "Wrong/c4", {"resourceType": "Wrong", "id": "c4"}),
    )
    answer = hospital.send("POST", "/intake/epd", sent)
    assert answer.status_code == 200
    statuses = [entry["response"]["status"][:3] for entry in answer.json()["entry"]]
    assert statuses == ["201", "201", "422", "405", "404"]
    assert set(hospital.stored()) == {"Patient/p1", "Condition/c1"}


def test_conditional_requests_by_identifier(hospital: House) -> None:
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    condition_of = "identifier=https://epd.example/problem|problem-c1"
    first = hospital.send("POST", "/intake/epd/Condition", condition(), headers={"if-none-exist": condition_of})
    again = hospital.send(
        "POST", "/intake/epd/Condition", condition(note=[{"text": "x"}]), headers={"if-none-exist": condition_of}
    )
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["location"] == again.headers["location"]
    body = without(condition(clinicalStatus="resolved"), "id")
    updated = hospital.send("PUT", f"/intake/epd/Condition?{condition_of}", body)
    assert (updated.status_code, updated.headers["etag"]) == (200, 'W/"2"')
    by_bsn = bundle("transaction", ("POST", "Condition", condition("c1", clinicalStatus="remission")))
    by_bsn["entry"][0]["resource"]["subject"] = {"reference": f"Patient?identifier={BSN_SYSTEM}|{BSN}"}
    assert hospital.send("POST", "/intake/epd", by_bsn).status_code == 200
    assert all(one["subject"]["reference"] == "Patient/p1" for key, one in hospital.stored().items() if key[0] == "C")
    deleted = hospital.send("DELETE", f"/intake/epd/Condition?{condition_of}")
    assert deleted.status_code == 412, "two resources have this identifier"
    wild = hospital.send("PUT", "/intake/epd/Condition?code=1", condition())
    assert wild.status_code == 400


def test_a_patient_named_by_bsn_alone_is_found(hospital: House) -> None:
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    named = condition(subject={"identifier": {"system": BSN_SYSTEM, "value": BSN}})
    assert hospital.send("PUT", "/intake/epd/Condition/c1", named).status_code == 201
    assert hospital.stored()["Condition/c1"]["subject"]["reference"] == "Patient/p1"
    assert BSN not in json.dumps(hospital.stored())
    unknown = condition("c2", subject={"identifier": {"system": BSN_SYSTEM, "value": OTHER_BSN}})
    assert hospital.send("PUT", "/intake/epd/Condition/c2", unknown).status_code == 422


def test_patient_ids_of_one_system_mean_nothing_in_another(hospital: House) -> None:
    """Patient/p1 of the EPD is not Patient/p1 of the laboratory, unless the settings say so."""
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    assert hospital.send("PUT", "/intake/lab/Condition/c1", condition()).status_code == 422
    batch = bundle("batch", ("PUT", "Patient/p1", patient(bsn=OTHER_BSN)), ("PUT", "Condition/c1", condition()))
    answer = hospital.send("POST", "/intake/lab", batch)
    assert [entry["response"]["status"][:3] for entry in answer.json()["entry"]] == ["409", "422"]
    assert hospital.send("PUT", "/intake/pacs/Condition/c1", condition()).status_code == 201
    assert hospital.send("PUT", "/intake/epd/Condition/c1", condition()).status_code == 409


def test_nothing_goes_silently_to_another_patient(hospital: House) -> None:
    """A wrong patient is corrected by a delete and a create, and both are in the audit trail."""
    both = bundle("transaction", ("PUT", "Patient/p1", patient()), ("PUT", "Patient/p2", patient("p2", OTHER_BSN)))
    hospital.send("POST", "/intake/epd", both)
    hospital.send("PUT", "/intake/epd/Condition/c1", condition())
    moved = hospital.send("PUT", "/intake/epd/Condition/c1", condition(whose="p2"))
    assert moved.status_code == 409
    swapped = hospital.send("PUT", "/intake/epd/Patient/p1", patient(bsn="999990032"))
    assert swapped.status_code == 409
    assert hospital.send("DELETE", "/intake/epd/Condition/c1").status_code == 200
    assert hospital.send("PUT", "/intake/epd/Condition/c1", condition(whose="p2")).status_code == 201
    deeds = [(record["action"].rsplit(":", 1)[1], record.get("person")) for record in hospital.audit()]
    removed, made = [person for deed, person in deeds if deed in ("delete", "create")][-2:]
    assert removed != made
    assert hospital.stored()["Condition/c1"]["subject"]["reference"] == "Patient/p2"


def test_deleting_and_sending_one_patient_at_once_says_what_to_do(hospital: House) -> None:
    """A correction of a BSN is a deletion first; both in one transaction is told so, and changes nothing."""
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    before = hospital.stored()
    both = bundle("transaction", ("DELETE", "Patient/p1", None), ("PUT", "Patient/p1", patient(bsn=OTHER_BSN)))
    refused = hospital.send("POST", "/intake/epd", both)
    assert refused.status_code == 400
    assert "send the deletion first" in refused.json()["issue"][0]["details"]["text"]
    assert hospital.stored() == before
    assert hospital.send("DELETE", "/intake/epd/Patient/p1").status_code == 200
    assert hospital.send("PUT", "/intake/epd/Patient/p1", patient(bsn=OTHER_BSN)).status_code == 201


def test_a_newborn_of_an_encounter_sent_before_stands_in_the_record_of_the_mother(hospital: House) -> None:
    """What a midwife records comes hours after the visit: in the same record as when it had come with it."""
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    episode = {"resourceType": "EpisodeOfCare", "id": "e", "status": "active", "patient": {"reference": "Patient/p1"}}
    visit = {"resourceType": "Encounter", "id": "v", "status": "finished", "class": {"code": "AMB"},
             "subject": {"reference": "Patient/p1"}, "episodeOfCare": [{"reference": "EpisodeOfCare/e"}]}  # fmt: skip
    for one in (episode, visit, patient("child", None)):
        assert hospital.send("PUT", f"/intake/epd/{one['resourceType']}/{one['id']}", one).status_code == 201
    weight = {"resourceType": "Observation", "id": "w", "status": "final", "code": {"text": "Gewicht"},
              "subject": {"reference": "Patient/child"}, "context": {"reference": "Encounter/v"}}  # fmt: skip
    assert hospital.send("PUT", "/intake/epd/Observation/w", weight).status_code == 201
    with hospital.engine.connect() as connection:
        owner = connection.execute(select(resource.c.patient_id).where(resource.c.id == "w")).scalar_one()
    assert owner == "p1"


def test_what_is_deleted_is_gone_and_its_history_is_kept(hospital: House) -> None:
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    posted = hospital.send("POST", "/intake/epd/Condition", condition())
    place = posted.headers["location"].split("/_history")[0].removeprefix("http://127.0.0.1:8090")
    assert hospital.send("DELETE", place).headers["etag"] == 'W/"2"'
    assert set(hospital.stored()) == {"Patient/p1"}
    assert hospital.count("original") == 3
    again = hospital.send("DELETE", place)
    assert (again.status_code, again.headers["etag"]) == (200, 'W/"2"')
    assert hospital.send("DELETE", "/intake/epd/Condition/never").status_code == 200
    anew = hospital.send("POST", "/intake/epd/Condition", condition())
    assert anew.headers["location"] != posted.headers["location"], "a late retry does not bring back what was deleted"


def test_a_patient_leaves_with_everything_of_theirs(hospital: House) -> None:
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    hospital.send("PUT", "/intake/epd/Condition/c1", condition())
    assert hospital.send("DELETE", "/intake/epd/Patient/p1").status_code == 409
    whole = bundle("transaction", ("DELETE", "Patient/p1", None), ("DELETE", "Condition/c1", None))
    assert hospital.send("POST", "/intake/epd", whole).status_code == 200
    assert hospital.stored() == {}
    assert hospital.count("patient") == 0
    assert hospital.send("PUT", "/intake/epd/Patient/p1", patient(bsn=OTHER_BSN)).status_code == 201


def test_an_update_of_another_version_than_the_sender_saw_is_refused(hospital: House) -> None:
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    good = hospital.send("PUT", "/intake/epd/Patient/p1", patient(gender="male"), headers={"if-match": 'W/"1"'})
    late = hospital.send("PUT", "/intake/epd/Patient/p1", patient(gender="other"), headers={"if-match": 'W/"1"'})
    assert (good.status_code, late.status_code) == (200, 412)


def test_xml_and_r4_by_content_type(hospital: House) -> None:
    body = xmlio.dump(patient(), FhirVersion.STU3)
    headers = {"content-type": "application/fhir+xml; fhirVersion=3.0", "accept": "application/fhir+xml"}
    answer = hospital.send("PUT", "/intake/epd/Patient/p1", body, headers=headers)
    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("application/fhir+xml")
    assert xmlio.parse(answer.content, FhirVersion.STU3)["resourceType"] == "OperationOutcome"
    r4 = without(patient(), "meta")
    answer = hospital.send("PUT", "/intake/epd/Patient/p1", r4,
                           headers={"content-type": "application/fhir+json; fhirVersion=4.0"})  # fmt: skip
    assert answer.status_code == 201
    assert "fhirVersion=4.0" in answer.headers["content-type"]
    with hospital.engine.connect() as connection:
        kept = connection.exec_driver_sql("select fhir from resource order by fhir").scalars().all()
    assert list(kept) == ["r4", "stu3"]
    wrong = hospital.send("PUT", "/intake/epd/Patient/p1", r4, headers={"content-type": "text/plain"})
    assert wrong.status_code == 415


URN = "urn:uuid:aaaaaaaa-1111-4111-8111-111111111111"


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_comes_with_its_pdf(kind: str, tmp_path: Path) -> None:
    pdf = "JVBERi0xLjcKJSBhIHNtYWxsIHBhcGVyCg=="
    reference = {
        "resourceType": "DocumentReference", "id": "d1", "status": "current", "indexed": "2026-02-01T10:00:00+01:00",
        "type": {"text": "Brief"}, "subject": {"reference": "Patient/p1"},
        "content": [{"attachment": {"contentType": "application/pdf", "url": URN}}],
    }  # fmt: skip
    binary = {"resourceType": "Binary", "id": "b1", "contentType": "application/pdf", "content": pdf}
    sent = bundle("transaction", ("PUT", "Patient/p1", patient()), ("PUT", "DocumentReference/d1", reference),
                  ("PUT", "Binary/b1", binary))  # fmt: skip
    sent["entry"][2]["fullUrl"] = URN
    with house(kind, tmp_path) as hospital:
        answer = hospital.send("POST", "/intake/epd", sent)
        assert answer.status_code == 200, answer.text
        assert hospital.stored()["DocumentReference/d1"]["content"][0]["attachment"]["url"] == "Binary/b1"
        assert "content" not in hospital.stored()["Binary/b1"]
        assert hospital.count("document_content") == 1
        spoiled = hospital.send("PUT", "/intake/epd/Binary/b1", binary | {"content": "?"})
        assert spoiled.status_code == 400


BAD = {
    "cut off": (b'{"resourceType":"Patient"', 400, "line 1"),
    "a key twice": (b'{"resourceType":"Patient",\n"id":"p1","id":"p2"}', 400, "line 2"),
    "a lone surrogate": (b'{"resourceType":"Patient","id":"p1","name":[{"family":"\\ud800"}]}', 400, "line 1"),
    "NUL": (b'{"resourceType":"Patient","id":"p1","name":[{"family":"a\\u0000"}]}', 400, "line 1"),
    "a number beyond bounds": (
        b'{"resourceType":"Patient","id":"p1","multipleBirthInteger":1e999999999}',
        400,
        "line 1",
    ),
    "not a number": (b'{"resourceType":"Patient","id":"p1","multipleBirthInteger":NaN}', 400, "line 1"),
    "100,000 levels": (b'{"resourceType":"Patient","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "nested"),
    "not UTF-8": (b'{"resourceType":"Patient","id":"\xff"}', 400, "UTF-8"),
    "an element that is none": (json.dumps(patient(colour="red")).encode(), 400, "colour"),
    "another id": (json.dumps(patient("p2")).encode(), 400, "id in the resource"),
    "another type": (json.dumps(condition("p1")).encode(), 400, "not of type Patient"),
    "nothing": (b"", 400, ""),
    "a list": (b"[]", 400, "object"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_json_is_refused_and_the_place_is_named(name: str, tmp_path: Path) -> None:
    body, status, told = BAD[name]
    with house("sqlite", tmp_path) as hospital:
        answer = hospital.send("PUT", "/intake/epd/Patient/p1", body)
        assert answer.status_code == status
        assert told in answer.text
        assert hospital.stored() == {}


BOMB = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Patient xmlns="http://hl7.org/fhir"><id value="p1"/><birthDate value="&b;"/></Patient>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/hostname">]>
<Patient xmlns="http://hl7.org/fhir"><id value="&a;"/></Patient>"""


@pytest.mark.parametrize("body", [BOMB, OUTSIDE, b"<Patient xmlns='http://hl7.org/fhir'><id"])
def test_bad_xml_is_refused(body: bytes, tmp_path: Path) -> None:
    with house("sqlite", tmp_path) as hospital:
        answer = hospital.send("PUT", "/intake/epd/Patient/p1", body, headers={"content-type": "application/fhir+xml"})
        assert answer.status_code == 400
        assert "line" in answer.text
        assert hospital.stored() == {}


def test_a_body_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    section = IntakeSettings(sources={"epd": source()}, body_bytes=2_000, entries=2)
    with house("sqlite", tmp_path, section) as hospital:
        large = patient(address=[{"text": "x" * 3_000}])
        assert hospital.send("PUT", "/intake/epd/Patient/p1", large).status_code == 413
        many = bundle("transaction", *(("DELETE", f"Patient/{n}", None) for n in range(3)))
        assert hospital.send("POST", "/intake/epd", many).status_code == 413


def test_the_listener_gives_nothing(tmp_path: Path) -> None:
    with house("sqlite", tmp_path) as hospital:
        hospital.send("PUT", "/intake/epd/Patient/p1", patient())
        for path in ("/intake/epd/Patient/p1", "/intake/epd/Patient", "/intake/epd"):
            assert hospital.send("GET", path).status_code == 405
        assert hospital.send("PUT", "/intake/other/Patient/p1", patient()).status_code == 401


def test_what_was_imported_is_found_by_its_identifier(tmp_path: Path) -> None:
    with house("sqlite", tmp_path) as hospital:
        for one in (patient(), condition()):
            (tmp_path / f"{one['id']}.json").write_text(json.dumps(one))
        environment = {"GATEWAY_DATABASE_URL": hospital.url, "GATEWAY_MODE": "test"}
        paths = [str(tmp_path / name) for name in ("p1.json", "c1.json")]
        done = CliRunner().invoke(import_command, [*paths, "--provider", PROVIDER, "--source", "epd"], env=environment)
        assert done.exit_code == 0, done.output
        seen = "identifier=https://epd.example/problem|problem-c1"
        answer = hospital.send("POST", "/intake/epd/Condition", condition("x"), headers={"if-none-exist": seen})
        assert (answer.status_code, "/Condition/c1/" in answer.headers["location"]) == (200, True)
