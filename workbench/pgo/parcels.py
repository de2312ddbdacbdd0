"""Examples of what a PGO sends, each for a data service: to try a server with, and for the demo."""

import base64
import hashlib
import io
import struct
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pikepdf

from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

ZIB, CORE = "http://nictiz.nl/fhir/StructureDefinition/", "http://fhir.nl/fhir/StructureDefinition/"
KINDS = "https://hl7.org/fhir/uv/fhir-patient-correction/CodeSystem/PatientCorrectionCommunicationTypes"


@dataclass(frozen=True, slots=True)
class ExampleParcel:
    """One example: for which data service, in which release, and what makes it."""

    service: str
    version: FhirVersion
    make: Callable[[str], Resource]
    about: str


def example(name: str, person: str) -> tuple[ExampleParcel, bytes]:
    """An example in the name of a person, ready to send. KeyError for one that there is not."""
    parcel = PARCELS[name]
    return parcel, jsonio.dump(parcel.make(person))


def _urn() -> str:
    return f"urn:uuid:{uuid.uuid4()}"


def _entry(url: str, resource: Resource) -> dict[str, Any]:
    return {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}


def _bundle(kind: str, *entries: dict[str, Any]) -> Resource:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def _patient(person: str, profile: str = f"{CORE}nl-core-patient") -> Resource:
    return {"resourceType": "Patient", "meta": {"profile": [profile]}, "name": [{"text": person}]}


def _identifier() -> dict[str, str]:
    return {"system": "https://pgo.demo.example/shared", "value": uuid.uuid4().hex}


def _weights(person: str) -> Resource:
    """Four body weights, a week apart."""
    return weights(person, ("72.5", "72.1", "71.8", "71.9"))


def weights(person: str, values: Sequence[str]) -> Resource:
    """Body weights in kilograms, a week apart; the last is of today."""
    who, now = _urn(), datetime.now(UTC).replace(microsecond=0)
    named = {"reference": who, "display": person}
    category = {"system": "http://hl7.org/fhir/observation-category", "code": "vital-signs", "display": "Vital Signs"}
    entries = [_entry(who, _patient(person))]
    for week, value in enumerate(values):
        entries.append(
            _entry(
                _urn(),
                {
                    "resourceType": "Observation",
                    "meta": {"profile": [f"{ZIB}zib-BodyWeight"]},
                    "identifier": [_identifier()],
                    "status": "final",
                    "category": [{"coding": [category]}],
                    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]},
                    "subject": named,
                    "effectiveDateTime": (now - timedelta(weeks=len(values) - 1 - week)).isoformat(),
                    "performer": [named],
                    "valueQuantity": {"value": Decimal(value), "unit": "kg", "system": "http://unitsofmeasure.org",
                                      "code": "kg"},
                },
            )
        )  # fmt: skip
    return _bundle("batch", *entries)


def _document(person: str) -> Resource:
    """A letter of one page."""
    who, paper, file, now = _urn(), _urn(), _urn(), datetime.now(UTC).replace(microsecond=0).isoformat()
    named = {"reference": who, "display": person}
    kind = {"coding": [{"system": "http://snomed.info/sct", "code": "371535009", "display": "verslag van overdracht"}]}
    author = {"resourceType": "Practitioner", "id": "p1", "name": [{"text": "Fysiotherapie Voorbeeld"}]}
    by = [{"reference": "#p1", "display": "Fysiotherapie Voorbeeld"}]
    common: dict[str, Any] = {
        "contained": [author], "identifier": [_identifier()], "status": "current", "type": kind, "subject": named,
        "author": by, "description": "Brief van de fysiotherapeut",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:2.25.{uuid.uuid4().int}"},
    }  # fmt: skip
    pointing = [{"pReference": {"reference": paper, "display": "Brief van de fysiotherapeut"}}]
    manifest = {"resourceType": "DocumentManifest", "meta": {"profile": [f"{ZIB}IHE.MHD.DocumentManifest"]}, **common,
                "created": now, "source": "https://pgo.demo.example", "content": pointing}  # fmt: skip
    about = {"contentType": "application/pdf", "language": "nl", "url": file, "title": "Brief van de fysiotherapeut"}
    reference = {"resourceType": "DocumentReference",
                 "meta": {"profile": [f"{ZIB}IHE.MHD.Minimal.DocumentReference"]}, **common, "indexed": now,
                 "content": [{"attachment": about}]}  # fmt: skip
    binary = {"resourceType": "Binary", "contentType": "application/pdf", "content": _base64(_page())}
    return _bundle(
        "transaction", _entry(who, _patient(person)), _entry(_urn(), manifest), _entry(paper, reference),
        _entry(file, binary),
    )  # fmt: skip


def _correction(person: str) -> Resource:
    """A request to correct the record (R4)."""
    return correction(person, "In mijn dossier staat dat ik rook. Ik ben tien jaar geleden gestopt.")


def correction(person: str, text: str) -> Resource:
    """A request in somebody's own words."""
    who, house = _urn(), _urn()
    named = {"reference": who, "type": "Patient", "display": person}
    asked = {
        "resourceType": "Communication",
        "meta": {"profile": [f"{ZIB}dwv-PatientCorrectionsCommunication"]},
        "identifier": [_identifier()],
        "status": "completed",
        "category": [{"coding": [{"system": KINDS, "code": "medRecCxReq", "display": "Correction Request"}]}],
        "subject": named,
        "topic": {"text": "Verzoek om mijn dossier te verbeteren"},
        "sent": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "recipient": [{"reference": house, "type": "Organization", "display": "Mijn zorgaanbieder"}],
        "sender": named,
        "payload": [{"contentString": text}],
    }
    organization = {"resourceType": "Organization", "name": "Mijn zorgaanbieder"}
    patient = _patient(person, f"{ZIB}nl-core-Patient")
    return _bundle("transaction", _entry(who, patient), _entry(house, organization), _entry(_urn(), asked))


def _photo(person: str) -> Resource:
    """A photo of a spot on a skin, drawn here."""
    who, item, file, now = _urn(), _urn(), _urn(), datetime.now(UTC).replace(microsecond=0).isoformat()
    named, data = {"reference": who, "display": person}, _picture()
    about = {"contentType": "image/png", "url": file, "size": len(data), "title": "Foto van mijn arm",
             "hash": _base64(hashlib.sha1(data, usedforsecurity=False).digest())}  # fmt: skip
    media = {
        "resourceType": "Media", "meta": {"profile": [f"{ZIB}images-Media"]},
        "identifier": [{"use": "official"} | _identifier()], "type": "photo", "subject": named,
        "occurrenceDateTime": now, "content": about,
    }  # fmt: skip
    listed = {
        "resourceType": "List", "meta": {"profile": [f"{ZIB}images-List"]}, "identifier": [_identifier()],
        "status": "current", "mode": "snapshot", "subject": named, "date": now,
        "entry": [{"item": {"reference": item, "display": "Foto van mijn arm"}}],
    }  # fmt: skip
    binary = {"resourceType": "Binary", "contentType": "image/png", "content": _base64(data)}
    entries = (_entry(_urn(), listed), _entry(item, media), _entry(file, binary), _entry(who, _patient(person)))
    return _bundle("transaction", *entries)


def _picture() -> bytes:
    """A PNG of 160 by 120 pixels: a dark spot on a light ground."""
    wide, high, light, dark = 160, 120, b"\xe2\xbc\xa4", b"\x96\x3c\x32"
    rows = (
        b"\0" + b"".join(dark if (x - 80) ** 2 + (y - 60) ** 2 < 900 else light for x in range(wide))
        for y in range(high)
    )
    head = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _page() -> bytes:
    """A page that says that it is PDF/A-2b."""
    with pikepdf.new() as made, io.BytesIO() as stream:
        made.add_blank_page(page_size=(595, 842))
        with made.open_metadata() as data:
            data["pdfaid:part"], data["pdfaid:conformance"], data["dc:title"] = "2", "B", "Brief"
        made.save(stream)
        return stream.getvalue()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


PARCELS: Mapping[str, ExampleParcel] = {
    "weights": ExampleParcel("9008", FhirVersion.STU3, _weights, "four body weights, a week apart"),
    "document": ExampleParcel("9004", FhirVersion.STU3, _document, "a letter of one page (PDF/A)"),
    "photo": ExampleParcel("9007", FhirVersion.STU3, _photo, "a photo"),
    "correction": ExampleParcel("9009", FhirVersion.R4, _correction, "a request to correct the record"),
}
"""The examples, by name."""
