"""The tables of what citizens send, of what they are told, and of who is told that there is something new.

No part of anybody's record: no read of the record looks here (docs/share.md, docs/subscriptions.md).
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from gateway.store.schema import BigKey, metadata

submission = Table(
    "submission",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False),
    Column("provider", String(60), nullable=False),
    Column("service", String(30), nullable=False),
    Column("standard", String(60), nullable=False),
    Column("rule", String(60), nullable=False),
    Column("fhir", String(8), nullable=False),
    Column("client", String(255), nullable=False),
    Column("person", String(64), nullable=False, comment="keyed pseudonym"),
    Column("actor", String(64), nullable=False, comment="who acted for the person; empty: they did it themselves"),
    Column("patient_id", String(64), nullable=False, comment="the Patient that it was compared with"),
    Column("sealed_bsn", LargeBinary, comment="for the EHR, which has to find the person"),
    Column("basis", String(64), nullable=False, comment="the consent it rests on"),
    Column("request_id", String(36), nullable=False),
    Column("correlation_id", String(36), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, comment="SHA-256 of the request"),
    Column("content", LargeBinary(32), nullable=False, comment="SHA-256 of what it says, whatever its form"),
    Column("bundle", String(12), nullable=False, comment="batch, transaction, or empty for one resource"),
    Column("received", DateTime(timezone=True), nullable=False),
    Column("outcomes", LargeBinary, nullable=False, comment="JSON: what became of each entry, without values"),
    Column("duplicate_of", String(36), nullable=False, comment="id of the submission that said the same; empty: none"),
    Column("department", String(80), nullable=False, comment="to whom it was routed; empty: nobody yet"),
    Column("assignee", String(120), nullable=False, comment="who looks at it; empty: nobody yet"),
    Column("viewed", DateTime(timezone=True), comment="when it was first looked at"),
    Column("due", Date, comment="the day on which the law wants an answer"),
    UniqueConstraint("id"),
    UniqueConstraint("client", "request_id"),
    Index(None, "provider", "received"),
    Index(None, "person", "received"),
    comment="what citizens sent; no part of the record until somebody accepts it",
)

shared_item = Table(
    "shared_item",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("submission_pk", BigKey, ForeignKey("submission.pk", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("type", String(64), nullable=False),
    Column("id", String(64), nullable=False),
    Column("role", String(10), nullable=False, comment="item, part or hint"),
    Column("state", String(12), nullable=False, comment="gateway.share.states; empty for parts and hints"),
    Column("decided", DateTime(timezone=True), comment="when it was accepted or declined"),
    Column("reason", Text, nullable=False, comment="of a refusal, as the citizen may read it"),
    Column("filed_as", String(255), nullable=False, comment="what the EHR calls it; empty: not there yet"),
    Column("json", LargeBinary, nullable=False, comment="the resource, packed; empty when it was removed"),
    Column("findings", LargeBinary, nullable=False, comment="JSON, without values of the resource"),
    Column("sealed", LargeBinary, nullable=False, comment="the entry as it was received, without the file"),
    Column("digest", LargeBinary(32), nullable=False, comment="SHA-256 of the resource and its file"),
    Column("size", BigInteger, nullable=False, comment="bytes of the file; 0: none"),
    UniqueConstraint("submission_pk", "position"),
    Index(None, "type", "id"),
    Index(None, "state", "decided"),
)

shared_content = Table(
    "shared_content",
    metadata,
    Column("item_pk", BigKey, ForeignKey("shared_item.pk", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    comment="files that citizens sent, in pieces",
)

share_deed = Table(
    "share_deed",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("submission_pk", BigKey, ForeignKey("submission.pk", ondelete="CASCADE"), nullable=False, index=True),
    Column("item_pk", BigKey, comment="none: the submission as a whole"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("deed", String(20), nullable=False),
    Column("by", String(120), nullable=False, comment="who decided: an account, a rule, or the gateway itself"),
    Column("text", Text, nullable=False),
)

subscription = Table(
    "subscription",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("provider", String(60), nullable=False),
    Column("service", String(30), nullable=False),
    Column("fhir", String(8), nullable=False),
    Column("client", String(255), nullable=False),
    Column("person", String(64), nullable=False, comment="keyed pseudonym"),
    Column("sealed_bsn", LargeBinary, comment="for sources that are asked; gone when it ends"),
    Column("consent_id", String(64), nullable=False),
    Column("request_id", String(36), nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("end_date", Date, nullable=False),
    Column("status", String(10), nullable=False, comment="active or ended"),
    Column("ended_by", String(20), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("high_water", DateTime(timezone=True), nullable=False, comment="until when changes were told"),
    Column("refusals", Integer, nullable=False, comment="days in a row on which the PGO did not know it"),
    Column("refused_on", Date),
    Column("seen", LargeBinary, comment="versions of the last day; none: by high_water"),
    Column("live", LargeBinary, comment="keyed digests of live answers; none: no look yet"),
    Column("live_due", DateTime(timezone=True), comment="when live sources are asked; none: now"),
    UniqueConstraint("client", "request_id"),
    Index(None, "status", "end_date"),
    Index(None, "person", "provider"),
    comment="who wants to be told that there is something new; no data",
)

notice = Table(
    "notice",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column(
        "subscription_id", String(36), ForeignKey("subscription.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("kind", String(12), nullable=False, comment="resource or subscription"),
    Column("end_date", Date),
    Column("state", String(10), nullable=False, comment="waiting, sent, refused, failed or dropped"),
    Column("due", DateTime(timezone=True), nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed", DateTime(timezone=True), comment="since when a process is sending it"),
    Column("status", Integer, comment="what the PGO answered last"),
    Column("correlation_id", String(36), nullable=False),
    Index(None, "state", "due"),
    comment="notifications on their way to a PGO",
)

offered_task = Table(
    "offered_task",
    metadata,
    Column("provider", String(60), primary_key=True),
    Column("fhir", String(8), primary_key=True),
    Column("task_id", String(64), primary_key=True),
    Column("offered", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), comment="after this it ends by itself; none: it does not"),
    Index(None, "until"),
    comment="the Tasks of questionnaires that were offered here, so that nobody has to search all records for them",
)

filing = Table(
    "filing",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("item_pk", BigKey, ForeignKey("shared_item.pk", ondelete="CASCADE"), nullable=False),
    Column("target", String(60), nullable=False, comment="name of the write-back of the provider"),
    Column("state", String(10), nullable=False, comment="waiting, filed, dead or closed"),
    Column("attempts", Integer, nullable=False),
    Column("next", DateTime(timezone=True), nullable=False),
    Column("claimed", DateTime(timezone=True), comment="since when a process is sending it"),
    Column("answer", Text, nullable=False, comment="what the EHR said last, without content"),
    UniqueConstraint("item_pk", "target"),
    Index(None, "state", "next"),
    comment="accepted items on their way to the EHR",
)
