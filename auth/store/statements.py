"""The SQL of the authorization server as constants: built once, run with parameters.

Whatever must happen once is one statement here: `SPEND_CODE`, `SPEND_REFRESH`, `REPEAT_REFRESH` and `MOVE_SESSION`
change a row that is still as expected, so that of any number of workers exactly one wins (TOKEN-18).
"""

from typing import Any

from sqlalchemy import (
    LargeBinary,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from auth.store.tables import access_tokens, codes, consents, families, refresh_tokens, sessions

_DIGEST = LargeBinary(32)

_presented = bindparam("digest", type_=_DIGEST)
_issued = access_tokens.alias("issued")
_family = select(_issued.c.family).where(_issued.c.digest == _presented).scalar_subquery()

# In a form that no index answers.
_nothing: Any = literal_column("''")
_belong = access_tokens.c.family.concat(_nothing) == families.c.id.concat(_nothing)

GRANT_SELECT: Select[Any] = (
    select(
        families.c.client,
        families.c.provider,
        families.c.function,
        access_tokens.c.services,
        families.c.subject,
        families.c.sealed_bsn,
        families.c.patient,
        families.c.actor,
        access_tokens.c.issued,
        access_tokens.c.expires,
        access_tokens.c.revoked,
        families.c.ended,
        access_tokens.c.correlation_id,
        families.c.consent_id,
        families.c.days,
        access_tokens.c.label,
    )
    .select_from(access_tokens, families)
    .where(access_tokens.c.digest == _presented, families.c.id == _family, _belong)
)
"""The bearer look-up, answered as `auth.store.rows.GrantRow`: a token and its family, each by its primary key.

Not a join of the two: a planner that saw them empty could choose to walk through one of them, and keep to that.
"""

ADD_SESSION = insert(sessions)
FIND_SESSION = select(sessions).where(sessions.c.id == bindparam("which"))
MOVE_SESSION = update(sessions).where(sessions.c.id == bindparam("which"), sessions.c.version == bindparam("expected"))
_LOGGED_IN = and_(sessions.c.step != "done", sessions.c.login_at <= bindparam("at"))
_OVER = {
    "step": "done",
    "content": b"",
    "version": sessions.c.version + 1,
    "login_subject": None,
    "login_session": None,
    "login_at": None,
}
END_LOGINS_OF_SUBJECT = (
    update(sessions).where(_LOGGED_IN, sessions.c.login_subject == bindparam("subject")).values(_OVER)
)
"""Every session of a person at the login bridge. What began after the bridge said so is another login."""
END_LOGINS_IN_SESSIONS = (
    update(sessions)
    .where(_LOGGED_IN, sessions.c.login_session.in_(bindparam("sessions", expanding=True)))
    .values(_OVER)
)
END_SOME_OF_SUBJECT = END_LOGINS_OF_SUBJECT.where(
    or_(
        sessions.c.login_session.in_(bindparam("sessions", expanding=True)),
        # The bridge gave this login no number: it may well be the one that is meant.
        sessions.c.login_session.is_(None),
    )
)

ADD_CODE = insert(codes)
SPEND_CODE = (
    update(codes)
    .where(codes.c.digest == bindparam("which", type_=_DIGEST), codes.c.spent.is_(None))
    .values(spent=bindparam("now"))
    .returning(codes)
)
FAMILY_OF_CODE = select(codes.c.family).where(codes.c.digest == bindparam("which", type_=_DIGEST))

SPENT_BEFORE = select(codes.c.family).where(
    codes.c.digest == bindparam("which", type_=_DIGEST), codes.c.spent.is_not(None)
)

ADD_FAMILY = insert(families)
USE_FAMILY = update(families).where(families.c.id == bindparam("which")).values(used=bindparam("now"))
FIND_FAMILY = select(families).where(families.c.id == bindparam("which"))
LASTING_FAMILIES = (
    select(families)
    .where(families.c.subject == bindparam("subject"), families.c.lasting, families.c.ended.is_(None))
    .order_by(families.c.created.desc())
)
LASTING_GIVEN = select(families.c.provider, families.c.client, families.c.actor).where(
    families.c.subject == bindparam("subject"), families.c.lasting, families.c.ended.is_(None)
)
"""Where, for whom and by whom the lasting consents of a person were given that still stand."""
FAMILIES_OF_ACTOR = select(families).where(families.c.actor == bindparam("actor")).order_by(families.c.created.desc())
"""What came from the consents that a person gave for others."""
_END = update(families).values(ended=bindparam("now"), ended_why=bindparam("why")).returning(families)
END_FAMILY = _END.where(families.c.id == bindparam("which"), families.c.ended.is_(None))
END_REPLAYED = END_FAMILY.where(exists().where(access_tokens.c.family == families.c.id))
"""After a code was offered twice: only when tokens came from it, so that of two simultaneous offers one succeeds."""
END_IDLE = _END.where(families.c.lasting, families.c.used < bindparam("before"), families.c.ended.is_(None))
"""The lasting families that nobody used for six months (LTC-03)."""
END_EARLIER = _END.where(
    families.c.subject == bindparam("person"),
    families.c.provider == bindparam("at"),
    families.c.client == bindparam("to"),
    families.c.function == bindparam("kind"),
    func.coalesce(families.c.actor, "") == bindparam("giver"),
    families.c.lasting,
    families.c.ended.is_(None),
)
"""The lasting families that a new consent replaces (LTC-10)."""

ADD_ACCESS = insert(access_tokens)
FAMILY_OF_ACCESS = select(access_tokens.c.family).where(access_tokens.c.digest == bindparam("which", type_=_DIGEST))
DROP_ACCESS = delete(access_tokens).where(access_tokens.c.digest == bindparam("which", type_=_DIGEST))
DROP_FAMILY = delete(families).where(families.c.id == bindparam("which"))

ADD_REFRESH = insert(refresh_tokens)
FIND_REFRESH = select(refresh_tokens).where(refresh_tokens.c.digest == bindparam("which", type_=_DIGEST))
_TAKE = (
    update(refresh_tokens)
    .where(refresh_tokens.c.digest == bindparam("which", type_=_DIGEST))
    .values(spent=bindparam("now"), spent_by=bindparam("by"), successor=bindparam("next", type_=_DIGEST))
)
SPEND_REFRESH = _TAKE.where(refresh_tokens.c.spent.is_(None))
REPEAT_REFRESH = _TAKE.where(refresh_tokens.c.successor == bindparam("previous", type_=_DIGEST))
"""The same request again: the row must still name the successor that was read."""
SUPERSEDE_REFRESH = (
    update(refresh_tokens)
    .where(refresh_tokens.c.digest == bindparam("which", type_=_DIGEST), refresh_tokens.c.spent.is_(None))
    .values(spent=bindparam("now"), superseded=True)
)

ADD_CONSENT = insert(consents)
FIRST_CONSENT = select(consents).where(consents.c.consent_id == bindparam("which"), consents.c.outcome == "given")
CONSENTS_OF_PERSON = (
    select(consents).where(consents.c.subject == bindparam("subject")).order_by(consents.c.moment.desc())
)
CONSENT_LINES = select(consents).where(consents.c.consent_id == bindparam("which")).order_by(consents.c.moment.desc())

SEALED_FAMILIES = select(
    families.c.id, families.c.sealed_bsn, families.c.sealed_actor, families.c.sealed_birth_date
).where(families.c.ended.is_(None), families.c.sealed_bsn.is_not(None))
RESEAL_FAMILY = update(families).where(families.c.id == bindparam("which"))

_over = or_(
    families.c.ended < bindparam("old"), and_(families.c.used < bindparam("old"), families.c.lasting.is_(False))
)
_over_ids = select(families.c.id).where(_over)
_living = select(families.c.consent_id).where(families.c.consent_id.is_not(None), families.c.ended.is_(None))
PURGES = {
    sessions.name: delete(sessions).where(sessions.c.expires < bindparam("now")),
    access_tokens.name: delete(access_tokens).where(access_tokens.c.expires < bindparam("old")),
    codes.name: delete(codes).where(codes.c.expires < bindparam("old")),
    refresh_tokens.name: delete(refresh_tokens).where(refresh_tokens.c.family.in_(_over_ids)),
    families.name: delete(families).where(_over),
    consents.name: delete(consents).where(consents.c.moment < bindparam("old"), consents.c.consent_id.not_in(_living)),
}
"""What is past its use: sessions at once, the rest after the retention (CONS-05). In this order."""
