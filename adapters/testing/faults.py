"""What can be wrong with an EHR: one switch each, from the right answer to a wrong one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

Send = Callable[[dict[str, Any]], Awaitable[None]]

MEGABYTE = 1_000_000


class Fault(StrEnum):
    """The switches of the fake EHR."""

    NONE = "none"
    SLOW = "slow"
    HANG = "hang"
    DRIP = "drip"
    RESET = "reset"
    DOWN = "down"
    BUSY = "busy"
    REFUSES = "refuses"
    GARBAGE = "garbage"
    TRUNCATED = "truncated"
    HTML = "html"
    NO_CONTENT = "no-content"
    OTHER_VERSION = "other-version"
    WRONG_PATIENT = "wrong-patient"
    HALF = "half"
    REDIRECT = "redirect"
    FOREIGN_NEXT = "foreign-next"
    CIRCLE = "circle"
    HUGE = "huge"
    DEEP = "deep"
    BAD_UTF8 = "bad-utf8"
    DUPLICATES = "duplicates"
    TORN = "torn"
    ORPHAN = "orphan"
    COMPRESSED = "compressed"


@dataclass(frozen=True, slots=True)
class FakeAnswer:
    """An answer of the fake EHR before it is sent."""

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    resource: Resource | None = None


class ResetError(Exception):
    """Raised by the fake EHR to make its server break the connection."""


FOREIGN = "http://elsewhere.invalid/fhir"

_FHIR = "application/fhir+json"

_ANSWERS: Mapping[Fault, FakeAnswer] = {
    Fault.DOWN: FakeAnswer(503, b"", "text/plain", (("retry-after", "30"),)),
    Fault.BUSY: FakeAnswer(429, b"", "text/plain", (("retry-after", "5"),)),
    Fault.REFUSES: FakeAnswer(403, b"", "text/plain"),
    Fault.GARBAGE: FakeAnswer(200, b"\x00\x01garbage", _FHIR),
    Fault.HTML: FakeAnswer(200, b"<html><body>Onderhoud</body></html>", "text/html; charset=utf-8"),
    Fault.NO_CONTENT: FakeAnswer(204, b"", _FHIR),
    Fault.REDIRECT: FakeAnswer(302, b"", _FHIR, (("location", f"{FOREIGN}/Condition"),)),
    Fault.DEEP: FakeAnswer(200, b'{"resourceType":"Bundle","entry":' + b"[" * 100_000 + b"]" * 100_000 + b"}", _FHIR),
    Fault.BAD_UTF8: FakeAnswer(200, b'{"resourceType":"Bundle","id":"\xc3\x28"}', _FHIR),
}
"""Faults whose answer does not depend on the question."""


def change(fault: Fault, answer: FakeAnswer) -> FakeAnswer:
    """The wrong answer in place of the right one; the right one for faults that are in how it is sent."""
    if fault in _ANSWERS:
        return _ANSWERS[fault]
    if fault is Fault.TRUNCATED:
        return replace(answer, body=answer.body[: len(answer.body) // 2])
    if fault is Fault.OTHER_VERSION:
        return replace(answer, content_type=f"{_FHIR}; fhirVersion=5.0")
    if fault is Fault.COMPRESSED:
        return replace(answer, headers=(*answer.headers, ("content-encoding", "gzip")))
    return answer


def spoil(fault: Fault, bundle: Resource, stranger: Resource | None) -> Resource:
    """The wrong Bundle in place of the right one, for faults that are in the content."""
    entries = list(bundle.get("entry", ()))
    if fault is Fault.WRONG_PATIENT and stranger is not None:
        entries.append({"resource": stranger})
    elif fault is Fault.DUPLICATES:
        entries += entries
    elif fault is Fault.TORN:
        entries += [{"resource": {**entry["resource"], "language": "nl-NL"}} for entry in entries]
    elif fault is Fault.ORPHAN and entries:
        orphan = {name: value for name, value in entries[0]["resource"].items() if name not in ("subject", "patient")}
        entries.append({"resource": {**orphan, "id": "orphan"}})
    elif fault is Fault.FOREIGN_NEXT:
        return {**bundle, "link": [{"relation": "next", "url": f"{FOREIGN}/Condition?_page=2"}]}
    elif fault is Fault.CIRCLE:
        return {**bundle, "link": [{"relation": "next", "url": "Condition?_page=1"}]}
    return {**bundle, "entry": entries} if entries else bundle


async def send(fault: Fault, answer: FakeAnswer, out: Send, slow: float) -> None:
    """Send an answer the way the fault has it."""
    if fault is Fault.HANG:
        await asyncio.sleep(3600)
    if fault is Fault.SLOW:
        await asyncio.sleep(slow)
    headers = [(b"content-type", answer.content_type.encode())]
    headers += [(name.encode(), value.encode()) for name, value in answer.headers]
    if fault is Fault.HUGE:
        await _send_huge(headers, out)
        return
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await out({"type": "http.response.start", "status": answer.status, "headers": headers})
    if fault is Fault.RESET:
        await out({"type": "http.response.body", "body": answer.body[:10], "more_body": True})
        raise ResetError
    if fault is Fault.DRIP:
        for index in range(len(answer.body)):
            await out({"type": "http.response.body", "body": answer.body[index : index + 1], "more_body": True})
            await asyncio.sleep(0.1)
    else:
        await out({"type": "http.response.body", "body": answer.body, "more_body": True})
    await out({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_huge(headers: list[tuple[bytes, bytes]], out: Send) -> None:
    """300 MB of a Bundle that never gets to its end."""
    await out({"type": "http.response.start", "status": 200, "headers": headers})
    await out({"type": "http.response.body", "body": b'{"resourceType":"Bundle","id":"', "more_body": True})
    for _ in range(300):
        await out({"type": "http.response.body", "body": b"x" * MEGABYTE, "more_body": True})
        await asyncio.sleep(0)
    await out({"type": "http.response.body", "body": b'"}', "more_body": False})


def as_json(resource: Resource, status: int = 200) -> FakeAnswer:
    """A resource as a right answer."""
    return FakeAnswer(status, jsonio.dump(resource), _FHIR, resource=resource)


def as_xml(answer: FakeAnswer, version: FhirVersion) -> FakeAnswer:
    """The same answer in XML."""
    return replace(answer, body=xmlio.dump(answer.resource, version), content_type="application/fhir+xml")
