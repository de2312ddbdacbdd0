"""Records of the trail for others: FHIR AuditEvent (R4, after IHE BALP) and plain rows."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Connection, select

from gateway.audit.balp import faults, profile_of
from gateway.store.schema import audit_record

_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_HL7 = "http://terminology.hl7.org/CodeSystem"
_BALP = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
_REST = {"system": f"{_HL7}/audit-event-type", "code": "rest", "display": "Restful Operation"}
_SUBTYPES = {"search-type": "search-type", "read": "read", "create": "create", "transaction": "transaction",
             "batch": "batch", "operation": "operation"}  # fmt: skip
_DEEDS = {"search-type": "E", "operation": "E", "read": "R", "create": "C", "transaction": "E", "batch": "E",
          "update": "U", "delete": "D"}  # fmt: skip
COLUMNS = ("at", "who", "on_behalf", "what", "service", "provider", "outcome", "reason", "resources", "basis", "record")
"""Of a row: moment (UTC), who, for whom, deed, service, provider, status, reason, count, consent, place."""


def records_of(connection: Connection, person: str) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Every record about a person (pseudonym), professionals and sources included: chain, number and record."""
    asked = select(audit_record).where(audit_record.c.person == person).order_by(audit_record.c.at)
    for row in connection.execute(asked, execution_options={"yield_per": 1000}):
        yield row.chain, row.sequence, msgspec.json.decode(bytes(row.record), type=dict[str, Any])


def record_at(connection: Connection, chain: str, number: int) -> tuple[dict[str, Any], bytes] | None:
    """One record by its place, with its mac; None when there is none."""
    which = (audit_record.c.chain == chain) & (audit_record.c.sequence == number)
    row = connection.execute(select(audit_record).where(which)).first()
    return None if row is None else (msgspec.json.decode(bytes(row.record), type=dict[str, Any]), bytes(row.mac))


def audit_event(chain: str, number: int, record: dict[str, Any], site: str) -> dict[str, Any]:
    """A record as an AuditEvent. Persons are the pseudonyms of the trail: no number of anybody is in it.

    It claims the profile of BALP that it meets by the rows of balp.toml, and none otherwise.
    """
    interaction, status = str(record.get("interaction", "")), int(record.get("outcome", 0))
    subtype, action = _SUBTYPES.get(interaction), _DEEDS.get(interaction, "E")
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": hashlib.sha256(f"{chain}/{number}".encode()).hexdigest()[:32],
        "type": _REST,
        "action": action,
        "recorded": record["at"],
        "outcome": "0" if status < 400 else "4" if status < 500 else "8",
        "agent": _machines(record, site, reads=action == "R"),
        "source": {"site": site, "observer": {"display": "MedMij gateway"}},
        "entity": list(_entities(chain, number, record, action)),
    }
    if subtype:
        event["subtype"] = [{"system": "http://hl7.org/fhir/restful-interaction", "code": subtype}]
    if record.get("reason"):
        event["outcomeDesc"] = str(record["reason"])
    if record.get("actor"):
        event["agent"].append(_actor(record))
    if record.get("basis"):
        event["purposeOfEvent"] = [{"text": f"consent {record['basis']}"}]
    profile = profile_of(event)
    if profile is not None and not faults(event, profile):
        event = {"resourceType": "AuditEvent", "id": event["id"], "meta": {"profile": [profile.url]}, **event}
    return event


def _machines(record: dict[str, Any], site: str, *, reads: bool) -> list[dict[str, Any]]:
    """Client and server. In a read the data go to the client, in a search the question goes to the server."""
    client, server = str(record.get("client") or "unknown"), urlsplit(site).hostname or "unknown"
    source, destination = _role("110153", "Source Role ID"), _role("110152", "Destination Role ID")
    asked = {"type": destination if reads else source, "who": {"identifier": {"value": client}},
             "requestor": not record.get("actor"), "network": {"address": client, "type": "1"}}  # fmt: skip
    answers = {"type": source if reads else destination, "who": {"identifier": {"value": site}},
               "requestor": False, "network": {"address": server, "type": "1"}}  # fmt: skip
    return [asked, answers]


def _role(code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": _DCM, "code": code, "display": display}]}


def _actor(record: dict[str, Any]) -> dict[str, Any]:
    recipient = {"system": f"{_HL7}/v3-ParticipationType", "code": "IRCP", "display": "information recipient"}
    return {
        "type": {"coding": [recipient], "text": "representative"},
        "who": {"identifier": {"system": "urn:pseudonym", "value": str(record["actor"])}},
        "requestor": True,
    }


def _entities(chain: str, number: int, record: dict[str, Any], action: str) -> Iterator[dict[str, Any]]:
    kinds, roles = f"{_HL7}/audit-entity-type", f"{_HL7}/object-role"
    if record.get("person"):
        yield {
            "what": {"type": "Patient", "identifier": {"system": "urn:pseudonym", "value": str(record["person"])}},
            "type": {"system": kinds, "code": "1", "display": "Person"},
            "role": {"system": roles, "code": "1", "display": "Patient"},
        }
    if record.get("request_id"):
        yield {
            "what": {"identifier": {"value": str(record["request_id"])}},
            "type": {"system": _BALP, "code": "XrequestId"},
        }
    system = {"system": kinds, "code": "2", "display": "System Object"}
    rule = f"{record.get('service', '')} {record.get('rule', '')}".strip()
    if action == "E":
        # The trail keeps the row of the standard by which it was asked, never the values that were searched for.
        asked = {"type": system, "role": {"system": roles, "code": "24", "display": "Query"}, "description": rule}
        yield {**{name: value for name, value in asked.items() if value},
               "query": base64.b64encode((rule or "unknown").encode()).decode()}  # fmt: skip
    else:
        role = {"system": roles, "code": "4", "display": "Domain Resource"}
        yield {"what": {"display": rule or "unknown"}, "type": system, "role": role}
    about = {"action": record.get("action"), "service": record.get("service"), "rule": record.get("rule")}
    told = [{"type": name, "valueString": str(value)} for name, value in about.items() if value]
    for name in ("resources", "hidden"):
        told += [{"type": f"{name}:{what}", "valueString": str(count)} for what, count in record.get(name, ())]
    for one in record.get("objects", ()):
        uid, _, images = str(one).partition(": ")
        yield {
            "what": {"identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}},
            "type": {"system": kinds, "code": "2", "display": "System Object"},
            "role": {"system": roles, "code": "3", "display": "Report"},
            **({"detail": [{"type": "images", "valueString": images}]} if images else {}),
        }
    yield {
        "what": {"identifier": {"system": "urn:audit-chain", "value": f"{chain}/{number}"}},
        "type": {"system": "urn:audit-chain", "code": "record"},
        "detail": told,
    }


def row_of(chain: str, number: int, record: dict[str, Any]) -> list[str]:
    """A record as a row of `COLUMNS`."""
    count = sum(int(pair[1]) for pair in record.get("resources", ()))
    values = (
        record["at"], record.get("client", ""), "representative" if record.get("actor") else "",
        record.get("action", ""), record.get("service", ""), record.get("provider", ""), record.get("outcome", ""),
        record.get("reason", ""), count, record.get("basis", ""), f"{chain}/{number}",
    )  # fmt: skip
    return [safe_cell(str(value)) for value in values]


def safe_cell(text: str) -> str:
    """A cell that a spreadsheet does not take for a formula."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
