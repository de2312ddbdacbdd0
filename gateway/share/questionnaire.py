"""The Questionnaire behind an answer or a Task, as far as it is known here."""

from sqlalchemy import Connection

from gateway.store.known import contents_of
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion


def questionnaire_at(connection: Connection, provider: str, version: FhirVersion, address: str) -> Resource | None:
    """The Questionnaire that a reference of this house names; None for one elsewhere, or none."""
    key = local_reference(address) if address and "://" not in address else None
    body = dict(contents_of(connection, provider, version, [key])).get(key) if key else None
    return jsonio.load(bytes(body)) if body else None


def questionnaire_of(
    connection: Connection, provider: str, version: FhirVersion, response: Resource
) -> Resource | None:
    """The Questionnaire that was answered (STU3 names it by a Reference, R4 by its address); None: not known here."""
    return questionnaire_at(connection, provider, version, answered(response))


def answered(response: Resource) -> str:
    """What an answer says that it answers, as it stands there; empty when it says nothing."""
    named = response.get("questionnaire")
    return str(named.get("reference", "") if isinstance(named, dict) else named or "")
