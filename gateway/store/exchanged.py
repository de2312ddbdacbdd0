"""The tables of the exchange between institutions: what we refer, and what was referred to us.

What another institution sent stands here and nowhere else: no read of a person's record looks at these tables. No
column holds a BSN in clear; a Task, a notification and everything pulled is sealed.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
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

referral = Table(
    "referral",
    metadata,
    Column("id", String(36), primary_key=True, comment="id of the workflow Task; random"),
    Column("provider", String(60), nullable=False, comment="who refers"),
    Column("partner", String(60), nullable=False, comment="name of the receiving organisation in the settings"),
    Column("ura", String(8), nullable=False, comment="URA of the receiving organisation"),
    Column("group_id", String(36), nullable=False, comment="groupIdentifier: one per referral, in every event"),
    Column("flow", String(20), nullable=False, comment="bgz or eoverdracht"),
    Column("standard", String(60), nullable=False, comment="the version of the data set"),
    Column("rows", Text, nullable=False, comment="ids of the granted rows, by spaces"),
    Column("letters", Text, nullable=False, comment="ids of the granted DocumentReferences, by spaces"),
    Column("compositions", Text, nullable=False, comment="ids of the granted Compositions, by spaces"),
    Column("person", String(64), nullable=False, comment="keyed pseudonym"),
    Column("patient_id", String(64), nullable=False),
    Column("sealed_bsn", LargeBinary, nullable=False),
    Column("legal_base", String(30), nullable=False, comment="a row of gateway/exchange/bases.toml"),
    Column("evidence", Text, nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("not_after", DateTime(timezone=True), nullable=False, comment="the data end here, whatever happens"),
    Column("withdrawn", DateTime(timezone=True), comment="when the data grant was taken back"),
    Column("withdrawn_reason", String(20), nullable=False),
    Column("status", String(12), nullable=False, comment="gateway.exchange.states"),
    Column("version", Integer, nullable=False, comment="of the Task"),
    Column("sealed_task", LargeBinary, nullable=False, comment="the workflow Task, JSON"),
    Column("task_base", LargeBinary(32), nullable=False, comment="SHA-256 of the authorization base for the Task"),
    Column("data_base", LargeBinary(32), nullable=False, comment="SHA-256 of the authorization base for the data"),
    UniqueConstraint("task_base"),
    UniqueConstraint("data_base"),
    Index(None, "provider", "created"),
    Index(None, "person"),
    comment="referrals to other institutions, each with its Task and its grants",
)

referral_event = Table(
    "referral_event",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("referral_id", String(36), ForeignKey("referral.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("deed", String(20), nullable=False),
    Column("by", String(120), nullable=False, comment="who: an account, a partner's system or user, or the gateway"),
    Column("text", Text, nullable=False),
    comment="what happened to a referral, only added to",
)

exchange_notice = Table(
    "exchange_notice",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("referral_id", String(36), ForeignKey("referral.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("identifier", String(36), nullable=False, unique=True, comment="of the notification Task"),
    Column("cancels", Boolean, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="the notification, JSON; empty: one without a body"),
    Column("state", String(10), nullable=False, comment="waiting, sent, dead or dropped"),
    Column("attempts", Integer, nullable=False),
    Column("next", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False, comment="after this nobody tries any more"),
    Column("claimed", DateTime(timezone=True), comment="since when a process is sending it"),
    Column("answer", Text, nullable=False, comment="what the receiver said last, without content"),
    Index(None, "state", "next"),
    comment="notifications on their way",
)

exchange_token = Table(
    "exchange_token",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("provider", String(60), nullable=False, comment="the organisation of ours that it is for"),
    Column("partner", String(60), nullable=False),
    Column("ura", String(8), nullable=False),
    Column("thumbprint", String(64), nullable=False, comment="SHA-256 of the client certificate; empty: test mode"),
    Column("scope", String(60), nullable=False),
    Column("level", String(10), nullable=False, comment="notify, task or data"),
    Column("referral_id", String(36), comment="whose grant it opens; none: a notification"),
    Column("user_id", String(120), nullable=False),
    Column("user_role", String(60), nullable=False),
    Column("expires", BigInteger, nullable=False, index=True, comment="seconds since 1970"),
)

exchange_assertion = Table(
    "exchange_assertion",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True, comment="SHA-256 of issuer and jti"),
    Column("expires", BigInteger, nullable=False, index=True, comment="seconds since 1970"),
)

received_referral = Table(
    "received_referral",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("provider", String(60), nullable=False, comment="who was referred to"),
    Column("partner", String(60), nullable=False, comment="who refers"),
    Column("ura", String(8), nullable=False),
    Column("group_id", String(80), nullable=False),
    Column("task_id", String(64), nullable=False, comment="id of the workflow Task at the sender"),
    Column("sealed_base", LargeBinary, nullable=False, comment="authorization base of the Task"),
    Column("status", String(12), nullable=False, comment="of the Task, as it was last known"),
    Column("sealed_task", LargeBinary, nullable=False, comment="the Task as it was last read; empty: not yet"),
    Column("etag", String(80), nullable=False),
    Column("inbox", String(80), nullable=False, comment="the service that it is for; empty: the organisation"),
    Column("received", DateTime(timezone=True), nullable=False),
    Column("changed", DateTime(timezone=True), comment="when a later notification said that there is more"),
    Column("ended", DateTime(timezone=True), index=True),
    Column("person", String(64), nullable=False, comment="keyed pseudonym, once it was pulled; empty: not known"),
    Column("match", String(12), nullable=False, comment="known, unknown or differs; empty: not pulled"),
    UniqueConstraint("provider", "partner", "group_id"),
    Index(None, "provider", "received"),
    comment="referrals by other institutions: the inbox of staff",
)

received_notice = Table(
    "received_notice",
    metadata,
    Column("provider", String(60), primary_key=True),
    Column("partner", String(60), primary_key=True),
    Column("identifier", String(80), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, comment="SHA-256 of the body"),
    Column("received_id", String(36), ForeignKey("received_referral.id", ondelete="CASCADE"), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
    comment="notifications that were taken, to know them again",
)

received_event = Table(
    "received_event",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("received_id", String(36), ForeignKey("received_referral.id", ondelete="CASCADE"), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("deed", String(20), nullable=False),
    Column("by", String(120), nullable=False),
    Column("text", Text, nullable=False),
    Index(None, "received_id"),
)

received_search = Table(
    "received_search",
    metadata,
    Column("received_id", String(36), ForeignKey("received_referral.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("search", Text, nullable=False, comment="as the Task names it; empty when it was refused"),
    Column("state", String(10), nullable=False, comment="pending, ok, empty, refused or failed"),
    Column("count", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    comment="what is to be collected for a referral, and how far that came",
)

received_resource = Table(
    "received_resource",
    metadata,
    Column("pk", BigKey, primary_key=True, autoincrement=True),
    Column("received_id", String(36), ForeignKey("received_referral.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False, comment="of the search that brought it"),
    Column("type", String(64), nullable=False),
    Column("id", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="JSON, or the bytes of a document"),
    Column("digest", LargeBinary(32), nullable=False, comment="SHA-256 of that"),
    Column("verdict", String(10), nullable=False, comment="ok, wrong or unchecked"),
    Column("findings", LargeBinary, nullable=False, comment="JSON, without values of the resource"),
    Column("at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("received_id", "type", "id"),
    comment="what was collected at another institution: no part of the record until somebody takes it over",
)
