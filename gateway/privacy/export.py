"""Everything that is held of one person, as one document for that person (article 15 and 20 GDPR)."""

import base64
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select

from auth.crypto import KeyRing
from auth.store.tables import consents
from gateway.audit.export import COLUMNS, records_of, row_of
from gateway.calendar import utc
from gateway.privacy.holdings import STAYS, PersonScope, held
from gateway.release.shield import Shield
from gateway.store.exchanged import referral
from gateway.store.history import content
from gateway.store.schema import patient, resource
from gateway.store.shared import shared_item, submission, subscription
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.walk import links


def exported(connection: Connection, ring: KeyRing, scope: PersonScope, bsn: str, shield: Shield) -> dict[str, Any]:
    """The record with its documents, what the person sent, consents, subscriptions, referrals, and who looked.

    What is not shown to the person is not in it either, and counted. What a live source has is with that source.
    """
    records, hidden = _record(connection, scope, shield)
    return {
        "provider": scope.provider,
        "held": held(connection, ring, scope, bsn),
        "record": records,
        "not_shown": hidden,
        "sent": list(_sent(connection, scope)),
        "consents": list(_consents(connection, scope)),
        "subscriptions": list(_rows(connection, scope, subscription, ("client", "service", "created", "status"))),
        "referrals": list(_rows(connection, scope, referral, ("partner", "created", "status"))),
        "accesses": [
            dict(zip(COLUMNS, row_of(chain, number, _for_the_person(record)), strict=True))
            for chain, number, record in records_of(connection, scope.person)
            if record.get("provider") in (scope.provider, None, "")
        ],
        "stays": dict(STAYS),
    }


def _for_the_person(record: dict[str, Any]) -> dict[str, Any]:
    """A record of the trail without what was decided about an item: that may be what the person may not know."""
    subject, thing, _ = (str(record.get("action", "")) + "::").split(":", 2)
    return {**record, "action": f"{subject}:record:deed", "rule": ""} if thing == "release" else record


def _record(connection: Connection, scope: PersonScope, shield: Shield) -> tuple[dict[str, Any], dict[str, int]]:
    whose = (
        (patient.c.provider == resource.c.provider)
        & (patient.c.fhir == resource.c.fhir)
        & (patient.c.patient_id == resource.c.patient_id)
    )
    wanted = select(resource.c.fhir, resource.c.version, resource.c.json).join(patient, whose)
    mine = (patient.c.person == scope.person, patient.c.provider == scope.provider, resource.c.deleted.is_(False))
    rows = [
        (FhirVersion(row.fhir), row.version, jsonio.load(unpack(bytes(row.json))))
        for row in connection.execute(wanted.where(*mine).order_by(resource.c.pk))
    ]
    hidden = {_key(one): why for _, _, one in rows if (why := shield.judge(*_key(one), lambda one=one: one))}  # type: ignore[misc]
    closed = {key for _, _, one in rows if _key(one) in hidden for key in links(one) if key[0] == "Binary"}
    counts = Counter(str(why.reason) for why in hidden.values() if why.told)
    shown: dict[str, list[Resource]] = {}
    for version, number, one in rows:
        if _key(one) not in hidden and _key(one) not in closed:
            whole = _with_content(connection, scope.provider, version, number, one)
            shown.setdefault(version.value, []).append(whole)
    return dict(shown), dict(counts)


def _key(one: Resource) -> tuple[str, str]:
    return str(one["resourceType"]), str(one["id"])


def _with_content(connection: Connection, provider: str, version: FhirVersion, number: int, one: Resource) -> Resource:
    if one["resourceType"] != "Binary":
        return one
    data = content(connection, provider, version, _key(one), number)
    name = "content" if version is FhirVersion.STU3 else "data"
    return {**one, name: base64.b64encode(data).decode()} if data else one


def _sent(connection: Connection, scope: PersonScope) -> Iterator[dict[str, Any]]:
    mine = (submission.c.person == scope.person, submission.c.provider == scope.provider)
    wanted = select(submission.c.received, submission.c.service, shared_item.c.state, shared_item.c.json)
    joined = wanted.join(shared_item, shared_item.c.submission_pk == submission.c.pk)
    for row in connection.execute(joined.where(*mine).order_by(shared_item.c.pk)):
        what = jsonio.load(unpack(bytes(row.json))) if row.json else None
        yield {"received": utc(row.received), "service": row.service, "state": row.state, "resource": what}


def _consents(connection: Connection, scope: PersonScope) -> Iterator[dict[str, Any]]:
    names = ("outcome", "moment", "client", "organisation", "offered", "granted", "lasting", "days")
    mine = (consents.c.subject == scope.person, consents.c.provider == scope.provider)
    for row in connection.execute(select(*(consents.c[one] for one in names)).where(*mine)).mappings():
        yield dict(row)


def _rows(connection: Connection, scope: PersonScope, table: Any, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    mine = (table.c.person == scope.person, table.c.provider == scope.provider)
    for row in connection.execute(select(*(table.c[one] for one in names)).where(*mine)).mappings():
        yield {name: utc(value) if name == "created" else value for name, value in row.items()}
