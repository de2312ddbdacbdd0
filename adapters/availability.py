"""The answer to an availability query (AVL-01), put together alike by every adapter."""

from collections.abc import Callable, Collection, Iterable
from datetime import date

from adapters.port import Availability, AvailabilityQuery, Reason, ServiceKey
from profiles.standards.load import UnknownService, catalogue

GENERAL = frozenset({"Patient"})
"""Types that every record has, and that say nothing about which data are there."""

Missing = Callable[[ServiceKey], Reason | None]
"""Why a source has nothing for a service; None when it has."""


def answer(
    query: AvailabilityQuery,
    patients: Collection[str],
    born: Iterable[date | None],
    allowed: Collection[str] | None,
    missing: Missing,
    names: Iterable[str | None] = (),
) -> Availability:
    """What is available for a person whose ids here are ``patients`` (none: not known here).

    ``born`` and ``names`` are theirs; when they differ none is told. ``allowed`` are the services of the settings
    (None: all). ``missing`` is asked only for a service that is allowed.
    """
    if not patients:
        return Availability(False, reasons={service.id: Reason.NO_RELATION for service in query.services})
    reasons: dict[str, Reason] = {}
    for service in query.services:
        why = Reason.NOT_OFFERED if allowed is not None and service.id not in allowed else missing(service)
        if why is not None:
            reasons[service.id] = why
    offered = frozenset(service.id for service in query.services) - reasons.keys()
    days = {day for day in born if day is not None}
    called = {name for name in names if name}
    name = called.pop() if len(called) == 1 else None
    return Availability(True, offered, reasons, days.pop() if len(days) == 1 else None, frozenset(patients), name)


def types_of(service: ServiceKey) -> frozenset[str] | None:
    """The resource types that a service's rows ask for, the general ones left out; None when nobody knows it."""
    try:
        standard, known = catalogue().service(service.id)
    except UnknownService:
        return None
    asked = {rule.type for rule in standard.rules_of(known) if rule.method == "GET" and rule.type is not None}
    return frozenset(asked - GENERAL)
