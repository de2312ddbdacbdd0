"""Where the store holds anything of one person: every table is named here, or is said why it stays.

A table that is in none of the three lists fails a test that walks the schema, so that a new one is never forgotten.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, exists, func, or_, select

from auth.crypto import KeyRing
from auth.store.tables import access_tokens, codes, families, refresh_tokens
from gateway.store.cases import person_case
from gateway.store.exchanged import (
    exchange_notice,
    exchange_token,
    received_event,
    received_notice,
    received_referral,
    received_resource,
    received_search,
    referral,
    referral_event,
)
from gateway.store.flags import release_flag
from gateway.store.schema import (
    document,
    document_content,
    identity,
    link,
    original,
    outbox,
    patient,
    patient_alias,
    quality_defect,
    quarantine,
    receipt,
    repair,
    resource,
    verdict,
)
from gateway.store.shared import (
    filing,
    notice,
    offered_task,
    share_deed,
    shared_content,
    shared_item,
    submission,
    subscription,
)

STAYS: Mapping[str, str] = {
    "audit_record": "NEN 7513: who had access stays for five years; it names nobody",
    "audit_removal": "what was removed from the trail at the end of its time",
    "auth_consent": "the proof that sharing was allowed; it names nobody",
    "auth_session": "sealed, and over within the hour",
    "usage_event": "counts under a pseudonym of its own per year, which leads to nobody",
    "usage_chain": "how far the chains of counts are",
    "usage_key": "keys of those pseudonyms, destroyed after the figures of the year",
    "usage_report": "figures",
}
"""What is about persons and is not erased, and why."""

NOBODYS = frozenset(
    {
        "chain_event", "exchange_assertion", "intake_assertion", "intake_token", "quality_basis", "quality_count",
        "quality_finding", "quality_name", "staff_session",
    }
)  # fmt: skip
"""Tables that hold nothing of a patient."""


@dataclass(frozen=True, slots=True)
class PersonScope:
    """One person at one provider."""

    provider: str
    person: str


Condition = Callable[[PersonScope], ColumnElement[bool]]


def _own(table: Table, column: str = "person") -> Condition:
    return lambda scope: and_(table.c[column] == scope.person, table.c.provider == scope.provider)


def _below(column: Column[str], parent: Table, key: str = "") -> Condition:
    """Rows that hang on a row of another table."""

    def rows(scope: PersonScope) -> ColumnElement[bool]:
        target = parent.c[key] if key else next(iter(parent.primary_key))
        return column.in_(select(target).where(HOLDINGS[parent](scope)))

    return rows


def _of_patient(table: Table, column: str = "patient_id") -> Condition:
    def rows(scope: PersonScope) -> ColumnElement[bool]:
        same = (patient.c.provider == table.c.provider, patient.c.fhir == table.c.fhir)
        return exists(select(1).where(*same, patient.c.patient_id == table.c[column], _own(patient)(scope)))

    return rows


def _of_resource(table: Table, column: str, type_: ColumnElement[str] | str) -> Condition:
    """Rows that name a resource of the person by its id."""

    def rows(scope: PersonScope) -> ColumnElement[bool]:
        same = (resource.c.provider == table.c.provider, resource.c.fhir == table.c.fhir, resource.c.type == type_)
        return exists(select(1).where(*same, resource.c.id == table.c[column], _of_patient(resource)(scope)))

    return rows


def _aliases(scope: PersonScope) -> ColumnElement[bool]:
    return or_(*(_of_patient(patient_alias, one)(scope) for one in ("patient_id", "survivor")))


HOLDINGS: Mapping[Table, Condition] = {
    # In the order in which they can be erased: what hangs on a row before the row.
    verdict: _below(verdict.c.resource_pk, resource),
    repair: _below(repair.c.resource_pk, resource),
    identity: _below(identity.c.resource_pk, resource),
    link: _below(link.c.resource_pk, resource),
    document_content: _below(document_content.c.resource_pk, resource),
    document: _below(document.c.resource_pk, resource),
    original: _below(original.c.resource_pk, resource),
    offered_task: _of_resource(offered_task, "task_id", "Task"),
    quality_defect: _of_resource(quality_defect, "reference", quality_defect.c.type),
    outbox: _of_patient(outbox),
    resource: _of_patient(resource),
    patient_alias: _aliases,
    filing: _below(filing.c.item_pk, shared_item),
    shared_content: _below(shared_content.c.item_pk, shared_item),
    shared_item: _below(shared_item.c.submission_pk, submission),
    share_deed: _below(share_deed.c.submission_pk, submission),
    submission: _own(submission),
    notice: _below(notice.c.subscription_id, subscription),
    subscription: _own(subscription),
    exchange_token: _below(exchange_token.c.referral_id, referral),
    exchange_notice: _below(exchange_notice.c.referral_id, referral),
    referral_event: _below(referral_event.c.referral_id, referral),
    referral: _own(referral),
    received_resource: _below(received_resource.c.received_id, received_referral),
    received_search: _below(received_search.c.received_id, received_referral),
    received_event: _below(received_event.c.received_id, received_referral),
    received_notice: _below(received_notice.c.received_id, received_referral),
    received_referral: _own(received_referral),
    codes: _below(codes.c.family, families),
    access_tokens: _below(access_tokens.c.family, families),
    refresh_tokens: _below(refresh_tokens.c.family, families),
    families: _own(families, "subject"),
    release_flag: _own(release_flag),
    patient: _own(patient),
}
"""Every table with rows of a person, and which rows those are."""

SEALED = (quarantine, receipt)
"""Tables whose rows say whose they are only when they are opened."""

CASES = person_case
"""What is asked about the person: it stays as the proof, and forgets who it was."""


def held(connection: Connection, ring: KeyRing, scope: PersonScope, bsn: str) -> dict[str, int]:
    """How many rows of each table are this person's; those of what stays are not counted."""
    counts = {
        table.name: int(connection.execute(select(func.count()).select_from(table).where(rows(scope))).scalar_one())
        for table, rows in HOLDINGS.items()
    }
    counts |= {table.name: len(_sealed(connection, ring, table, scope, bsn)) for table in SEALED}
    return {str(name): count for name, count in counts.items() if count}


def erase(connection: Connection, ring: KeyRing, scope: PersonScope, bsn: str) -> dict[str, int]:
    """Delete every row that is this person's, inside the caller's transaction; how many of each table."""
    # What is sealed first: whose it is, is told by the patients that go last.
    opened = {table: _sealed(connection, ring, table, scope, bsn) for table in SEALED}
    counts: dict[str, int] = {}
    for table, keys in opened.items():
        for key in keys:
            connection.execute(delete(table).where(*(one == key[one.name] for one in table.primary_key)))
        counts[str(table.name)] = len(keys)
    for table, rows in HOLDINGS.items():
        counts[str(table.name)] = connection.execute(delete(table).where(rows(scope))).rowcount
    return {name: count for name, count in counts.items() if count}


def _sealed(
    connection: Connection, ring: KeyRing, table: Table, scope: PersonScope, bsn: str
) -> list[dict[str, object]]:
    """The rows of a sealed table that hold the person's number, pseudonym, or one of their patient ids.

    Raises SealError when a key is missing: what cannot be looked into cannot be said to hold nothing.
    """
    ids = connection.execute(select(patient.c.patient_id).where(_own(patient)(scope))).scalars()
    marks = [f"Patient/{one}".encode() for one in set(ids)] + [one.encode() for one in (scope.person, bsn) if one]
    wanted = select(*table.primary_key, table.c.sealed)
    if "provider" in table.c:
        wanted = wanted.where(table.c.provider == scope.provider)
    found = []
    for row in connection.execute(wanted).mappings():
        content = ring.open(str(table.name), bytes(row["sealed"]))
        if any(mark in content for mark in marks):
            found.append({one.name: row[one.name] for one in table.primary_key})
    return found
