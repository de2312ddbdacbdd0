"""Messages that people have to look at: kept in the quarantine as they came, sealed, with what is wrong."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Engine, insert, select

from auth.crypto import KeyRing
from gateway.intake.hl7v2.acknowledge import ErrorSegment
from gateway.store.schema import quarantine
from profiles.fhir.version import FhirVersion


def digest_of(provider: str, source: str, raw: bytes) -> bytes:
    """What tells a message of a source from all others."""
    return hashlib.sha256(f"{provider}|{source}|hl7v2|".encode() + raw).digest()


def hold(
    engine: Engine, ring: KeyRing, provider: str, source: str, version: FhirVersion, raw: bytes, kind: str,
    lines: Sequence[ErrorSegment],
) -> int:  # fmt: skip
    """Keep a message; the number of the item. The same message is held once. Raises SQLAlchemyError."""
    digest = digest_of(provider, source, raw)
    findings = [
        {
            "resource": kind,
            "severity": "error" if line.severity == "E" else "warning",
            "rule": f"hl7v2-{line.code}",
            "expression": line.text,
            "definition": "",
            "profile": "",
            "zib": "",
        }
        for line in lines
    ]
    with engine.begin() as connection:
        held = connection.execute(
            select(quarantine.c.pk).where(quarantine.c.digest == digest, quarantine.c.state == "held")
        ).scalar()
        if held is not None:
            return int(held)
        values = {
            "provider": provider, "source": source, "fhir": version.value, "received": datetime.now(UTC),
            "what": f"HL7 v2 message {kind}", "findings": msgspec.json.encode(findings),
            "sealed": ring.seal("quarantine", raw), "digest": digest, "state": "held",
        }  # fmt: skip
        return int(connection.execute(insert(quarantine).values(values).returning(quarantine.c.pk)).scalar_one())
