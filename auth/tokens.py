"""Issuing tokens: random, unique over all that is kept, stored as digests (AUTH-14, AUTH-16)."""

from collections.abc import Callable
from datetime import date
from typing import Any

from auth import scope as scopes
from auth.crypto import digest, new_token
from auth.parts import Parts
from auth.ports import FlowStep, StepEnd
from auth.scope import Dialect
from auth.store.rows import Family, Refresh, moment

_DRAWS = 5


class DrawError(RuntimeError):
    """Five random values in a row existed already: the random generator is broken."""


def issue_tokens(
    parts: Parts, family: Family, services: frozenset[str], correlation_id: str | None, with_refresh: bool
) -> dict[str, Any]:
    """Issue the tokens of a code grant; returns the members of the token response (TOKEN-10)."""
    now = parts.now()
    refresh = new_token() if with_refresh else None
    kept = None
    if refresh is not None:
        # A refresh token without a lasting consent exists only for a client quirk and dies with the access token.
        expires = None if family.lasting else now + parts.settings.access_seconds * 1000
        kept = {"digest": digest(refresh), "services": _text(family.services), "expires": expires}
    step = token_step(parts, family, services, first=True)
    access = _draw(
        lambda text: parts.store.add_tokens(
            family.id, now, _access(parts, text, services, correlation_id, now), kept, step
        )
    )
    return _response(parts, family, services, access, refresh)


def rotate_tokens(
    parts: Parts, family: Family, old: Refresh, services: frozenset[str], correlation_id: str | None, request_id: str
) -> dict[str, Any] | None:
    """Issue successors of a refresh token; None when another request was first (LTC-04)."""
    now = parts.now()
    access, refresh = new_token(), new_token()
    kept = {"digest": digest(refresh), "services": _text(old.services), "expires": old.expires}
    won = parts.store.rotate_refresh(
        old,
        now,
        request_id,
        _access(parts, access, services, correlation_id, now),
        kept,
        token_step(parts, family, services, first=False),
    )
    return _response(parts, family, services, access, refresh) if won else None


def token_step(
    parts: Parts,
    family: Family,
    services: frozenset[str],
    *,
    first: bool,
    outcome: str = "ok",
    reason: str = "",
) -> StepEnd | None:
    """The end of the token step, for who counts; None for a grant of which the visit or the person is not known.

    ``first`` is a code grant: it belongs to the visit. What a lasting consent brings later is a use of its own (RP-07).
    """
    if family.flow is None or family.sealed_bsn is None:
        return None
    sealed, born = family.sealed_birth_date, None
    if sealed is not None:
        born = date.fromisoformat(parts.ring.open("birth-date", bytes(sealed)).decode("ascii"))
    return StepEnd(
        FlowStep.TOKEN,
        parts.clock(),
        family.flow,
        moment(family.started) if first and family.started is not None else None,
        family.provider,
        family.client,
        family.function,
        tuple(sorted(services)),
        outcome,
        reason,
        parts.person(parts.ring.open("bsn", bytes(family.sealed_bsn)).decode("ascii"), birth_date=born),
        family.representation,
        family.lasting,
    )


def _draw(keep: Callable[[str], bool]) -> str:
    for _ in range(_DRAWS):
        text = new_token()
        if keep(text):
            return text
    raise DrawError("no unused value was drawn")


def _access(parts: Parts, text: str, services: frozenset[str], correlation_id: str | None, now: int) -> dict[str, Any]:
    return {
        "digest": digest(text),
        "services": _text(services),
        "correlation_id": correlation_id,
        "expires": now + parts.settings.access_seconds * 1000,
    }


def _response(
    parts: Parts, family: Family, services: frozenset[str], access: str, refresh: str | None
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": parts.settings.access_seconds,
        "scope": scopes.granted(Dialect(family.dialect), family.provider, services, family.days),
    }
    if refresh is not None:
        answer["refresh_token"] = refresh
    return answer


def _text(services: frozenset[str]) -> str:
    return " ".join(sorted(services))
