"""The documents of the demo world are real PDF/A files, and their references tell the truth about them."""

import base64
import hashlib
from datetime import date
from io import BytesIO

import pikepdf
import pytest

from profiles.fhir.tree import Resource
from workbench.demo.world import load

WORLD = load(date(2026, 3, 31))
BY_ID = {resource["id"]: resource for resource in WORLD.resources_of("ziekenhuiszandoord")}
REFERENCES = [resource for resource in BY_ID.values() if resource["resourceType"] == "DocumentReference"]


def content(reference: Resource) -> bytes:
    """The bytes that a reference points at."""
    binary = BY_ID[reference["content"][0]["attachment"]["url"].removeprefix("Binary/")]
    assert binary["contentType"] == "application/pdf"
    return base64.b64decode(binary["content"])


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda reference: str(reference["id"]))
def test_a_document_is_what_its_reference_says(reference: Resource) -> None:
    attachment = reference["content"][0]["attachment"]
    data = content(reference)
    digest = base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()
    true = (attachment["size"], attachment["hash"]) == (len(data), digest)
    assert true == (reference["id"] != "gerda-brief")
    with pikepdf.open(BytesIO(data)) as pdf:
        status = pdf.open_metadata().pdfa_status
        assert status == ("" if reference["id"] == "gerda-brief" else "2B")
        assert len(data) < 12_000
        assert ("/OutputIntents" in pdf.Root) == bool(status)
        fonts = pdf.pages[0].Resources.Font.values()
        assert all("/FontFile2" in font.DescendantFonts[0].FontDescriptor for font in fonts)


def test_a_manifest_binds_documents_of_the_same_person() -> None:
    (manifest,) = [resource for resource in BY_ID.values() if resource["resourceType"] == "DocumentManifest"]
    bound = [BY_ID[one["pReference"]["reference"].removeprefix("DocumentReference/")] for one in manifest["content"]]
    assert len(bound) == 2
    assert {one["subject"]["reference"] for one in bound} == {manifest["subject"]["reference"]}


def test_a_superseded_document_is_there_to_be_left_out() -> None:
    assert {one["status"] for one in REFERENCES} == {"current", "superseded"}
