"""The Questionnaire behind an answer or a Task, as far as it is known here."""

from sqlalchemy import Connection, select

from gateway.store.known import contents_of
from gateway.store.schema import resource
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion

MOST = 500
"""Questionnaires of a provider that are looked through."""


def questionnaire_at(connection: Connection, provider: str, version: FhirVersion, address: str) -> Resource | None:
    """The Questionnaire that a reference of this house names, or that has this address as its own; None for neither.

    Answers name the address that the questionnaire itself has, whatever its id here is.
    """
    if "://" in address:
        return _by_url(connection, provider, version, address)
    key = local_reference(address) if address else None
    body = dict(contents_of(connection, provider, version, [key])).get(key) if key else None
    return jsonio.load(bytes(body)) if body else None


def _by_url(connection: Connection, provider: str, version: FhirVersion, address: str) -> Resource | None:
    """By ``url``, and the version behind a bar where one is named; of several the newest."""
    url, _, named = address.partition("|")
    mine = (
        resource.c.provider == provider, resource.c.fhir == version.value, resource.c.type == "Questionnaire",
        resource.c.deleted.is_(False),
    )  # fmt: skip
    rows = connection.execute(select(resource.c.json).where(*mine).order_by(resource.c.updated.desc()).limit(MOST))
    for row in rows:
        held: Resource = jsonio.load(unpack(bytes(row.json)))
        if held.get("url") == url and named in ("", held.get("version")):
            return held
    return None


def questionnaire_of(
    connection: Connection, provider: str, version: FhirVersion, response: Resource
) -> Resource | None:
    """The Questionnaire that was answered (STU3 names it by a Reference, R4 by its address); None: not known here."""
    return questionnaire_at(connection, provider, version, answered(response))


def answered(response: Resource) -> str:
    """What an answer says that it answers, as it stands there; empty when it says nothing."""
    named = response.get("questionnaire")
    return str(named.get("reference", "") if isinstance(named, dict) else named or "")
