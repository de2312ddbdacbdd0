"""What was removed from the trail at the end of its retention, as records of their own that cannot be changed unseen.

Each removal takes the beginning of one chain and says up to which number, with the mac that the rest goes on from. The
removals are chained under a key derived from the audit key, and the newest one is signed for like the head of a chain.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.audit.chain import derived
from gateway.audit.findings import ChainBreak
from gateway.audit.heads import Head
from gateway.audit.raw import bytes_of, moment_of, number_of, rows, text_of

REMOVALS = "removals"
"""The name under which the head of the removals is signed."""
START = bytes(32)


@dataclass(frozen=True, slots=True)
class Removal:
    """Records of ``chain`` up to and with ``through``, ``count`` of them, all older than ``before``, removed at ``at``.

    ``mac`` is that of the last one that was removed. Times are UTC.
    """

    number: int
    at: datetime
    chain: str
    through: int
    count: int
    before: datetime
    mac: bytes

    def seal(self, key: bytes, previous: bytes) -> bytes:
        """The mac of this removal after the one before, 32 bytes."""
        told = [
            self.number,
            _moment(self.at),
            self.chain,
            self.through,
            self.count,
            _moment(self.before),
            self.mac.hex(),
        ]
        return hmac.digest(derived(key, "audit removal"), previous + msgspec.json.encode(told), "sha256")


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def removals(connection: Connection, key: bytes, heads: Sequence[Head]) -> tuple[dict[str, Removal], list[ChainBreak]]:
    """The newest removal of each chain, with the number of all that was removed of it; and what is wrong with them.

    A removal that does not fit is not believed: the records that it tells of are missing then.
    """
    by_chain: dict[str, Removal] = {}
    faults: list[ChainBreak] = []
    number, previous = 0, START
    signed = {head.sequence: head.mac for head in heads}
    for row in rows(connection, "audit_removal"):
        removal, seal = _read(row), bytes_of(row[7])
        at = number_of(row[0]) or 0
        if at > number + 1:
            faults.append(ChainBreak(REMOVALS, at, f"removals {number + 1} to {at - 1} are missing", "removal"))
        elif removal is None or seal is None or not hmac.compare_digest(removal.seal(key, previous), seal):
            faults.append(ChainBreak(REMOVALS, at, "the removal or its seal was changed, or it was added", "removal"))
        elif signed.get(at, seal) != seal:
            faults.append(ChainBreak(REMOVALS, at, "another removal than this one was signed for", "removal"))
        else:
            before = by_chain.get(removal.chain)
            whole = removal.count + (before.count if before else 0)
            by_chain[removal.chain] = Removal(
                removal.number, removal.at, removal.chain, removal.through, whole, removal.before, removal.mac
            )
        number, previous = max(number, at), seal if seal is not None else b""
    last = max(signed, default=0)
    if last > number:
        text = f"removals {number + 1} to {last} are missing at the end"
        faults.append(ChainBreak(REMOVALS, number + 1, text, "removal"))
    return by_chain, faults


def _read(row: Any) -> Removal | None:
    number, at, chain = number_of(row[0]), moment_of(row[1]), text_of(row[2])
    through, count, before, mac = number_of(row[3]), number_of(row[4]), moment_of(row[5]), bytes_of(row[6])
    if number is None or at is None or chain is None or through is None:
        return None
    if count is None or before is None or mac is None:
        return None
    return Removal(number, at, chain, through, count, before, mac)
