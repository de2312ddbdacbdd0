"""Filing in a FHIR server: a create, or a transaction when files come along. Once, by the identifier of the item.

The Patient there is looked up by BSN, in the body of a POST. What is filed says that the patient reported it.
"""

import base64
from collections.abc import Mapping
from typing import Any

import httpx

from adapters.filing.port import SECONDS, AcceptedItem, Filed, FiledFile, Filing, Later, Rejected
from adapters.filing.settings import FhirFiling
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion
from profiles.record.walk import nodes

REPORTED = {
    FhirVersion.STU3: {"system": "http://hl7.org/fhir/v3/ObservationValue", "code": "PATRPT"},
    FhirVersion.R4: {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "PATRPT"},
}
"""Patient reported: a label of HL7 v3 for where data come from."""
URN = "urn:ietf:rfc:3986"
CONTENT = {FhirVersion.STU3: "content", FhirVersion.R4: "data"}
JSON = "application/fhir+json"


class FhirWriteBack:
    """One FHIR server. ``transport`` is for tests."""

    def __init__(self, settings: FhirFiling, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.name = settings.name
        self._settings = settings
        headers = {"accept": JSON, "content-type": JSON}
        if settings.token is not None:
            headers["authorization"] = f"Bearer {settings.token.get_secret_value()}"
        verify: Any = str(settings.ca_file) if settings.ca_file else True
        self._http = httpx.AsyncClient(
            transport=transport,
            verify=verify,
            timeout=SECONDS,
            headers=headers,
            trust_env=False,
            follow_redirects=False,
        )

    def takes(self, standard: str, type_: str) -> bool:
        """See WriteBack."""
        return self._settings.takes(standard, type_)

    async def aclose(self) -> None:
        """See WriteBack."""
        await self._http.aclose()

    async def file(self, item: AcceptedItem) -> Filing:
        """See WriteBack."""
        try:
            patient = await self._patient(item)
            if patient is None:
                return Rejected("unknown-patient", "the EHR does not know this patient, or more than one")
            answer = await self._send(item, patient)
        except (httpx.HTTPError, _Silent) as fault:
            return Later(f"the EHR did not answer: {type(fault).__name__}")
        return _meaning(answer, item)

    async def _patient(self, item: AcceptedItem) -> str | None:
        if self._settings.patient == "same" or not item.bsn:
            return item.patient_id
        form = {"identifier": f"{self._settings.patient_system}|{item.bsn}"}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = await self._http.post(f"{self._base}/Patient/_search", data=form, headers=headers)
        if answer.status_code >= 500 or answer.status_code == 429:
            raise _Silent
        entries = _body(answer).get("entry", [])
        ids = {
            str(one["resource"]["id"]) for one in entries if one.get("resource", {}).get("resourceType") == "Patient"
        }
        return ids.pop() if answer.status_code == 200 and len(ids) == 1 else None

    async def _send(self, item: AcceptedItem, patient: str) -> httpx.Response:
        resource = _labelled(_for(item.resource, item.patient_id, patient), item)
        once = f"identifier={URN}|urn:uuid:{item.id}"
        if not item.files and not item.parts:
            url = f"{self._base}/{item.type}"
            return await self._http.post(url, content=jsonio.dump(resource), headers={"if-none-exist": once})
        entries = [_entry(resource, once)]
        entries += [_entry(_for(part, item.patient_id, patient), "") for part in item.parts]
        entries += [_entry(_binary(one, item.version), "") for one in item.files]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": _pointing(entries)}
        return await self._http.post(self._base, content=jsonio.dump(bundle))

    @property
    def _base(self) -> str:
        return self._settings.url.rstrip("/")


class _Silent(Exception):
    """The EHR cannot answer now."""


def _meaning(answer: httpx.Response, item: AcceptedItem) -> Filing:
    status = answer.status_code
    if status in (200, 201):
        body = _body(answer)
        location = answer.headers.get("location", "")
        for entry in body.get("entry", []):
            told = str(entry.get("response", {}).get("location", ""))
            location = told if f"{item.type}/" in told and not location else location
        key = local_reference(location) if location else None
        if key is None and body.get("resourceType") == item.type and body.get("id"):
            key = item.type, str(body["id"])
        return Filed("/".join(key) if key else f"{item.type}/{item.id}")
    if status in (408, 425, 429) or status >= 500:
        after = answer.headers.get("retry-after", "")
        return Later(f"HTTP {status}", float(after) if after.isdecimal() and len(after) < 6 else None)
    return Rejected(f"http-{status}", f"the EHR refused it: HTTP {status}")


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _for(resource: Resource, here: str, there: str) -> Resource:
    """A copy that is about the Patient of the EHR, without what is ours."""
    copy: Resource = jsonio.load(jsonio.dump(resource))
    copy.pop("id", None)
    meta = {name: value for name, value in copy.get("meta", {}).items() if name in ("profile", "tag", "security")}
    copy["meta"] = meta
    for _, node in nodes(copy):
        if node.get("reference") == f"Patient/{here}":
            node["reference"] = f"Patient/{there}"
    return copy


def _labelled(resource: Resource, item: AcceptedItem) -> Resource:
    resource["meta"]["security"] = [*resource["meta"].get("security", []), REPORTED[item.version]]
    mine = {"system": URN, "value": f"urn:uuid:{item.id}"}
    if "identifier" not in resource and item.type == "QuestionnaireResponse":
        resource["identifier"] = mine
    elif isinstance(resource.get("identifier", []), list):
        resource["identifier"] = [*resource.get("identifier", []), mine]
    return resource


def _binary(file: FiledFile, version: FhirVersion) -> Resource:
    text = base64.b64encode(file.content).decode()
    return {"resourceType": "Binary", "id": file.id, "contentType": file.media, CONTENT[version]: text}


def _entry(resource: Resource, once: str) -> dict[str, Any]:
    request = {"method": "POST", "url": resource["resourceType"]} | ({"ifNoneExist": once} if once else {})
    return {"resource": resource, "request": request}


def _pointing(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Attachments point at their file by a urn, since its id there is not known yet."""
    urls: Mapping[str, str] = {
        f"Binary/{one['resource']['id']}": f"urn:uuid:{one['resource'].pop('id')}"
        for one in entries
        if one["resource"]["resourceType"] == "Binary"
    }
    for entry, url in zip(entries[len(entries) - len(urls) :], urls.values(), strict=True):
        entry["fullUrl"] = url
    for entry in entries:
        for _, node in nodes(entry["resource"]):
            if node.get("url") in urls:
                node["url"] = urls[str(node["url"])]
    return entries
