"""What the store knows of the person who sent something, and what it knew already of the same kind."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from gateway.share.questionnaire import answered
from gateway.share.readable import readable
from gateway.store.known import contents_of
from gateway.store.schema import resource
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.label import label

RECENT, LOOKED_AT = 5, 400
"""Earlier values that are shown, and how many are looked at to find them."""


@dataclass(frozen=True, slots=True)
class SharingPerson:
    """A person as the provider has them; empty where the store has no Patient (a live source has)."""

    id: str
    name: str = field(default="", repr=False)
    born: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Earlier:
    """One thing that the record had before."""

    text: str
    answers: tuple[tuple[str, str], ...]
    source: str


def persons(connection: Connection, provider: str, ids: Iterable[str]) -> Mapping[str, SharingPerson]:
    """The persons with these Patient ids, by id; those that the store does not have are nameless."""
    wanted = set(ids)
    known = {id_: SharingPerson(id_) for id_ in wanted}
    for version in FhirVersion:
        keys = [("Patient", id_) for id_ in sorted(wanted)]
        for (_, id_), body in contents_of(connection, provider, version, keys):
            held = jsonio.load(body)
            known[id_] = SharingPerson(id_, label(held) or "", str(held.get("birthDate", "")))
    return known


def earlier(
    connection: Connection, provider: str, version: FhirVersion, patient_id: str, sent: Resource
) -> list[Earlier]:
    """What the stored record has of the same kind: the newest few. Nothing of what is only in a live source."""
    marks = _marks(sent)
    if not patient_id or not marks:
        return []
    mine = (
        resource.c.provider == provider,
        resource.c.fhir == version.value,
        resource.c.patient_id == patient_id,
        resource.c.type == sent["resourceType"],
        resource.c.deleted.is_(False),
    )
    rows = connection.execute(
        select(resource.c.json, resource.c.source).where(*mine).order_by(resource.c.updated.desc()).limit(LOOKED_AT)
    )
    held = [(jsonio.load(unpack(bytes(row.json))), row.source) for row in rows]
    same = [(one, source) for one, source in held if marks & _marks(one)]
    same.sort(key=lambda pair: str(pair[0].get("effectiveDateTime") or pair[0].get("authored") or ""), reverse=True)
    return [_earlier(one, source) for one, source in same[:RECENT]]


def _earlier(one: Resource, source: str) -> Earlier:
    shown = readable(one)
    return Earlier(shown.title, tuple((line.text, ", ".join(line.answers)) for line in shown.lines[:6]), source)


def _marks(one: Resource) -> frozenset[str]:
    """What makes two resources of one kind: their codes, or their questionnaire."""
    if one.get("resourceType") == "QuestionnaireResponse":
        return frozenset({answered(one)})
    concept = one.get("code") or one.get("type")
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return frozenset(f"{coding.get('system')}|{coding.get('code')}" for coding in codings if isinstance(coding, dict))
