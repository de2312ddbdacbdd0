"""Records of the trail for others: FHIR AuditEvent (R4, after IHE BALP) and plain rows."""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, select

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
    """A record as an AuditEvent. Persons are the pseudonyms of the trail: no number of anybody is in it."""
    interaction, status = str(record.get("interaction", "")), int(record.get("outcome", 0))
    subtype = _SUBTYPES.get(interaction)
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": hashlib.sha256(f"{chain}/{number}".encode()).hexdigest()[:32],
        "type": _REST,
        "action": _DEEDS.get(interaction, "E"),
        "recorded": record["at"],
        "outcome": "0" if status < 400 else "4" if status < 500 else "8",
        "agent": [_client(record)],
        "source": {"site": site, "observer": {"display": "MedMij gateway"}},
        "entity": list(_entities(chain, number, record)),
    }
    if subtype:
        event["subtype"] = [{"system": "http://hl7.org/fhir/restful-interaction", "code": subtype}]
    if record.get("reason"):
        event["outcomeDesc"] = str(record["reason"])
    if record.get("actor"):
        event["agent"].append(_actor(record))
    if record.get("basis"):
        event["purposeOfEvent"] = [{"text": f"consent {record['basis']}"}]
    return event


def _client(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": _DCM, "code": "110153", "display": "Source Role ID"}]},
        "who": {"identifier": {"value": str(record.get("client") or "unknown")}},
        "requestor": not record.get("actor"),
    }


def _actor(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": {"text": "representative"},
        "who": {"identifier": {"system": "urn:pseudonym", "value": str(record["actor"])}},
        "requestor": True,
    }


def _entities(chain: str, number: int, record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kinds, roles = f"{_HL7}/audit-entity-type", f"{_HL7}/object-role"
    if record.get("person"):
        yield {
            "what": {"identifier": {"system": "urn:pseudonym", "value": str(record["person"])}},
            "type": {"system": kinds, "code": "1", "display": "Person"},
            "role": {"system": roles, "code": "1", "display": "Patient"},
        }
    if record.get("request_id"):
        yield {
            "what": {"identifier": {"value": str(record["request_id"])}},
            "type": {
                "system": _BALP,
                "code": "XrequestId",
            },
        }
    asked = {"action": record.get("action"), "service": record.get("service"), "rule": record.get("rule")}
    told = [{"type": name, "valueString": str(value)} for name, value in asked.items() if value]
    told += [{"type": f"resources:{type_}", "valueString": str(count)} for type_, count in record.get("resources", ())]
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
        "type": {"system": kinds, "code": "2", "display": "System Object"},
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
