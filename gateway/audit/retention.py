"""Removing access records at the end of their retention (LOG-12), so that the trail still proves what it held.

Only whole beginnings of chains go, and only what was found sound: what was tampered with stays until somebody looked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from gateway.audit.findings import ChainBreak
from gateway.audit.heads import Head
from gateway.audit.removals import REMOVALS, START, Removal
from gateway.audit.trail import Stating
from gateway.audit.verify import verify
from gateway.store.engine import reading, snapshot
from gateway.store.schema import audit_record, audit_removal

SLICE = 5_000
"""Most records in one transaction: who writes the trail must not wait for long."""
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Expired:
    """What was removed, or would be: records by chain; and the chains that were left alone since they do not fit."""

    removed: dict[str, int]
    broken: Sequence[ChainBreak]


def expire(
    engine: Engine,
    key: bytes,
    before: datetime,
    *,
    heads: Sequence[Head] = (),
    stating: Stating | None = None,
    dry_run: bool = False,
) -> Expired:
    """Remove the records that are older than ``before``, as far as each chain has nothing newer in front of them.

    ``heads`` are what was signed of the trail, and ``stating`` states the newest removal. Raises SQLAlchemyError;
    what was removed until then is recorded.
    """
    with snapshot(engine) as connection:
        broken = list(verify(connection, key, heads))
    faulty = {one.chain for one in broken}
    removed: dict[str, int] = {}
    # A removal that does not fit would pass its fault on to those behind it.
    chains = () if REMOVALS in faulty or "" in faulty else list(_ends(engine, before))
    for chain, first, last in chains:
        if chain in faulty:
            continue
        removed[chain] = last - first + 1
        for start in () if dry_run else range(first, last + 1, SLICE):
            _remove(engine, key, chain, start, min(start + SLICE - 1, last), before)
    if removed and stating is not None and not dry_run:
        stating.state(newest(engine))
    return Expired(removed, broken)


def newest(engine: Engine) -> Head | None:
    """The head of the removals, for signing."""
    with reading(engine).connect() as connection:
        number, seal = _last(connection)
    return Head(REMOVALS, number, seal, datetime.now(UTC)) if number else None


def _ends(engine: Engine, before: datetime) -> Iterator[tuple[str, int, int]]:
    """Chain, first number that is there, and the last one before the first record that stays."""
    table = audit_record.c
    with reading(engine).connect() as connection:
        old = connection.execute(
            select(table.chain, func.min(table.sequence)).where(table.at < before).group_by(table.chain)
        ).all()
    for chain, _ in old:
        with reading(engine).connect() as connection:
            ends = select(func.min(table.sequence), func.max(table.sequence)).where(table.chain == chain)
            first, last = connection.execute(ends).one()
            stays = connection.execute(
                select(func.min(table.sequence)).where(table.chain == chain, table.at >= before)
            ).scalar()
        last = last if stays is None else stays - 1
        if last >= first:
            yield chain, first, last


def _remove(engine: Engine, key: bytes, chain: str, first: int, last: int, before: datetime) -> None:
    """One removal: its own record, and the deletion, in one transaction."""
    for attempt in range(ATTEMPTS):
        try:
            with engine.begin() as connection:
                number, previous = _last(connection)
                mac = connection.execute(
                    select(audit_record.c.mac).where(audit_record.c.chain == chain, audit_record.c.sequence == last)
                ).scalar()
                if mac is None:  # Another process was first.
                    return
                made = Removal(number + 1, datetime.now(UTC), chain, last, last - first + 1, before, bytes(mac))
                connection.execute(
                    insert(audit_removal).values(
                        number=made.number, at=made.at, chain=chain, through=last, count=made.count, before=before,
                        mac=made.mac, seal=made.seal(key, previous),
                    )
                )  # fmt: skip
                connection.execute(
                    delete(audit_record).where(
                        audit_record.c.chain == chain, audit_record.c.sequence.between(first, last)
                    )
                )
            return
        except IntegrityError:
            # Two processes took the same number: the one that was later tries again.
            if attempt == ATTEMPTS - 1:
                raise


def _last(connection: Connection) -> tuple[int, bytes]:
    row = connection.execute(
        select(audit_removal.c.number, audit_removal.c.seal).order_by(audit_removal.c.number.desc()).limit(1)
    ).first()
    return (0, START) if row is None else (int(row.number), bytes(row.seal))
