"""Images of a person, straight from the PACS: WADO-RS below the FHIR base of a service, with the token of that service.

``[base]/wado/studies/{study}/series/{series}/instances/{instance}``, alone or with ``/rendered``. A study is answered
when a document of the person names it (IHE WADO-RS retrieve behind ITI-67); nothing else of the archive can be reached.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from adapters.dicomweb.archive import ImageArchive, OpenedStudy
from adapters.port import AdapterDown
from auth.grants import Grant
from gateway.http.admission import Admission, Admissions
from gateway.http.answer import Answers
from gateway.http.asked import Question
from gateway.http.progress import Progress, audit_record, use_of
from gateway.http.reply import Reply, Stream, discard
from gateway.http.viewings import ImageAt, Viewings
from gateway.problems import Problem
from gateway.rates import Rate
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.interactions import FhirRequest, Route
from profiles.fhir.tree import Resource
from profiles.standards.admit import whole_search

ROOT = "wado/"
_UID = r"[0-9](?:[0-9.]{0,62}[0-9])?"
_INSTANCE = rf"studies/(?P<study>{_UID})/series/(?P<series>{_UID})/instances/(?P<instance>{_UID})"
_PATH = re.compile(rf"{_INSTANCE}(?P<rendered>/rendered)?", re.ASCII)
_STUDY = re.compile(r"/studies/([0-9.]{1,64})(?:/|$)", re.ASCII)
DICOM, JSON, JPEG = "application/dicom", "application/dicom+json", "image/jpeg"
RETRIEVE_URL = "00081190"
MOST_JSON = 16 * 1024 * 1024
"""Most bytes of a key object selection as JSON; it is read whole, for its addresses."""


@dataclass(frozen=True, slots=True)
class Images:
    """Answers requests for images; ``archives`` by provider."""

    archives: Mapping[str, ImageArchive]
    admissions: Admissions
    answers: Answers
    viewings: Viewings
    pace: Rate = field(default_factory=lambda: Rate(0, 1))
    """How many images one client may fetch of one person; other reads have their own allowance."""

    async def reply(self, progress: Progress) -> Reply:
        """The instance or picture. Raises what `problem_of` knows; the PACS is asked last."""
        address, path = progress.address, progress.address.rest.removeprefix(ROOT)
        if progress.exchange.method not in ("GET", "HEAD"):
            raise Problem(405, "not-supported", "This method is not supported here.", headers={"allow": "GET"})
        grant, standard = await self.admissions.granted(progress, (), self._allow)
        archive, place = self.archives.get(address.provider), _PATH.fullmatch(path)
        row = address.service.images if address.service else None
        if archive is None or row is None or place is None:
            raise Problem(404, "not-supported", "This address is not served here.")
        wanted = _media(progress.exchange.header(b"accept"), (JPEG,) if place["rendered"] else (DICOM, JSON))
        progress.route, progress.rule = Route("image"), row
        admitted = whole_search(standard, standard.rule(row))
        request = FhirRequest(standard.fhir, "search-type", admitted.rule.type, query=admitted.query, base=address.base)
        question = Question(Format.JSON, progress.route, request, admitted)
        if not await self._told(progress, Admission(grant, standard, question), place["study"]):
            raise Problem(404, "not-found", "There is no such image.")
        answer = await self._fetched(progress, archive, path, wanted)
        image = ImageAt(place["study"], place["series"], place["instance"])
        try:
            await self.viewings.see(audit_record(progress, 200, ""), use_of(progress), image)
        except BaseException:
            await discard(answer)
            raise
        # What a source did wrong in this very request is told of it, whatever is told of the study.
        return replace(answer, audited=bool(progress.incidents))

    def _allow(self, grant: Grant) -> None:
        if wait := self.pace.take(f"{grant.client} {grant.subject or grant.patient}"):
            text = "Images are asked too often. Try again later."
            raise Problem(429, "throttled", text, headers={"retry-after": str(ceil(wait))})

    async def _told(self, progress: Progress, admission: Admission, study: str) -> bool:
        """Whether a document of the person names the study."""
        search = admission.admitted.search
        if search is None:
            return False
        collected = await self.answers.collected(progress, admission)
        found = await self.answers.search(admission, search, collected.record)
        return any(study in studies_of(held.whole) for held in found.matches)

    async def _fetched(self, progress: Progress, archive: ImageArchive, path: str, wanted: str) -> Reply:
        try:
            # An instance as JSON is its metadata (PS3.18, 10.4): that is how a key object selection is read.
            opened = await archive.open(f"{path}/metadata" if wanted == JSON else path, wanted)
        except AdapterDown as fault:
            raise _silent() from fault
        try:
            self._check(opened, wanted)
            if wanted == JSON:
                return Reply(200, await _readdressed(opened, f"{progress.address.base}/{ROOT}"), JSON, _HEADERS)
        except BaseException:
            await opened.close()
            raise
        if progress.exchange.method == "HEAD":
            await opened.close()
        return Reply(200, Stream(opened.length, opened.pieces, opened.close), opened.media, _HEADERS)

    @staticmethod
    def _check(opened: OpenedStudy, wanted: str) -> None:
        if opened.status == 404:
            raise Problem(404, "not-found", "There is no such image.")
        if opened.status == 406:
            raise Problem(406, "not-supported", f"This image cannot be given as {wanted}.")
        plain = opened.media.partition(";")[0].strip().lower()
        allowed = {wanted, "multipart/related"} if wanted == DICOM else {wanted}
        if opened.status != 200 or plain not in allowed | ({"application/json"} if wanted == JSON else set()):
            # Whatever else a PACS says (a login page, a fault) is its own affair, and not for a client.
            raise _silent()


_HEADERS = {"vary": "accept", "content-disposition": "attachment", "content-security-policy": "sandbox"}


def studies_of(document: Resource) -> frozenset[str]:
    """The studies that a DocumentReference names: by identifier in its context, or in the address of its content."""
    context = document.get("context")
    related = context.get("related", ()) if isinstance(context, dict) else ()
    studies = {
        str(one.get("identifier", {}).get("value", "")).removeprefix("urn:oid:")
        for one in related
        if one.get("identifier", {}).get("system") == "urn:dicom:uid"
    }
    for content in document.get("content", ()):
        studies |= set(_STUDY.findall(str(content.get("attachment", {}).get("url", ""))))
    return frozenset(studies - {""})


def _media(accept: str | None, offered: tuple[str, ...]) -> str:
    """The first of what is offered that a client accepts; Problem 406."""
    asked = [part.partition(";")[0].strip().lower() for part in (accept or "*/*").split(",")]
    for one in offered:
        if one in asked or "*/*" in asked or f"{one.partition('/')[0]}/*" in asked:
            return one
        if one == DICOM and "multipart/related" in asked:
            return one
    raise Problem(406, "not-supported", f"Images are given as {' and '.join(offered)}.")


async def _readdressed(opened: OpenedStudy, root: str) -> bytes:
    """A data set in JSON in which every Retrieve URL (0008,1190) points at the gateway; Problem when it is none."""
    read = bytearray()
    async for piece in opened.pieces():
        read += piece
        if len(read) > MOST_JSON:
            raise _silent()
    try:
        sets = jsonio.load(bytes(read))
    except ValueError as fault:
        raise _silent() from fault
    for address in _addresses(sets):
        values = address.get("Value")
        if isinstance(values, list):
            address["Value"] = [_here(str(one), root) for one in values]
    return jsonio.dump(sets)


def _here(url: str, root: str) -> str:
    _, mark, rest = url.partition("/studies/")
    return f"{root}studies/{rest}" if mark else ""


def _addresses(sets: Any) -> Iterator[dict[str, Any]]:
    stack = [sets]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if isinstance(node.get(RETRIEVE_URL), dict):
                yield node[RETRIEVE_URL]
            stack += node.values()
        elif isinstance(node, list):
            stack += node


def _silent() -> Problem:
    text = "The image archive does not answer at the moment. Try again later."
    return Problem(503, "transient", text, headers={"retry-after": "30"})
