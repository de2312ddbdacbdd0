"""From events to visits: how far each came, what it brought, and why it ended (RP-05 to RP-08)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway.usage.events import SEARCHES, STEPS, STORED, UsageEvent

SILENCE = 30 * 60_000
"""Milliseconds after which a request with a lasting consent begins a collection of its own (RP-07)."""
PATIENCE = 60 * 60_000
"""Milliseconds after which a visit that did not end was abandoned (RP-08)."""
SEVERAL = "*"
"""Stands for the service of a visit that was for more than one and got none."""
_PLACE = {step: index for index, step in enumerate(STEPS)}


@dataclass(frozen=True, slots=True)
class CountedVisit:
    """A visit: one collection or one sharing, from the front door to having seen it. ``start`` is UTC milliseconds."""

    start: int
    provider: str
    client: str
    use: str
    person: str
    age: str
    acting: str
    lasting: bool
    test: bool
    reached: int
    """Place of the last step that ended well, in `STEPS`; -1: not even asked well."""
    outcome: str
    """completed, refused, failed, abandoned, or open while it may still go on."""
    ended: str
    """The step at which it ended; empty when it was completed."""
    reason: str
    completed: frozenset[str]
    """The services that were collected or shared."""
    tried: frozenset[str]
    """The services that it counts for: what was requested, else the one that was asked, else `SEVERAL`."""


def visits(events: Iterable[UsageEvent], now: int) -> Iterator[CountedVisit]:
    """The visits in these events, in no order. ``now`` is UTC milliseconds: what began after it does not matter."""
    flows: defaultdict[str, list[UsageEvent]] = defaultdict(list)
    for event in events:
        flows[event.flow].append(event)
    for flow in flows.values():
        flow.sort(key=lambda event: (event.at, _PLACE[event.step]))
        for part in _parts(flow):
            yield _visit(part, now)


def _parts(flow: Sequence[UsageEvent]) -> Iterator[list[UsageEvent]]:
    """The visits of one consent: the one in which it was given, and each collection that came by itself later."""
    # A refresh alone is no collection: it begins with the first request, or with a refresh that was refused.
    flow = [event for event in flow if event.started or event.step != "token" or event.outcome != "ok"]
    part = flow[:1]
    for before, event in pairwise(flow):
        if not event.started and event.at - before.at > SILENCE:
            yield part
            part = []
        part.append(event)
    if part:
        yield part


def _visit(events: Sequence[UsageEvent], now: int) -> CountedVisit:
    completed = frozenset(service for event in events if _completes(event) for service in event.services)
    asked = [event for event in events if event.step != "exchange"]
    requested = frozenset(service for event in events if event.step == "exchange" for service in event.services)
    named = next((event.services for event in reversed(asked) if event.services), ())
    outcome, ended, reason = _end(events, completed, now)
    last = events[-1]
    return CountedVisit(
        start=next((event.started for event in events if event.started), events[0].at),
        provider=last.provider,
        client=last.client,
        use=next((event.use for event in events if event.use), ""),
        person=next((event.person for event in reversed(events) if event.person), ""),
        age=next((event.age for event in reversed(events) if event.age), ""),
        acting=next((event.acting for event in events if event.acting), ""),
        lasting=any(event.lasting for event in events),
        test=any(event.test for event in events),
        reached=_reached(events, completed),
        outcome=outcome,
        ended=ended,
        reason=reason,
        completed=completed,
        tried=requested or frozenset(named if len(named) < 2 else (SEVERAL,)),
    )


def _completes(event: UsageEvent) -> bool:
    """RP-06: one search that was answered, whatever it found; one POST that was stored; of a subscription the token."""
    if event.outcome != "ok":
        return False
    if event.use == "subscribe":
        return event.step == "token"
    return event.step == "exchange" and event.interaction in (SEARCHES if event.use == "collect" else STORED)


def _reached(events: Sequence[UsageEvent], completed: frozenset[str]) -> int:
    """A later step implies the earlier ones (RP-05). A request implies the token, however it was answered."""
    if completed and any(event.step == "exchange" for event in events):
        return _PLACE["exchange"]
    if any(event.step == "exchange" for event in events):
        return _PLACE["token"]
    return max((_PLACE[event.step] for event in events if event.outcome == "ok"), default=-1)


def _end(events: Sequence[UsageEvent], completed: frozenset[str], now: int) -> tuple[str, str, str]:
    if completed:
        return "completed", "", ""
    exchanges = [event for event in events if event.step == "exchange"]
    last = (exchanges or events)[-1]
    reached = _reached(events, completed)
    if last.outcome != "ok" and _PLACE[last.step] > reached:
        return last.outcome, last.step, last.reason
    step = STEPS[max(reached, 0)]
    return ("abandoned" if events[-1].at + PATIENCE <= now else "open"), step, ""
