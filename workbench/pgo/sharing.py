"""A PGO sends: a Bundle to a data service, and what became of each entry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from workbench.pgo.endpoints import Dva
from workbench.pgo.oauth import CORRELATION_ID, REQUEST_ID, Tokens


@dataclass(frozen=True, slots=True)
class EntrySent:
    """One entry of the answer: what it is, where it is kept, its status, and why it was refused."""

    what: str
    location: str
    status: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class ShareAnswer:
    """The answer to what was sent."""

    status: int
    entries: Sequence[EntrySent]
    said: Sequence[str]
    """What the provider tells the person, or what is wrong."""

    @property
    def taken(self) -> bool:
        """Whether everything was taken."""
        return self.status in (200, 201) and all(one.status[:1] == "2" for one in self.entries)


async def share(
    http: httpx.AsyncClient, dva: Dva, tokens: Tokens, service: str, body: bytes, version: FhirVersion
) -> ShareAnswer:
    """Send a Bundle, in the format in which it stands. Raises httpx.HTTPError and EndpointError."""
    form = "xml" if body.lstrip()[:1] == b"<" else "json"
    media = f"application/fhir+{form}; fhirVersion={version.mime}"
    headers = {
        "Authorization": f"Bearer {tokens.access_token}", "Content-Type": media, "Accept": media,
        "Prefer": "return=representation", REQUEST_ID: str(uuid4()), CORRELATION_ID: tokens.correlation,
    }  # fmt: skip
    answer = await http.post(dva.resource(tokens.provider, service), content=body, headers=headers)
    return read_answer(answer.status_code, answer.content, version)


def read_answer(status: int, content: bytes, version: FhirVersion) -> ShareAnswer:
    """What an answer says; one that cannot be read says that."""
    try:
        body = xmlio.parse(content, version) if content.lstrip()[:1] == b"<" else jsonio.parse(content)
    except FormatError as fault:
        return ShareAnswer(status, (), (f"the answer cannot be read: {fault}",))
    if body.get("resourceType") == "OperationOutcome":
        return ShareAnswer(status, (), tuple(_issues(body)))
    sent, said = [], []
    for entry in body.get("entry", []):
        resource, response = entry.get("resource", {}), entry.get("response", {})
        if resource.get("resourceType") == "OperationOutcome":
            said += _issues(resource)
            continue
        why = "; ".join(_issues(response.get("outcome", {})))
        where = str(response.get("location", ""))
        sent.append(EntrySent(str(resource.get("resourceType", "?")), where, str(response.get("status", "")), why))
    return ShareAnswer(status, tuple(sent), tuple(said))


def _issues(outcome: Resource) -> list[str]:
    rows: list[dict[str, Any]] = outcome.get("issue", [])
    return [" ".join(filter(None, (one.get("details", {}).get("text"), *one.get("expression", ())))) for one in rows]
