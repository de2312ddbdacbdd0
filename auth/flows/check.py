"""The availability and receivability tests, with age and representation: what a person may do here and now.

Used when a person authorises and again, without the person, at every refresh (LTC-06).
"""

from dataclasses import dataclass, field
from datetime import date

import anyio

from auth.ages import deciding_rule, today
from auth.parts import Parts
from auth.ports import AbsenceReason, Available, Person, Provider, Representation


class SourceDown(Exception):
    """The provider's system did not answer in time (AVL-03)."""


@dataclass(frozen=True, slots=True)
class ScopeVerdict:
    """What is left of the asked services, and why nothing is."""

    services: frozenset[str]
    reason: AbsenceReason | None = None
    birth_date: date | None = field(default=None, repr=False)
    found: Available | None = field(default=None, repr=False)
    """What the provider answered, for telling who decides."""


def age_refuses(parts: Parts, birth_date: date, acting: Representation | None) -> bool:
    """True when no age rule allows this today (AVL-04)."""
    return deciding_rule(birth_date, today(parts.clock()), acting) is None


async def deliverable(
    parts: Parts,
    provider: Provider,
    person: Person,
    actor: Person | None,
    services: frozenset[str],
    function: str,
    acting: Representation | None,
) -> ScopeVerdict:
    """Ask the provider's system and apply the age rules. Raises SourceDown when it does not answer."""
    offered = services & provider.services.keys()
    if not offered:
        return ScopeVerdict(frozenset(), AbsenceReason.NOT_OFFERED)
    if person.birth_date is not None and age_refuses(parts, person.birth_date, acting):
        return ScopeVerdict(frozenset(), AbsenceReason.AGE, person.birth_date)
    answer = await _asked(parts, provider, person, actor, offered, function)
    birth_date = answer.birth_date or person.birth_date
    left = answer.services & offered
    if not left:
        return ScopeVerdict(frozenset(), answer.reason or AbsenceReason.NO_RELATION, birth_date)
    if birth_date is None:
        passes = parts.settings.unknown_birth_date == "pass"
        return ScopeVerdict(left if passes else frozenset(), None if passes else AbsenceReason.AGE, None, answer)
    if age_refuses(parts, birth_date, acting):
        return ScopeVerdict(frozenset(), AbsenceReason.AGE, birth_date)
    return ScopeVerdict(left, None, birth_date, answer)


async def _asked(
    parts: Parts, provider: Provider, person: Person, actor: Person | None, services: frozenset[str], function: str
) -> Available:
    ask = parts.host.receivability if function == "share" else parts.host.availability
    try:
        with anyio.fail_after(parts.settings.availability_seconds):
            return await ask(provider, person, services, actor)
    except Exception as error:
        raise SourceDown("the source did not answer") from error


def same_birth_date(asked: str | None, known: date | None) -> bool:
    """Whether who acts for another knows when that person was born, as the provider does (REP-05)."""
    return known is not None and asked == known.isoformat()
