"""Filing over HL7 v2 (MLLP): ORU^R01 for measurements, MDM^T02 with a PDF for everything else.

The control id (MSH-10) comes from the item, so that a receiver that saw it before says so and files it once. Source:
HL7 2.5.1 chapters 2, 7 and 9, appendix C.
"""

import asyncio
import base64
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from adapters.filing.port import SECONDS, AcceptedItem, Filed, Filing, Later, Rejected
from adapters.filing.settings import Hl7Filing
from profiles.fhir.tree import Resource

BEGIN, END = b"\x0b", b"\x1c\r"
SYSTEMS = {"http://loinc.org": "LN", "http://snomed.info/sct": "SCT"}
"""HL7 table 0396."""
LONGEST = 65_536
"""Bytes of an acknowledgement."""


class Hl7WriteBack:
    """One receiver."""

    def __init__(self, settings: Hl7Filing) -> None:
        self.name = settings.name
        self._settings = settings

    def takes(self, standard: str, type_: str) -> bool:
        """See WriteBack."""
        return self._settings.takes(standard, type_)

    async def aclose(self) -> None:
        """Nothing is kept open."""

    async def file(self, item: AcceptedItem) -> Filing:
        """See WriteBack."""
        message = message_of(item, self._settings)
        if not message:
            return Rejected("no-document", "the item is neither a measurement nor a document")
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._sent(message)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as fault:
            return Later(f"the receiver did not answer: {type(fault).__name__}")
        return _meaning(answer, control_id(item))

    async def _sent(self, message: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._settings.host, self._settings.port, limit=LONGEST)
        try:
            writer.write(BEGIN + message + END)
            await writer.drain()
            return (await reader.readuntil(END)).strip(BEGIN + END)
        finally:
            writer.close()


def control_id(item: AcceptedItem) -> str:
    """MSH-10: twenty characters at most, the same each time the item is sent."""
    return item.id.replace("-", "")[:20]


def message_of(item: AcceptedItem, settings: Hl7Filing) -> bytes:
    """The message for an item, in UTF-8; empty when there is nothing to send."""
    document = item.files[0].content if item.files and item.files[0].media == "application/pdf" else item.readable
    if item.type == "Observation":
        event, body = "ORU^R01^ORU_R01", list(_oru(item))
    elif document:
        event, body = "MDM^T02^MDM_T02", list(_mdm(item, document))
    else:
        return b""
    now = _time(item.accepted)
    msh = ["MSH", "^~\\&", *map(_plain, (settings.application, settings.facility, settings.receiver)),
           _plain(settings.receiver_facility), now, "", event, control_id(item), "P", "2.5.1", "", "", "AL", "NE",
           "NLD", "UNICODE UTF-8"]  # fmt: skip
    ids = [f"{_plain(item.patient_id)}^^^^PI"] + ([f"{item.bsn}^^^NLMINBIZA^NNNLD"] if item.bsn else [])
    pid = ["PID", "1", "", "~".join(ids)]
    rows = [msh, *([["EVN", "T02", now]] if event.startswith("MDM") else []), pid, *body]
    return "".join("|".join(row) + "\r" for row in rows).encode()


def _oru(item: AcceptedItem) -> Iterator[list[str]]:
    resource = item.resource
    code, at = _coded(resource.get("code")), _time_of(resource, item.sent)
    yield ["OBR", "1", item.id, item.id, code, "", "", at, *[""] * 14, _time(item.accepted), "", "", "F"]
    number = 0
    for part in (resource, *(one for one in resource.get("component", ()) if isinstance(one, dict))):
        kind, value, unit = _value(part)
        if kind:
            number += 1
            yield ["OBX", str(number), kind, _coded(part.get("code")), "", value, unit, "", "", "", "", "F", "", "", at]
    yield ["NTE", "1", "L", _plain(f"Door de patiënt zelf gemeten en gestuurd; geaccepteerd door {item.accepted_by}.")]


def _mdm(item: AcceptedItem, document: bytes) -> Iterator[list[str]]:
    at = _time(item.sent)
    yield ["TXA", "1", "PATDOC", "AP", at, "", at, _time(item.accepted), "", "", "", "", item.id, "", "", "", "",
           "AU", "", "AV"]  # fmt: skip
    content = base64.b64encode(document).decode()
    yield ["OBX", "1", "ED", f"PATDOC^{_plain(item.title)}^L", "", f"^application^pdf^Base64^{content}", "", "", "", "",
           "", "F"]  # fmt: skip


def _value(part: Resource) -> tuple[str, str, str]:
    """Type, value and unit of an observation or component; empty when it has none."""
    quantity: Any = part.get("valueQuantity")
    if isinstance(quantity, dict) and "value" in quantity:
        unit = str(quantity.get("code") or quantity.get("unit") or "")
        return "NM", str(quantity["value"]), f"{_plain(unit)}^^UCUM"
    concept = part.get("valueCodeableConcept")
    if isinstance(concept, dict):
        return "CWE", _coded(concept), ""
    text = part.get("valueString")
    return ("ST", _plain(text), "") if isinstance(text, str) else ("", "", "")


def _coded(concept: Any) -> str:
    for coding in concept.get("coding", ()) if isinstance(concept, dict) else ():
        system = str(coding.get("system", ""))
        parts = (str(coding.get("code", "")), str(coding.get("display", "")), SYSTEMS.get(system, "L"))
        return "^".join(map(_plain, parts))
    return f"^{_plain(str(concept.get('text', '')) if isinstance(concept, dict) else '')}"


def _plain(text: str) -> str:
    """Text as it stands in a field: separators and line ends written as escape sequences."""
    marks = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\", "\r": "", "\n": "\\.br\\"}
    return "".join(marks.get(one, one) for one in text)


def _time(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S%z")


def _time_of(resource: Resource, otherwise: datetime) -> str:
    text = resource.get("effectiveDateTime")
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else otherwise
    except ValueError:
        return "".join(one for one in str(text) if one.isdigit())[:8]
    return _time(found)


def _meaning(answer: bytes, control: str) -> Filing:
    rows = [line.split("|") for line in answer.decode("utf-8", "replace").split("\r")]
    msa: Sequence[str] = next((row for row in rows if row[0] == "MSA"), ())
    if len(msa) < 3 or msa[2] != control:
        return Later("the receiver did not acknowledge this message")
    if msa[1] in ("AA", "CA"):
        return Filed(control)
    if msa[1] in ("AR", "CR"):
        return Later(f"the receiver answered {msa[1]}")
    return Rejected(msa[1][:10], f"the receiver answered {msa[1][:10]}")
