"""A folder of FHIR files, and a store of PDF documents, keep the contract."""

import asyncio
import io
import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from contract.adapter_world import ANNA, ANNA_KEY, BRAM, BRAM_KEY, NOBODY_KEY, record
from timing import LONG

from adapters.documents.adapter import DocumentsAdapter
from adapters.files.adapter import FilesAdapter
from adapters.port import (
    Adapter,
    AdapterDown,
    AdapterError,
    AdapterGarbage,
    AdapterQuery,
    Availability,
    AvailabilityQuery,
    Batch,
    Content,
    PatientKey,
    Reason,
    ServiceKey,
)
from adapters.registry import build
from adapters.testing.contract import AdapterContract, ContractRow
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.version import FhirVersion

DOCUMENTS = ContractRow("pdfa-3", "documentReference", "DocumentReference", (("status", "current"),))
PROBLEM = ContractRow("bgz-3", "problem", "Condition", (("_include", "Condition:asserter"),))


def fill(folder: Path) -> Path:
    """Three formats side by side: a Bundle, single XML files, and lines."""
    folder.mkdir()
    resources = record()
    anna = [one for one in resources[:5] if one["resourceType"] != "Practitioner"]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in anna]}
    (folder / "anna.json").write_bytes(jsonio.dump(bundle))
    (folder / "gp.xml").write_bytes(xmlio.dump(resources[2], FhirVersion.STU3))
    (folder / "rest.ndjson").write_bytes(b"\n".join(jsonio.dump(one) for one in resources[5:]))
    return folder


def pdf(title: str | None, created: str | None = "2026-03-01T10:00:00+01:00") -> bytes:
    out = io.BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page()
        with document.open_metadata() as packet:
            if title:
                packet["dc:title"] = title
                packet["dc:creator"] = ["M. Wolthuis"]
            if created:
                packet["xmp:CreateDate"] = created
        document.save(out)
    return out.getvalue()


def fill_documents(folder: Path) -> Path:
    for name, bsn in (("anna", ANNA), ("bram", BRAM)):
        (folder / name).mkdir(parents=True)
        (folder / name / "patient.yaml").write_text(f"bsn: {bsn}\nid: {name}\nbirth_date: 1961-04-12\n")
        (folder / name / "letter.pdf").write_bytes(pdf("Ontslagbrief"))
        (folder / name / "letter.yaml").write_text("type_code: 18842-5\ntype_display: Ontslagbrief\n")
        (folder / name / "bare.pdf").write_bytes(pdf(None))
    return folder


def make_files(folder: Path, **settings: Any) -> FilesAdapter:
    made = build({"type": "files", "name": "folder", "path": str(folder), "version": "stu3", **settings})
    assert isinstance(made, FilesAdapter)
    return made


def make_documents(folder: Path | str, **settings: Any) -> DocumentsAdapter:
    made = build({"type": "documents", "name": "letters", "path": str(folder), "version": "stu3", **settings})
    assert isinstance(made, DocumentsAdapter)
    return made


def query(row: ContractRow, **changes: Any) -> AdapterQuery:
    fields = {
        "provider": "p",
        "patient": ANNA_KEY,
        "standard": row.standard,
        "rule": row.rule,
        "interaction": row.interaction,
        "type": row.type,
        "version": FhirVersion.STU3,
        "deadline": time.monotonic() + LONG,
        "search": row.search,
    }
    return AdapterQuery(**(fields | changes))


def find(adapter: Adapter, row: ContractRow, **changes: Any) -> Batch:
    return asyncio.run(_find(adapter, query(row, **changes)))


async def _find(adapter: Adapter, asked: AdapterQuery) -> Batch:
    return await adapter.find(asked)


class TestFolder(AdapterContract):
    known, other, unknown = ANNA_KEY, BRAM_KEY, NOBODY_KEY
    rows = (
        PROBLEM,
        ContractRow("bgz-3", "bodyWeight", "Observation"),
        ContractRow("bgz-3", "patient", "Patient"),
        DOCUMENTS,
    )

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = fill(tmp_path / "files")

    def make(self) -> FilesAdapter:
        return make_files(self.folder)


class TestDirectoryOfDocuments(AdapterContract):
    known, other, unknown, rows = ANNA_KEY, BRAM_KEY, NOBODY_KEY, (DOCUMENTS,)
    services = (ServiceKey("51", "pdfa-3"),)

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = fill_documents(tmp_path / "store")

    def make(self) -> DocumentsAdapter:
        return make_documents(self.folder)


def test_three_formats_in_one_folder_and_what_is_included(tmp_path: Path) -> None:
    batch = find(make_files(fill(tmp_path / "files")), PROBLEM)
    assert {(one["resourceType"], one["id"]) for one in batch.resources} >= {
        ("Condition", "c1"),
        ("Condition", "c2"),
        ("Practitioner", "gp"),
    }
    weight = find(make_files(tmp_path / "files"), ContractRow("bgz-3", "bodyWeight", "Observation")).resources[0]
    assert str(weight["valueQuantity"]["value"]) == "71.50"


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    folder = fill(tmp_path / "files")

    async def story() -> list[int]:
        adapter = make_files(folder, refresh_seconds=0)
        before = await adapter.find(query(PROBLEM))
        more = {**record()[3], "id": "c9"}
        (folder / "more.json").write_bytes(jsonio.dump(more))
        after = await adapter.find(query(PROBLEM))
        return [sum(one["resourceType"] == "Condition" for one in batch.resources) for batch in (before, after)]

    assert asyncio.run(story()) == [2, 3]


def test_a_broken_file_is_a_gap_and_the_others_count(tmp_path: Path) -> None:
    folder = fill(tmp_path / "files")
    (folder / "broken.json").write_text('{"resourceType": "Condition", "id": "x", "id": "y"}')
    (folder / "latin.json").write_bytes(b'{"resourceType": "Condition", "id": "\xe9"}')
    batch = find(make_files(folder), PROBLEM)
    assert len(batch.resources) >= 2
    assert [(gap.reason, gap.text) for gap in batch.gaps] == [
        (Reason.INVALID_BLOCKED, "2 files of the source cannot be read")
    ]


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = fill(tmp_path / "files")
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({**record()[3], "id": "secret"}, default=str))
    (folder / "link.json").symlink_to(secret)
    assert "secret" not in [one["id"] for one in find(make_files(folder), PROBLEM).resources]


@pytest.mark.parametrize("kind", ["files", "documents"])
def test_a_folder_that_is_not_there_is_down(tmp_path: Path, kind: str) -> None:
    make = make_files if kind == "files" else make_documents
    with pytest.raises(AdapterDown):
        find(make(tmp_path / "gone"), DOCUMENTS)


def test_metadata_come_from_beside_the_pdf_and_else_from_inside(tmp_path: Path) -> None:
    found = find(make_documents(fill_documents(tmp_path / "store")), DOCUMENTS).resources
    letter = next(one for one in found if one["type"]["coding"][0]["code"] == "18842-5")
    attachment = letter["content"][0]["attachment"]
    assert (letter["description"], letter["author"]) == ("Ontslagbrief", [{"display": "M. Wolthuis"}])
    assert letter["indexed"] == "2026-03-01T10:00:00+01:00"
    assert attachment["size"] == len((tmp_path / "store/anna/letter.pdf").read_bytes())
    assert {one["description"] for one in found} == {"Ontslagbrief", "bare"}


def test_what_is_no_document_is_a_gap(tmp_path: Path) -> None:
    store = fill_documents(tmp_path / "store")
    (store / "anna" / "page.pdf").write_text("<html>")
    (store / "anna" / "undated.pdf").write_bytes(pdf("x", None))
    (store / "anna" / "odd.pdf").write_bytes(pdf("y"))
    (store / "anna" / "odd.yaml").write_text("colour: blue\n")
    batch = find(make_documents(store), DOCUMENTS)
    assert len(batch.resources) == 2
    assert batch.gaps[0].text == "3 documents of the source cannot be read"


def test_a_document_that_changes_while_it_is_read_is_not_passed_on_whole(tmp_path: Path) -> None:
    store = fill_documents(tmp_path / "store")

    async def story() -> AdapterError:
        adapter = make_documents(store)
        found = await adapter.find(query(DOCUMENTS))
        content = await adapter.read(query(DOCUMENTS, type="Binary", id=found.resources[0]["id"], search=()))
        assert isinstance(content, Content)
        for path in (store / "anna").glob("*.pdf"):
            path.write_bytes(path.read_bytes()[:-3] + b"xyz")
        with pytest.raises(AdapterError) as caught:
            [chunk async for chunk in content.chunks]
        return caught.value

    assert isinstance(asyncio.run(story()), AdapterGarbage)


def test_an_object_store_is_the_same_through_fsspec(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="the extra object-store is not installed")
    memory = fsspec.filesystem("memory")
    store = fill_documents(tmp_path / "store")
    for path in store.rglob("*.*"):
        memory.pipe(f"/letters/{path.relative_to(store)}", path.read_bytes())
    from_disk, from_memory = (find(make_documents(one), DOCUMENTS) for one in (store, "memory://letters"))
    assert list(from_memory.resources) == list(from_disk.resources)
    assert len(from_memory.resources) == 2


def test_the_birth_date_is_passed_on_for_the_age_rules(tmp_path: Path) -> None:
    adapters = [make_files(fill(tmp_path / "files")), make_documents(fill_documents(tmp_path / "store"))]
    for adapter in adapters:
        asked = AvailabilityQuery("p", ANNA_KEY, (), time.monotonic() + LONG)
        answer = asyncio.run(_available(adapter, asked))
        assert answer.birth_date == date(1961, 4, 12)


async def _available(adapter: Adapter, asked: AvailabilityQuery) -> Any:
    return await adapter.available(asked)


SERVICES = (ServiceKey("48", "bgz-3"), ServiceKey("51", "pdfa-3"))


def available(adapter: Adapter, patient: PatientKey = ANNA_KEY) -> Availability:
    async def ask() -> Availability:
        return await adapter.available(AvailabilityQuery("p", patient, SERVICES, time.monotonic() + LONG))

    return asyncio.run(ask())


def test_a_folder_says_for_which_services_it_has_something(tmp_path: Path) -> None:
    """AVL-01, AVL-05: Patient alone is nothing; what the settings leave out is not offered, whatever is there."""
    folder = fill(tmp_path / "files")
    assert available(make_files(folder)).services == {"48", "51"}
    only = available(make_files(folder, services=["51"]))
    assert (only.services, only.reasons) == ({"51"}, {"48": Reason.NOT_OFFERED})
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "anna.json").write_bytes(jsonio.dump(record()[0]))
    bare = available(make_files(tmp_path / "bare"))
    assert (bare.relation, bare.reasons) == (True, {"48": Reason.EMPTY, "51": Reason.EMPTY})


def test_a_folder_of_documents_is_for_documents_and_needs_one(tmp_path: Path) -> None:
    """AVL-01, AVL-05."""
    folder = fill_documents(tmp_path / "store")
    found = available(make_documents(folder))
    assert (found.services, found.reasons) == ({"51"}, {"48": Reason.NOT_OFFERED})
    for letter in (folder / "anna").glob("*.pdf"):
        letter.unlink()
    nothing = available(make_documents(folder))
    assert (nothing.relation, nothing.reasons["51"], nothing.birth_date) == (True, Reason.EMPTY, date(1961, 4, 12))
