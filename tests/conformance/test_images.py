"""Images behind the gateway: a small DICOMweb server as the PACS, official documents, and who may see what of it.

IHE WADO-RS retrieve with the token of the service; the PACS never hears who asks, and its own addresses stay inside.
"""

import io
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from conformance.test_new_sets import AANSLUITTEST, BLAAK, GRAAFF, House, housed, token
from databases import database
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage, SecondaryCaptureImageStorage
from servers import free_port
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from timing import until

from gateway.store.engine import open_engine
from gateway.store.schema import audit_record

STUDY, SERIES, INSTANCE = "2.16.528.1.1007.3.1.20250212.123456", "2.25.11", "2.25.12"
MANIFEST = "2.25.13"
INTERNAL = "http://pacs.binnen.example:8042/wado-rs"
PROVIDER = "ziekenhuiszandoord"
PIECES = 40
BURST = 60
"""Images that one client may fetch of one person in this module."""


def written(dataset: Dataset, storage: str) -> bytes:
    """A DICOM file of a data set."""
    dataset.SOPClassUID = storage
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = storage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    made = io.BytesIO()
    dataset.save_as(made, enforce_file_format=True)
    return made.getvalue()


def picture() -> bytes:
    dataset = Dataset()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = STUDY, SERIES, INSTANCE
    dataset.Modality, dataset.Rows, dataset.Columns = "OT", 512, 512
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 7, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = bytes(512 * 512)
    return written(dataset, SecondaryCaptureImageStorage)


def manifest() -> Dataset:
    """A key object selection that names one instance, with an address inside the hospital."""
    dataset, study, series, instance = Dataset(), Dataset(), Dataset(), Dataset()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = STUDY, SERIES, MANIFEST
    dataset.SOPClassUID = KeyObjectSelectionDocumentStorage
    instance.ReferencedSOPInstanceUID = INSTANCE
    series.SeriesInstanceUID = SERIES
    series.RetrieveURL = f"{INTERNAL}/studies/{STUDY}/series/{SERIES}"
    series.ReferencedSOPSequence = [instance]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = STUDY, [series]
    dataset.CurrentRequestedProcedureEvidenceSequence = [study]
    return dataset


@dataclass
class Pacs:
    """What the DICOMweb server was asked, and what it does."""

    asked: list[tuple[str, str, str]] = field(default_factory=list)
    gone: bool = False
    broken: bool = False

    def app(self) -> Starlette:
        base = "/studies/{study}/series/{series}/instances/{instance}"
        return Starlette(
            routes=[
                Route(base, self.instance),
                Route(base + "/rendered", self.rendered),
                Route(base + "/metadata", self.metadata),
            ]
        )

    def _note(self, request: Request) -> None:
        self.asked.append((request.url.path, request.headers["accept"], request.headers.get("authorization", "")))

    async def instance(self, request: Request) -> Response:
        self._note(request)
        if self.broken:
            return Response("<h1>login</h1>", media_type="text/html")
        if request.path_params["instance"] != INSTANCE:
            return Response(status_code=404)
        whole = picture()

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(whole), len(whole) // PIECES):
                yield whole[start : start + len(whole) // PIECES]

        return StreamingResponse(pieces(), media_type="application/dicom")

    async def rendered(self, request: Request) -> Response:
        self._note(request)
        return Response(b"\xff\xd8\xff a picture", media_type="image/jpeg")

    async def metadata(self, request: Request) -> Response:
        self._note(request)
        return JSONResponse([manifest().to_json_dict()], media_type="application/dicom+json")


@pytest.fixture(scope="module")
def pacs() -> Iterator[tuple[Pacs, str]]:
    made, port = Pacs(), free_port()
    server = uvicorn.Server(uvicorn.Config(made.app(), host="127.0.0.1", port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield made, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def house(pacs: tuple[Pacs, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with (
        database("sqlite", tmp_path_factory.mktemp("store")) as url,
        housed(url, ("image-availability", "dental-care"), pacs=pacs[1], images=BURST) as made,
    ):
        yield made


@pytest.fixture(autouse=True)
def fresh(pacs: tuple[Pacs, str]) -> None:
    pacs[0].asked.clear()
    pacs[0].broken = False


def path(instance: str = INSTANCE, study: str = STUDY) -> str:
    return f"wado/studies/{study}/series/{SERIES}/instances/{instance}"


def get(
    house: House, person: str, where: str, accept: str, service: str = "9021", method: str = "GET"
) -> httpx.Response:
    headers = {"authorization": f"Bearer {token(person, service)}", "accept": accept}
    return house.client.request(method, f"{house.running.base}/{PROVIDER}/9021/fhir/{where}", headers=headers)


def test_an_instance_and_its_picture_arrive_as_the_pacs_has_them(house: House, pacs: tuple[Pacs, str]) -> None:
    answer = get(house, BLAAK, path(), "application/dicom")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dicom"
    assert dcmread(io.BytesIO(answer.content)).SOPInstanceUID == INSTANCE
    assert answer.content == picture()
    jpeg = get(house, BLAAK, path() + "/rendered", "image/jpeg")
    assert (jpeg.status_code, jpeg.headers["content-type"]) == (200, "image/jpeg")
    assert all(told == "" for _, _, told in pacs[0].asked), "the token of the person stays here"


def test_a_manifest_names_addresses_of_the_gateway(house: House) -> None:
    answer = get(house, BLAAK, path(MANIFEST), "application/dicom+json")
    assert answer.status_code == 200, answer.text
    assert INTERNAL not in answer.text
    found = Dataset.from_json(json.loads(answer.content)[0])
    series = found.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    base = f"{house.running.base}/{PROVIDER}/9021/fhir/wado"
    assert series.RetrieveURL == f"{base}/studies/{STUDY}/series/{SERIES}"


def test_only_a_study_that_a_document_of_the_person_names_is_asked(house: House, pacs: tuple[Pacs, str]) -> None:
    """Somebody else's study, a study of nobody, and paths that lead elsewhere: 404, and the PACS hears nothing."""
    assert get(house, GRAAFF, path(), "application/dicom").status_code == 404
    assert get(house, BLAAK, path(study="2.25.99"), "application/dicom").status_code == 404
    for where in ("wado/studies", f"wado/studies/{STUDY}", path() + "/../../..", "wado/studies/a/series/b/instances/c"):
        assert get(house, BLAAK, where, "application/dicom").status_code == 404, where
    assert pacs[0].asked == []


def test_another_token_and_another_format_are_refused(house: House, pacs: tuple[Pacs, str]) -> None:
    assert get(house, BLAAK, path(), "application/dicom", service="900000107").status_code == 403
    assert house.client.get(f"{house.running.base}/{PROVIDER}/9021/fhir/{path()}").status_code == 401
    assert get(house, BLAAK, path(), "image/png").status_code == 406
    assert get(house, BLAAK, path() + "/rendered", "application/dicom").status_code == 406
    assert get(house, BLAAK, path(), "application/dicom", method="PUT").status_code == 405
    assert pacs[0].asked == []


def test_what_the_pacs_does_wrong_never_reaches_a_client(house: House, pacs: tuple[Pacs, str]) -> None:
    assert get(house, BLAAK, path("2.25.98"), "application/dicom").status_code == 404
    pacs[0].broken = True
    answer = get(house, BLAAK, path(), "application/dicom")
    assert answer.status_code == 503
    assert "login" not in answer.text


def test_a_report_is_read_by_who_it_is_about(house: House) -> None:
    """The timeline, then the document behind its address."""
    found = house.ask(BLAAK, "9021", "DocumentReference?status=current").json()["entry"]
    urls = [one["resource"]["content"][0]["attachment"]["url"] for one in found]
    (report,) = [url for url in urls if url.startswith("Binary/")]
    answer = get(house, BLAAK, report, "application/pdf")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    assert get(house, GRAAFF, report, "application/pdf").status_code == 404
    pdfs = house.ask(BLAAK, "9021", "DocumentReference?status=current&contenttype=application/pdf").json()
    assert pdfs["total"] == 1


def kept(house: House) -> list[dict[str, Any]]:
    """The access trail."""
    engine = open_engine(house.running.settings.database_url)
    with engine.connect() as connection:
        records = [json.loads(row.record) for row in connection.execute(select(audit_record))]
    engine.dispose()
    return records


def test_who_fetches_too_many_images_waits(house: House, pacs: tuple[Pacs, str]) -> None:
    """429 and when to try again, per client and person; other reads of the person go on, and how much is published."""
    answers = [get(house, AANSLUITTEST, path(), "application/dicom") for _ in range(BURST + 1)]
    assert {one.status_code for one in answers[:-1]} == {404}, "a study of somebody else; it counts all the same"
    assert answers[-1].status_code == 429
    assert 0 < int(answers[-1].headers["retry-after"]) <= 100
    assert house.ask(AANSLUITTEST, "9021", "DocumentReference?status=current").status_code == 200
    assert get(house, BLAAK, path(), "application/dicom").status_code == 200, "somebody else is not held up"
    statement = house.client.get(f"{house.running.base}/{PROVIDER}/9021/fhir/metadata").json()
    assert f"at most {BURST} at once" in statement["rest"][0]["documentation"]


def test_a_study_that_is_opened_is_recorded_once(house: House) -> None:
    """NEN 7513: the study is in the trail before its first image leaves; no image gets a record of its own."""
    for _ in range(3):
        assert get(house, BLAAK, path(), "application/dicom").status_code == 200
    trail = kept(house)
    opened = [one for one in trail if one.get("interaction") == "image" and one["outcome"] == 200]
    assert [one["objects"] for one in opened] == [[STUDY]]
    assert opened[0]["resources"] == [["ImagingStudy", 1]]
    assert opened[0]["rule"] == "timeline"
    get(house, GRAAFF, path(), "application/dicom")
    assert len(kept(house)) == len(trail) + 1, "what is refused has a record each"
