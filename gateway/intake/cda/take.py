"""Taking in one CDA document: a DocumentReference and its Binary, through the walk of all that comes in. Synchronous.

A new version (setId, versionNumber) of a document takes its place; one that replaces another (RPLC) leaves the old one
there as superseded. The document as it came is kept, sealed, with the DocumentReference.
"""

import base64
import hashlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from adapters.mapping.functions import key
from adapters.port import AdapterMisconfigured
from gateway.intake.cda.body import CdaFile, body_of
from gateway.intake.cda.header import CdaHeader, InstanceId, header_of, wrong
from gateway.intake.cda.paper import paper_of
from gateway.intake.cda.tree import read_tree
from gateway.intake.preconditions import Preconditions, Tags, version_is
from gateway.intake.receipts import Taken
from gateway.intake.refusal import refusal
from gateway.intake.settings import CdaSettings
from gateway.intake.tasks import ID, Push, Task
from gateway.intake.work import ATTEMPTS, Intake
from gateway.store.engine import reading
from gateway.store.history import received
from gateway.store.identity import token
from gateway.store.known import by_identifier, contents_of, known, rows_of
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.bsn import BSN_SYSTEM

KEEP_WHOLE = 200_000
"""Longest document that is kept with its file inside; of a longer one the file is kept in its Binary only."""
FORMAT = "cda"
_PROFILE = "http://nictiz.nl/fhir/StructureDefinition/IHE.MHD.Minimal.DocumentReference"
_CONFIDENTIALITY = {
    FhirVersion.STU3: "http://hl7.org/fhir/v3/Confidentiality",
    FhirVersion.R4: "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
}


class CdaTaker:
    """Takes in the documents of one source."""

    def __init__(self, name: str, settings: CdaSettings, intake: Intake) -> None:
        """Raises AdapterMisconfigured when the font is not there."""
        if not Path(settings.font).is_file():
            raise AdapterMisconfigured(f"intake.sources.{name}.cda.font: there is no {settings.font}")
        self._name = name
        self._settings = settings
        self._intake = intake
        source = intake.settings.sources[name]
        self._provider, self._fhir = source.provider, source.fhir

    def take(self, raw: bytes, charset: str = "", request_id: str = "") -> Taken:
        """Carry out a document. Raises FormatError, Refusal, or SQLAlchemyError when the store does not answer."""
        root = read_tree(raw, charset)
        header = header_of(root, self._settings.zone)
        if header.confidentiality not in self._settings.confidentiality:
            raise wrong(
                f"documents of confidentiality {header.confidentiality[:20]} are not taken", "confidentialityCode"
            )
        body = body_of(root)
        if isinstance(body, CdaFile):
            file, kept = body, _shortened(raw, body)
        else:
            made = _moment(header.made, self._settings.zone)
            pdf = paper_of(header, body, made, Path(self._settings.font))
            file, kept = CdaFile("application/pdf", pdf, ""), raw
        digest = hashlib.sha256(raw).digest()

        def push() -> Push:
            tasks = self._tasks(header, file, kept)
            return Push(self._fhir, tasks, "transaction", request_id, digest)

        for _ in range(ATTEMPTS):
            taken = self._intake.take(self._name, push)
            if taken.answer.status != 412:
                break
        return taken

    def _tasks(self, header: CdaHeader, file: CdaFile, kept: bytes) -> list[Task]:
        id_ = str(key("cda", *_parts(header.set or header.number)))
        patient = self._patient(header)
        resource = self._reference(header, file, id_, patient)
        only_if = Preconditions(none_match=Tags(any=True))
        keys = [("DocumentReference", id_), ("Binary", id_)]
        with reading(self._intake.engine).connect() as connection:
            rows = rows_of(connection, self._provider, self._fhir, keys)
            here = [rows[one].version for one in keys if one in rows and not rows[one].deleted]
            if len(here) == len(keys):
                last = self._last(connection, id_, here[0])
                if last == kept:
                    # The same document again. The paper that was made of it stays, also when it would be another today.
                    return [self._again(connection, id_, here[0])]
                self._newer(header, last)
                only_if = version_is(here[0])
            elif keys[0] in rows and not rows[keys[0]].deleted:
                only_if = version_is(rows[keys[0]].version)
            relations, tasks = self._relations(connection, header, id_)
        if relations:
            resource["relatesTo"] = relations
        if patient:
            made = {"resourceType": "Patient", "id": patient, **header.target.patient}
            tasks.append(self._task(made, only_new=True))
        content = "content" if self._fhir is FhirVersion.STU3 else "data"
        binary = {"resourceType": "Binary", "id": id_, "contentType": file.media}
        tasks.append(self._task(binary | {content: base64.b64encode(file.content).decode()}))
        document = self._task(resource)
        document.received, document.only_if = (kept, FORMAT), only_if
        return [*tasks, document]

    def _task(self, resource: Resource, *, only_new: bool = False) -> Task:
        type_, id_ = str(resource["resourceType"]), str(resource["id"])
        original = b"" if type_ == "Binary" else jsonio.dump(resource)
        return Task("PUT", type_, id_, resource, original, only_new=only_new, place=f"{type_}/{id_}")

    def _patient(self, header: CdaHeader) -> str:
        """The id of the patient; empty when the document gives no number but the BSN."""
        asked = self._settings.patients
        numbers = [one for one in header.target.numbers if not asked or one.root == asked]
        if len(numbers) > 1:
            place = "recordTarget.patientRole.id"
            raise wrong("several numbers of the patient; cda.patients says the root of the one that counts", place)
        if not numbers:
            return ""
        number = numbers[0].extension
        return number if ID.fullmatch(number) else str(key(number))

    def _reference(self, header: CdaHeader, file: CdaFile, id_: str, patient: str) -> Resource:
        stu3 = self._fhir is FhirVersion.STU3
        subject: dict[str, Any] = {"identifier": {"system": BSN_SYSTEM, "value": header.target.bsn}}
        if patient:
            subject["reference"] = f"Patient/{patient}"
        numbers = [_identifier(one) for one in (header.number, header.set) if one]
        label = {"system": _CONFIDENTIALITY[self._fhir], "code": header.confidentiality}
        attachment = {
            "contentType": file.media, "language": header.language, "url": f"Binary/{id_}", "size": len(file.content),
            "hash": base64.b64encode(hashlib.sha1(file.content, usedforsecurity=False).digest()).decode(),
            "title": header.title,
        }  # fmt: skip
        moment = _moment(header.made, self._settings.zone).isoformat()
        resource = {
            "resourceType": "DocumentReference", "id": id_,
            "meta": {"profile": [_PROFILE]} if stu3 else None,
            "masterIdentifier": numbers[0], "identifier": numbers, "status": "current",
            "type": header.code, "subject": subject,
            "created": header.made if stu3 else None,
            "indexed": moment if stu3 else None, "date": None if stu3 else moment,
            "author": [{"display": one} for one in header.authors],
            "custodian": {"display": header.custodian} if header.custodian else None,
            "description": header.title, "securityLabel": [{"coding": [label]}],
            "content": [{"attachment": {name: value for name, value in attachment.items() if value}}],
        }  # fmt: skip
        return {name: value for name, value in resource.items() if value}

    def _last(self, connection: Connection, id_: str, version: int) -> bytes:
        """The document as it was received last."""
        key_ = ("DocumentReference", id_)
        return received(connection, self._provider, self._fhir, key_, version, self._intake.ring) or b""

    def _newer(self, header: CdaHeader, last: bytes) -> None:
        """That this document may take the place of the one that is here. Raises Refusal 409."""
        if not last.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
            return  # What stands there was not received as CDA: it was superseded, or pushed as FHIR.
        before, now = header_of(read_tree(last), self._settings.zone).version or 0, header.version or 0
        if before > now:
            raise wrong(f"version {before} of this document is here already", "versionNumber", 409)
        if before == now:
            text = "this version is here already, with other content; a correction has a higher version"
            raise wrong(text, "versionNumber", 409)

    def _relations(self, connection: Connection, header: CdaHeader, id_: str) -> tuple[list[Resource], list[Task]]:
        """What the document says of others: relatesTo, and the old documents that it replaces."""
        relations: list[Resource] = []
        tasks: list[Task] = []
        for kind, parent in header.related:
            other = self._find(connection, parent)
            if other == id_:
                continue
            if not other:
                relations.append({"code": kind, "target": {"identifier": _identifier(parent)}})
                continue
            self._same_person(connection, other, header)
            relations.append({"code": kind, "target": {"reference": f"DocumentReference/{other}"}})
            if kind == "replaces":
                tasks.append(self._again(connection, other, status="superseded"))
        return relations, tasks

    def _find(self, connection: Connection, number: InstanceId) -> str:
        named = _identifier(number)
        hashed = token(self._intake.sender(self._name).pseudonyms, "DocumentReference", named["system"], named["value"])
        found = by_identifier(connection, self._provider, self._fhir, self._name, "DocumentReference", hashed)
        return found[0] if len(found) == 1 else ""

    def _same_person(self, connection: Connection, other: str, header: CdaHeader) -> None:
        found = known(connection, self._provider, self._fhir, [("DocumentReference", other)])
        patients = [found.patients.get(row.patient_id) for key_, row in found.rows.items() if key_[1] == other]
        sealed = [one.sealed_bsn for one in patients if one is not None and one.sealed_bsn is not None]
        if [self._intake.ring.open("bsn", one).decode() for one in sealed] != [header.target.bsn]:
            raise wrong("the parent document is of another patient", "relatedDocument", 409)

    def _again(self, connection: Connection, id_: str, version: int = 0, **change: str) -> Task:
        """A document of ours as it is stored, with a change."""
        key_ = ("DocumentReference", id_)
        version = version or rows_of(connection, self._provider, self._fhir, [key_])[key_].version
        for _, content in contents_of(connection, self._provider, self._fhir, [key_]):
            made = self._task(jsonio.load(content) | change)
            # Kept as it was received, so that it is known when it is sent once more.
            return replace(made, only_if=version_is(version), received=(self._last(connection, id_, version), FORMAT))
        raise refusal(412, "conflict", "the document was changed meanwhile")


def _parts(number: InstanceId) -> tuple[str, ...]:
    return (number.root, number.extension) if number.extension else (number.root,)


def _identifier(number: InstanceId) -> dict[str, str]:
    """As FHIR writes an instance identifier (mapping of data type II)."""
    kind = "urn:oid:" if number.root.replace(".", "").isdecimal() else "urn:uuid:"
    root = f"{kind}{number.root if kind == 'urn:oid:' else number.root.lower()}"
    return {"system": root, "value": number.extension} if number.extension else {
        "system": "urn:ietf:rfc:3986", "value": root}  # fmt: skip


def _moment(made: str, zone: str) -> datetime:
    """The moment of a FHIR dateTime; the first one of a day, month or year."""
    text = made if "T" in made else f"{made}-01-01"[:10]
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))


def _shortened(raw: bytes, file: CdaFile) -> bytes:
    """The document as it is kept: of a large one without the file, which its Binary has byte for byte."""
    encoded = file.encoded.encode()
    return raw if len(raw) <= KEEP_WHOLE or raw.count(encoded) != 1 else raw.replace(encoded, b"")
