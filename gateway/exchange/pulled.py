"""What was collected at another institution, kept apart from every record: sealed, each with its verdict.

Who it is about is compared with whom we know, by number and birth date; nobody is made, nobody is guessed (RX-06).
"""

from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from gateway.exchange.grants import BSN_SYSTEM
from gateway.exchange.taking import SEAL
from gateway.quality.gate import Gate
from gateway.share.keep import Keys
from gateway.store.exchanged import received_referral, received_resource, received_search
from gateway.store.schema import patient
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.walk import links

LETTERS = 1_000
"""Numbers of searches from here are of documents, which no input of a Task names."""
MOST_LETTERS = 200


@dataclass(frozen=True, slots=True)
class PulledStore:
    """Keeps. ``gate`` gives the verdict on what others send, which is counted as theirs."""

    keys: Keys
    gate: Gate

    def keep(
        self, store: Connection, row: Row[Any], number: int, type_: str, id_: str, body: bytes, now: datetime
    ) -> None:
        """Keep one resource of a search, in the caller's transaction; what is there already stays."""
        digest = sha256(body).digest()
        mine = (
            received_resource.c.received_id == row.id,
            received_resource.c.type == type_,
            received_resource.c.id == id_,
        )
        known = store.execute(select(received_resource.c.pk, received_resource.c.digest).where(*mine)).one_or_none()
        if known is not None and bytes(known.digest) == digest:
            return
        verdict, findings = "unchecked", b"[]"
        if type_ != "Binary":
            resource: Resource = jsonio.load(body)
            if type_ == "Patient":
                self._person(store, row, resource)
            report = self.gate.judge(row.provider, f"partner {row.partner}", FhirVersion.STU3, resource).report
            if report is not None:
                verdict = "ok" if report.valid else "wrong"
                findings = msgspec.json.encode([[one.rule, one.expression, one.severity] for one in report.findings])
            self._documents(store, row, resource, now)
        values = {
            "number": number,
            "sealed": self.keys.ring.seal(SEAL, body),
            "digest": digest,
            "verdict": verdict,
            "findings": findings,
            "at": now,
        }
        if known is None:
            store.execute(insert(received_resource).values(received_id=row.id, type=type_, id=id_, **values))
        else:
            store.execute(update(received_resource).where(received_resource.c.pk == known.pk).values(**values))

    def _person(self, store: Connection, row: Row[Any], resource: Resource) -> None:
        """RX-06: who it is, by number and birth date. Nobody is made, nobody is guessed."""
        numbers = [one.get("value") for one in resource.get("identifier", ()) if one.get("system") == BSN_SYSTEM]
        numbers = [one for one in numbers if isinstance(one, str) and one.isascii() and one.isdigit() and len(one) == 9]
        if len(set(numbers)) != 1:
            return
        person = self.keys.pseudonyms.of(str(numbers[0]))
        mine = (patient.c.provider == row.provider, patient.c.person == person)
        known = store.execute(select(patient.c.birth_date).where(*mine)).scalars().all()
        match = "known" if known else "unknown"
        if any(_differs(one, resource.get("birthDate")) for one in known):
            match = "differs"
        values = {"person": person, "match": match}
        store.execute(update(received_referral).where(received_referral.c.id == row.id).values(**values))

    def _documents(self, store: Connection, row: Row[Any], resource: Resource, now: datetime) -> None:
        """The contents of a letter, as searches of their own: below the same base, and for letters only (RX-03)."""
        if resource.get("resourceType") != "DocumentReference":
            return
        have = store.execute(
            select(received_search.c.number, received_search.c.search).where(received_search.c.received_id == row.id)
        ).all()
        known, number = {one.search for one in have}, max([LETTERS, *(one.number + 1 for one in have)])
        for type_, id_ in links(resource):
            path = f"{type_}/{id_}"
            if type_ != "Binary" or path in known or number >= LETTERS + MOST_LETTERS:
                continue
            values = {"search": path, "state": "pending", "reason": "", "count": 0, "attempts": 0, "at": now}
            store.execute(insert(received_search).values(received_id=row.id, number=number, **values))
            known.add(path)
            number += 1


def _differs(known: date | None, stated: object) -> bool:
    return known is not None and isinstance(stated, str) and len(stated) == 10 and stated != known.isoformat()
