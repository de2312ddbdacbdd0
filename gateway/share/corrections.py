"""The decision on a request to correct the record, and the answer to it as a Communication (DL-82 to DL-84).

What is decided is carried out in the EHR; here it is registered, told to the citizen, and put into the record.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from gateway.share.deeds import Deeds, Targets
from gateway.share.inbox import Inbox, Opened
from gateway.share.keep import Keys, pending_of
from gateway.share.states import NotAllowed
from gateway.store.known import known
from gateway.store.unit import Owner, Unit, now_in_milliseconds
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.stamp import moment

STANDARD = "patientcorrections-1"
SOURCE = "corrections"
"""The source of the answers in the record."""


class CorrectionDecision(StrEnum):
    """What an institution decides on a request."""

    GRANTED = "granted"
    PARTLY = "partly"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class CorrectionDesk:
    """Decides, inside the caller's transaction. ``institution`` is its name, as the citizen knows it."""

    connection: Connection
    keys: Keys
    institution: str
    targets: Targets

    def decide(self, submission_id: str, decision: CorrectionDecision, answer: str, by: str, now: datetime) -> bool:
        """Decide, with an answer that the citizen reads; whether it went into the record as a Communication too.

        It does not where the store has no such patient (a live source has). Raises NotAllowed without an answer, for
        what is no request to correct, and when it was decided before.
        """
        opened = Inbox(self.connection).open(submission_id)
        if opened.line.standard != STANDARD:
            raise NotAllowed("this is no request to correct the record")
        if not answer.strip():
            raise NotAllowed("an answer is needed, in words that the citizen can read")
        deeds = Deeds(self.connection, by, now, self.targets)
        deeds.note(submission_id, decision.value, "")
        if decision is CorrectionDecision.DENIED:
            deeds.decline(submission_id, answer)
        else:
            deeds.accept(submission_id, text=answer)
        return self._answer(opened, answer)

    def _answer(self, opened: Opened, answer: str) -> bool:
        line, version = opened.line, FhirVersion(opened.fhir)
        patient = ("Patient", line.patient_id)
        if line.patient_id not in known(self.connection, line.provider, version, [patient]).patients:
            return False
        asked = [one.resource for one in opened.items if one.role == "item" and one.type == "Communication"]
        at = now_in_milliseconds()
        made = [_communication(one, line.patient_id, self.institution, answer, at) for one in asked if one]
        pending = [pending_of(one, line.patient_id, self.keys.pseudonyms, version, at) for one in made]
        owner = Owner(line.provider, SOURCE, self.keys.pseudonyms, self.keys.ring)
        Unit(self.connection, owner, version, at).write(pending, {})
        return bool(made)


def _communication(asked: Resource, patient_id: str, institution: str, answer: str, at: datetime) -> Resource:
    """The answer to one request: it names the request by the identifier that the citizen's app gave it."""
    person = {"reference": f"Patient/{patient_id}", "type": "Patient"}
    identifiers = asked.get("identifier")
    named = {"identifier": identifiers[0]} if isinstance(identifiers, list) and identifiers else {}
    made: Resource = {"resourceType": "Communication", "id": str(uuid.uuid4())}
    if named:
        made["inResponseTo"] = [{"type": "Communication", **named}]
    made |= {"status": "completed"}
    if "category" in asked:
        made["category"] = asked["category"]
    return made | {
        "subject": person,
        "topic": asked.get("topic", {"text": "Verzoek om het dossier te verbeteren"}),
        "sent": moment(at),
        "recipient": [person],
        "sender": {"type": "Organization", "display": institution},
        "payload": [{"contentString": answer}],
    }
