"""How long the exchange keeps what it keeps: content a while after the end, referrals and their history for years."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Delete, delete, or_, select

from gateway.exchange.states import ENDED
from gateway.store.exchanged import (
    exchange_assertion,
    exchange_notice,
    exchange_token,
    received_notice,
    received_referral,
    received_resource,
    received_search,
    referral,
)


def past_content(before: datetime) -> Sequence[Delete]:
    """What was collected for referrals that ended before a moment; what was done with them stays (RX-05)."""
    ended = select(received_referral.c.id).where(received_referral.c.ended < before)
    return (
        delete(received_resource).where(received_resource.c.received_id.in_(ended)),
        delete(received_search).where(received_search.c.received_id.in_(ended)),
    )


def past_notices(before: datetime) -> Sequence[Delete]:
    """Notifications that came or were settled before a moment."""
    told = exchange_notice.c.referral_id
    settled = exchange_notice.c.state.in_(["sent", "dead", "dropped"])
    over = select(referral.c.id).where(_over(before))
    return (
        delete(received_notice).where(received_notice.c.at < before),
        # The first one holds what opens the Task: it stays as long as somebody may be told again.
        delete(exchange_notice).where(settled, exchange_notice.c.until < before, told.in_(over)),
    )


def past_referrals(before: datetime) -> Sequence[Delete]:
    """Referrals that ended before a moment, with their history."""
    seconds = int(before.timestamp())
    return (
        delete(referral).where(_over(before)),
        delete(received_referral).where(received_referral.c.ended < before),
        delete(exchange_token).where(exchange_token.c.expires < seconds),
        delete(exchange_assertion).where(exchange_assertion.c.expires < seconds),
    )


def _over(before: datetime) -> ColumnElement[bool]:
    closed = or_(referral.c.status.in_(ENDED), referral.c.not_after < before)
    return closed & (referral.c.not_after < before)
