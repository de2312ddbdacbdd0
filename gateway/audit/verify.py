"""Checking the trail: every chain is walked, held to its keys, to the columns beside it, and to what was signed of it.

Nothing that stands in the table can end the walk: what is no record is a fault like any other.
"""

import hmac
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.audit.chain import Chain, chain_of
from gateway.audit.findings import ChainBreak
from gateway.audit.heads import STEPS, Head
from gateway.audit.raw import NoRecord, Stored, stored_records
from gateway.audit.removals import REMOVALS, Removal, removals


@dataclass
class Walked:
    """What was walked through: records and chains, chains of which nothing was signed, and how far each chain is."""

    records: int = 0
    chains: int = 0
    removed: int = 0
    unsigned: list[str] = field(default_factory=list)
    after: int = 0
    """Records that came after the last signed head of their chain."""
    heads: list[Head] = field(default_factory=list)

    def leave(self, walk: "Walk") -> None:
        """Count a chain that was walked to its end."""
        self.heads += walk.head()
        self.after += walk.after


def verify(
    connection: Connection, key: bytes, heads: Iterable[Head] = (), counted: Walked | None = None
) -> Iterator[ChainBreak]:
    """Walk every chain and yield what does not fit, under the audit key and against statements of how far chains were.

    The statements must have been read before the connection's snapshot began. ``counted`` is filled on the way.
    """
    counted = Walked() if counted is None else counted
    stated: defaultdict[str, list[Head]] = defaultdict(list)
    for head in heads:
        # What is counted has chains of its own (gateway.usage.proof).
        if not head.chain.startswith(STEPS):
            stated[head.chain].append(head)
    gone, faults = removals(connection, key, stated.pop(REMOVALS, []))
    yield from faults
    counted.removed = sum(one.count for one in gone.values())
    walk: Walk | None = None
    for row in stored_records(connection):
        if isinstance(row, NoRecord) and row.chain is None:
            yield ChainBreak("", 0, row.text, "unreadable")
            continue
        name = row.chain or ""
        if walk is None or walk.chain.name != name:
            if walk is not None:
                yield from walk.ended()
                counted.leave(walk)
            walk = Walk(chain_of(name, key), gone.pop(name, None), stated.pop(name, []))
            counted.chains += 1
            if not walk.heads:
                counted.unsigned.append(name)
        counted.records += 1
        yield from walk.step(row)
    if walk is not None:
        yield from walk.ended()
        counted.leave(walk)
    for name, told in stated.items():
        yield from Walk(chain_of(name, key), gone.get(name), told).ended()


class Walk:
    """Where the check of one chain is."""

    def __init__(self, chain: Chain, removal: Removal | None, heads: Sequence[Head]) -> None:
        self.chain = chain
        self.heads = sorted(heads, key=lambda one: one.sequence)
        self._through = removal.through if removal else 0
        self._number = self._through
        # What the mac before may be: more than one after a fault, so that only what was touched is named.
        self._macs: tuple[bytes, ...] = (removal.mac if removal else chain.start,)
        self._since = ""
        self._signed: defaultdict[int, list[Head]] = defaultdict(list)
        for head in heads:
            self._signed[head.sequence].append(head)

    def step(self, row: Stored | NoRecord) -> Iterator[ChainBreak]:
        """Hold the next row to what is before it."""
        if row.sequence is None:
            yield self._fault(0, row.text if isinstance(row, NoRecord) else "", "unreadable")
            return
        if row.sequence <= self._number:
            if row.sequence <= self._through and row.sequence > 0:
                text = "the record was removed at the end of its retention, and is there again"
                yield self._fault(row.sequence, text, "returned")
            else:
                yield self._fault(row.sequence, "a record with this number was added", "changed")
            return
        if row.sequence > self._number + 1:
            yield self._missing(row.sequence - 1)
            self._macs = ()
        self._number = row.sequence
        yield from self._held(row)

    def _held(self, row: Stored | NoRecord) -> Iterator[ChainBreak]:
        number = self._number
        if isinstance(row, NoRecord):
            yield self._fault(number, row.text, "unreadable")
            self._macs = (row.mac,) if row.mac is not None else ()
            return
        made = [self.chain.link(mac, number, row.record) for mac in self._macs]
        if made and not any(hmac.compare_digest(one, row.mac) for one in made):
            yield self._fault(number, "the record or its mac was changed, or it was added", "changed")
            self._macs = (row.mac, *made)
            return
        self._macs = (row.mac,)
        if any(head.mac != row.mac for head in self._signed[number]):
            yield self._fault(number, "another record than this one was signed for", "other")
        wrong = _columns(self.chain, row)
        if wrong:
            yield self._fault(number, f"{wrong} is not what the record says", "column")
        else:
            self._since = row.at.isoformat(timespec="milliseconds")

    def ended(self) -> Iterator[ChainBreak]:
        """What was signed for and is not there."""
        if not self.heads or self.heads[-1].sequence <= self._number:
            return
        last = self.heads[-1]
        signed = f"signed for at {last.at.isoformat(timespec='seconds')}"
        if self._number == 0:
            since = self.heads[0].at.isoformat(timespec="seconds")
            text = f"the whole chain is missing: records 1 to {last.sequence}, {signed}"
            yield ChainBreak(self.chain.name, 1, text, "gone", since)
        else:
            text = f"records {self._number + 1} to {last.sequence} are missing at the end, {signed}"
            yield ChainBreak(self.chain.name, self._number + 1, text, "cut", self._since)

    @property
    def after(self) -> int:
        """How many numbers there are behind the last signed head; 0 for a chain that is not signed at all."""
        return max(0, self._number - self.heads[-1].sequence) if self.heads else 0

    def head(self) -> list[Head]:
        """How far the chain is now; nothing when that is not certain."""
        return [Head(self.chain.name, self._number, mac, datetime.now(UTC)) for mac in self._macs[:1]]

    def _missing(self, last: int) -> ChainBreak:
        first = self._number + 1
        what = f"record {first} is missing" if first == last else f"records {first} to {last} are missing"
        return ChainBreak(self.chain.name, last + 1, what, "missing", self._since)

    def _fault(self, number: int, text: str, kind: Any) -> ChainBreak:
        return ChainBreak(self.chain.name, number, text, kind, self._since)


def _columns(chain: Chain, row: Stored) -> str:
    """Which columns do not say what the record says; empty when all do."""
    try:
        told = msgspec.json.decode(row.record)
        at = datetime.fromisoformat(told["at"]).astimezone(UTC)
        person, provider = told.get("person", ""), told.get("provider", "")
    except (msgspec.DecodeError, ValueError, TypeError, KeyError, AttributeError):
        # The mac fits: whoever holds the key wrote it.
        return "what was written"
    # Earlier releases kept more digits in the column than in the record.
    kept = row.at if chain.formed > 1 else row.at.replace(microsecond=row.at.microsecond // 1000 * 1000)
    pairs = {"at": (kept, at), "person": (row.person, person), "provider": (row.provider, provider)}
    return ", ".join(name for name, (column, record) in pairs.items() if column != record)
