"""CDA documents as they exist, pushed by a system: whose they are, what a patient reads, and what is refused."""

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pikepdf
import pytest
from databases import KINDS
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from world.cda_documents import FAULTS, cda, pdf, related, target, with_file
from world.intake_house import BSN, OTHER_BSN, PROVIDER, House, house, patient, source

from gateway.documents.pdfa import check
from gateway.intake.cda.body import NO_IMAGE, ONLY_CODED, body_of
from gateway.intake.cda.header import header_of
from gateway.intake.cda.tree import read_tree
from gateway.intake.refusal import Refusal
from gateway.store.history import content, received
from gateway.store.schema import original
from profiles.fhir.errors import FormatError
from profiles.fhir.version import FhirVersion

XML = {"content-type": "application/xml"}


@pytest.fixture(params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    sources = {"dms": source(cda={}, patients_of=["epd"]), "r4": source(cda={}, fhir="r4"), "epd": source()}
    with house(request.param, tmp_path, **sources) as found:
        yield found


def send(hospital: House, content: bytes, name: str = "dms", **headers: str) -> httpx.Response:
    return hospital.send("POST", f"/intake/{name}/cda", content, headers=XML | headers)


def reference(hospital: House, which: str = "SET-1") -> dict[str, Any]:
    return next(one for key, one in hospital.stored().items() if key.startswith("DocumentRef") and which in key)


def told(answer: httpx.Response) -> str:
    return " ".join(f"{one['details']['text']} {one.get('expression')}" for one in answer.json()["issue"])


def file_of(hospital: House, id_: str, version: int = 1, fhir: FhirVersion = FhirVersion.STU3) -> bytes:
    with hospital.engine.connect() as connection:
        return content(connection, PROVIDER, fhir, ("Binary", id_), version)


def test_a_document_with_a_pdf_is_a_reference_and_its_file(hospital: House) -> None:
    """A nonXMLBody arrives byte for byte; the header says whose it is, by whom, of when."""
    letter = pdf()
    answer = send(hospital, cda(with_file(letter)))
    assert answer.status_code == 200, answer.text
    found = reference(hospital)
    assert file_of(hospital, found["id"]) == letter
    assert found["subject"]["reference"] == "Patient/4711"
    assert (found["status"], found["indexed"]) == ("current", "2026-02-01T10:30:00+01:00")
    assert found["type"]["coding"][0] == {"system": "http://loinc.org", "code": "18842-5", "display": "Ontslagbrief"}
    assert found["author"] == [{"display": "dr. Anna Dokter, Cardiologie"}]
    assert found["custodian"] == {"display": "Ziekenhuis Zandoord"}
    assert found["masterIdentifier"] == {"system": "urn:oid:1.2.3", "value": "DOC-1"}
    assert found["securityLabel"][0]["coding"][0]["code"] == "N"
    attachment = found["content"][0]["attachment"]
    assert attachment["hash"] == base64.b64encode(hashlib.sha1(letter).digest()).decode()
    assert (attachment["size"], attachment["title"]) == (len(letter), "Ontslagbrief cardiologie")
    person = hospital.stored()["Patient/4711"]
    assert (person["name"][0]["family"], person["birthDate"], person["gender"]) == ("van Test", "1970-01-31", "female")
    assert BSN not in str(hospital.stored())
    assert {record["action"] for record in hospital.audit()} == {"ehr:resource:create"}


def test_sections_become_a_pdf_a_that_can_be_read_and_the_original_stays(hospital: House) -> None:
    document = cda()
    assert send(hospital, document).status_code == 200
    found = reference(hospital)
    paper = file_of(hospital, found["id"])
    assert not [one for one in check(paper, "x") if one.severity in ("error", "warning")]
    with pikepdf.open(io.BytesIO(paper)) as opened, opened.open_outline() as outline:
        assert [one.title for one in outline.root] == ["Problemen", "Uitslagen", "Medicatie"]
    with hospital.engine.connect() as connection:
        key = ("DocumentReference", found["id"])
        assert received(connection, PROVIDER, FhirVersion.STU3, key, 1, hospital.parts.intake.ring) == document
    assert send(hospital, document).status_code == 200
    assert reference(hospital)["meta"]["versionId"] == "1", "the same document makes the same paper"


def test_what_stands_in_the_sections_is_there_for_the_reader() -> None:
    """Nothing is missing unseen: an image, entries without text and withdrawn words say so."""
    lines = body_of(read_tree(cda()))
    assert isinstance(lines, list)
    texts = [one.text for one in lines]
    for text in (
        "Astma sinds 2010.", "Stabiel.", "1. Inhalatie", "2. Controle [vervallen: maandag]",
        "Bepaling: Kalium; Uitslag: 4,10 mmol/L", "Nuchter", NO_IMAGE, ONLY_CODED,
    ):  # fmt: skip
        assert text in texts, texts


def test_r4_and_a_document_for_a_patient_by_bsn_alone(hospital: House) -> None:
    assert send(hospital, cda(targets=target(local="")), "r4").status_code == 422, "nobody here has this BSN yet"
    assert send(hospital, cda(), "r4").status_code == 200
    assert send(hospital, cda(set_="SET-2", number="D2", targets=target(local="")), "r4").status_code == 200
    found = reference(hospital, "SET-2")
    assert (found["subject"]["reference"], found["date"]) == ("Patient/4711", "2026-02-01T10:30:00+01:00")


def test_a_new_version_takes_the_place_of_the_old_and_an_old_one_never_that_of_a_new(hospital: House) -> None:
    later = pdf("twee")
    first, second = cda(with_file(pdf("een"))), cda(with_file(later), number="DOC-2", version="2")
    assert [send(hospital, one).status_code for one in (first, second)] == [200, 200]
    found = reference(hospital)
    assert found["meta"]["versionId"] == "2"
    assert file_of(hospital, found["id"], 2) == later
    for late, text in ((first, "version 2"), (cda(with_file(pdf("x")), number="D3", version="2"), "other content")):
        answer = send(hospital, late)
        assert answer.status_code == 409
        assert text in told(answer)
    assert reference(hospital) == found


def test_a_document_that_replaces_another_leaves_it_superseded(hospital: House) -> None:
    send(hospital, cda(set_="", number="OLD"))
    assert send(hospital, cda(more=related("RPLC", "OLD"))).status_code == 200
    old, new = reference(hospital, "OLD"), reference(hospital)
    assert (old["status"], new["status"]) == ("superseded", "current")
    assert new["relatesTo"] == [
        {"code": "replaces", "target": {"reference": f"DocumentReference/{old['id']}", "display": old["description"]}}
    ]
    assert send(hospital, cda(set_="", number="OLD")).status_code == 200
    assert reference(hospital, "OLD")["status"] == "superseded", "a late copy does not bring it back"
    answer = send(hospital, cda(set_="S3", number="D3", more=related("APND", "ELSEWHERE")))
    assert answer.status_code == 200
    assert reference(hospital, "S3")["relatesTo"][0]["code"] == "appends"
    other = target(local="12", bsn=OTHER_BSN, name="Otto")
    wrong = send(hospital, cda(set_="S4", number="D4", targets=other, more=related("RPLC", "DOC-1")))
    assert wrong.status_code == 409
    assert "another patient" in told(wrong)
    assert reference(hospital)["status"] == "current"


def test_a_document_for_a_number_that_is_somebody_elses_is_refused(hospital: House) -> None:
    """The number of one person with the BSN of another: nobody gets it."""
    hospital.send("PUT", "/intake/epd/Patient/4711", patient("4711", OTHER_BSN))
    answer = send(hospital, cda())
    assert answer.status_code == 422
    assert "number" in told(answer)
    assert not [key for key in hospital.stored() if key.startswith(("Document", "Binary"))]


def test_what_cannot_be_taken_is_refused_with_its_place_and_leaves_nothing(hospital: House) -> None:
    """Bombs and outside entities, a wrong encoding, nobody, two patients, a file that is not the one."""
    for name, (content_, status, text) in FAULTS.items():
        answer = send(hospital, content_)
        assert (answer.status_code, text in told(answer)) == (status, True), (name, answer.text)
        assert not {BSN, OTHER_BSN} & set(re.findall(r"\d{9}", answer.text)), name
    assert hospital.stored() == {}


def test_encodings_that_are_said_are_read(hospital: House) -> None:
    text = cda(title="Pati\u00ebnt").decode()
    for number, (said, headers) in enumerate(
        (
            ("windows-1252", {}),
            ("iso-8859-1", {}),
            ("utf-16", {}),
            ("UTF-8", {"content-type": "text/xml; charset=iso-8859-1"}),
        )
    ):
        coding = "latin-1" if headers else said
        one = text.replace('encoding="UTF-8"', f'encoding="{said}"').replace("SET-1", f"SET-{number}E")
        assert send(hospital, one.encode(coding), **headers).status_code == 200, said
        assert reference(hospital, f"SET-{number}E")["description"] == "Pati\u00ebnt"


def test_the_door_knows_its_sources_types_and_bounds(hospital: House) -> None:
    assert send(hospital, cda(), "epd").status_code == 404
    assert send(hospital, cda(), "nobody").status_code == 401
    assert send(hospital, cda(), **{"content-type": "application/json"}).status_code == 415
    assert send(hospital, cda(), **{"content-length": "50000001"}).status_code == 413
    named = {"x-request-id": "once"}
    first = send(hospital, cda(), **named)
    assert send(hospital, cda(), **named).json() == first.json()
    assert send(hospital, cda(version="2"), **named).status_code == 409


def test_a_large_document_is_kept_once(hospital: House) -> None:
    """A file of 8 MB lies in its Binary, not a second time in what is kept of the document."""
    large = pdf() + b"%" + bytes(range(32, 127)) * 90_000
    assert send(hospital, cda(with_file(large))).status_code == 200
    found = reference(hospital)
    assert file_of(hospital, found["id"]) == large
    with hospital.engine.connect() as connection:
        sealed = [len(one) for one in connection.execute(select(original.c.sealed)).scalars()]
    assert max(sealed) < 10_000
    assert send(hospital, cda(with_file(large))).status_code == 200
    assert send(hospital, cda(with_file(large), version="2")).status_code == 200


@given(st.text(max_size=60) | st.binary(max_size=60), st.integers(0, 2000))
def test_whatever_is_sent_is_read_or_refused(piece: str | bytes, place: int) -> None:
    whole = cda()
    data = whole[:place] + (piece.encode("utf-8", "replace") if isinstance(piece, str) else piece) + whole[place:]
    try:
        root = read_tree(data)
        header_of(root, "Europe/Amsterdam")
        body_of(root)
    except (FormatError, Refusal):
        return
