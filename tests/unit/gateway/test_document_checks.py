"""What intake says about documents: the PDF itself, and what a DocumentReference states of it."""

import base64
import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents.pdfa import check as check_pdf
from gateway.documents.reference import KnownDocument, check
from workbench.demo.world import FOLDER

LETTER = FOLDER / "ziekenhuiszandoord/documents/joke-ontslagbrief.pdf"


def rules(content: bytes) -> set[str]:
    return {finding.rule for finding in check_pdf(content, "x")} - {"pdfa-not-checked"}


def changed(path: Path, change: Any) -> bytes:
    with pikepdf.open(path) as pdf:
        change(pdf)
        out = BytesIO()
        pdf.save(out)
    return out.getvalue()


def test_a_right_letter_has_one_remark_what_was_not_looked_at() -> None:
    (finding,) = check_pdf(LETTER.read_bytes(), "DocumentReference.content[0].attachment")
    assert (finding.rule, finding.severity) == ("pdfa-not-checked", "information")
    assert "colour spaces" in finding.text("en")


def without_claim(pdf: Any) -> None:
    del pdf.Root["/Metadata"]


def other_level(pdf: Any) -> None:
    xmp = pdf.Root["/Metadata"].read_bytes()
    pdf.Root["/Metadata"].write(
        xmp.replace(b"<pdfaid:part>2", b"<pdfaid:part>9").replace(b'pdfaid:part="2', b'pdfaid:part="9')
    )


def level_a(pdf: Any) -> None:
    xmp = pdf.Root["/Metadata"].read_bytes()
    xmp = xmp.replace(b"conformance>B<", b"conformance>A<").replace(b'conformance="B"', b'conformance="A"')
    pdf.Root["/Metadata"].write(xmp)
    if "/StructTreeRoot" in pdf.Root:
        del pdf.Root["/StructTreeRoot"]


def with_script(pdf: Any) -> None:
    pdf.Root["/OpenAction"] = pikepdf.Dictionary(S=pikepdf.Name("/JavaScript"), JS="app.alert(1)")


def without_font_files(pdf: Any) -> None:
    for font in pdf.objects:
        if isinstance(font, pikepdf.Dictionary) and font.get("/Type") == "/FontDescriptor":
            for name in ("/FontFile", "/FontFile2", "/FontFile3"):
                if name in font:
                    del font[name]


def without_colours(pdf: Any) -> None:
    del pdf.Root["/OutputIntents"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (without_claim, {"pdfa-not-claimed", "pdfa-metadata"}),
        (other_level, {"pdfa-unknown-level"}),
        (level_a, {"pdfa-untagged"}),
        (with_script, {"pdfa-active-content"}),
        (without_font_files, {"pdfa-font"}),
        (without_colours, {"pdfa-output-intent"}),
    ],
)
def test_each_fault_of_a_pdf_has_its_rule(change: Any, expected: set[str]) -> None:
    assert rules(changed(LETTER, change)) == expected


def test_an_encrypted_pdf_is_said_to_be_so() -> None:
    with pikepdf.open(LETTER) as pdf:
        for user in ("", "secret"):
            out = BytesIO()
            pdf.save(out, encryption=pikepdf.Encryption(owner="owner", user=user))
            assert "pdf-encrypted" in rules(out.getvalue())


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda tail: b"%PDF-1.7\n" + tail)))
def test_no_bytes_make_the_check_raise(content: bytes) -> None:
    assert check_pdf(content, "x")


@given(st.integers(0, LETTER.stat().st_size), st.binary(max_size=4))
def test_a_damaged_letter_is_judged_and_nothing_more(place: int, garbage: bytes) -> None:
    good = LETTER.read_bytes()
    assert check_pdf(good[:place] + garbage + good[place + len(garbage) :], "x")


def reference(content: bytes, **changes: Any) -> dict[str, Any]:
    attachment = {
        "contentType": "application/pdf",
        "url": "Binary/letter",
        "title": "Brief",
        "size": len(content),
        "hash": base64.b64encode(hashlib.sha1(content).digest()).decode(),
    }
    attachment |= changes
    return {
        "resourceType": "DocumentReference",
        "id": "a",
        "type": {"text": "Brief"},
        "author": [{"display": "Dr. Vos"}],
        "indexed": "2026-01-01T00:00:00Z",
        "content": [{"attachment": {name: value for name, value in attachment.items() if value is not None}}],
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"size": 3}, {"document-size"}),
        ({"size": None, "hash": None}, {"document-size-absent", "document-hash-absent"}),
        ({"hash": "AAAA"}, {"document-hash"}),
        ({"hash": "not base64!"}, {"document-hash"}),
        ({"title": None}, {"document-title"}),
        ({"contentType": "text/plain"}, {"document-type"}),
        ({"url": "Binary/other"}, {"document-missing"}),
        ({"url": "https://elsewhere.example/letter.pdf"}, {"document-elsewhere"}),
        ({"url": None}, {"document-missing"}),
    ],
)
def test_a_reference_is_held_against_its_content(changes: dict[str, Any], expected: set[str]) -> None:
    content = LETTER.read_bytes()
    known = {"letter": KnownDocument.of(content, "application/pdf")}
    found = {finding.rule for finding in check(reference(content, **changes), known.get)} - {"pdfa-not-checked"}
    assert found == expected


def test_type_author_and_date_are_asked_for() -> None:
    bare = reference(b"")
    for name in ("type", "author", "indexed"):
        del bare[name]
    known = {"letter": KnownDocument(0, hashlib.sha1(b"").digest())}
    assert {finding.rule for finding in check(bare, known.get)} == {"document-kind", "document-author", "document-date"}


def test_of_a_document_stored_before_size_and_hash_are_compared() -> None:
    content = LETTER.read_bytes()
    known = {"letter": KnownDocument(len(content), hashlib.sha1(content).digest())}
    assert not check(reference(content), known.get)
    assert {finding.rule for finding in check(reference(content, size=1), known.get)} == {"document-size"}
