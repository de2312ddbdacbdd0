"""Who is who: a merge of two patient numbers (A40, A47), a link (A24) and its end (A37).

A merge is carried out only when it cannot show one person what is another's: when both numbers have a BSN, it is the
same. Else people have to look at it. Consents and grants belong to a person, not to a number: they stay as they are,
and the access trail gets a line for both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from gateway.audit.record import AuditRecord
from gateway.intake.sender import Sender
from gateway.store.moving import Moving, persons
from profiles.fhir.version import FhirVersion


class NotOnePerson(Exception):
    """What was asked would mix people up, or cannot be told from the numbers. The text holds no number."""


@dataclass(frozen=True, slots=True)
class IdentityStep:
    """One step: ``kind`` is merge (``first`` ends in ``second``), link, or unlink."""

    kind: str
    first: str
    second: str
    first_bsn: str | None = None
    second_bsn: str | None = None


def check(connection: Connection, sender: Sender, version: FhirVersion, steps: Sequence[IdentityStep]) -> None:
    """Raises NotOnePerson when a step may not be carried out."""
    for step in steps:
        if step.first == step.second:
            raise NotOnePerson("both numbers are the same")
        found = persons(connection, sender.provider, version, [step.first, step.second])
        if any(not sender.owns(one.source) for one in found.values()):
            raise NotOnePerson("one of the numbers is of another source")
        told = [sender.pseudonyms.of(bsn) for bsn in (step.first_bsn, step.second_bsn) if bsn]
        known = [one.person for one in found.values() if one.sealed_bsn]
        if step.kind != "unlink" and len({*told, *known}) > 1:
            raise NotOnePerson("both have a BSN, and these differ")
        if step.kind == "unlink" and len(known) == 2 and known[0] == known[1]:
            raise NotOnePerson("both have the same BSN: to part them, correct the BSN of one")


def carry_out(
    connection: Connection, sender: Sender, version: FhirVersion, steps: Sequence[IdentityStep], received: bytes,
    request: str,
) -> list[AuditRecord]:  # fmt: skip
    """Carry out steps in the caller's transaction; what the access trail must hold. Raises NotOnePerson."""
    check(connection, sender, version, steps)
    moving = Moving(connection, sender, version, received)
    records: list[AuditRecord] = []
    for step in steps:
        patients = persons(connection, sender.provider, version, [step.first, step.second])
        moved: dict[str, int] = {}
        if step.kind == "merge":
            moved = moving.merge(step.first, step.second)
        elif len(patients) < 2:
            raise NotOnePerson("one of the numbers is not known here")
        elif step.kind == "link":
            moving.link(patients[step.first], patients[step.second])
        else:
            moving.unlink(min(patients.values(), key=lambda one: (bool(one.sealed_bsn), one.patient_id == step.first)))
        for person in sorted({one.person for one in patients.values()}):
            records.append(
                AuditRecord(
                    f"ehr:patient:{step.kind}", datetime.now(UTC), 200, provider=sender.provider, client=sender.source,
                    person=person, interaction=step.kind, resources=tuple(sorted(moved.items())),
                    request_id=request[:64],
                )
            )  # fmt: skip
    return records
