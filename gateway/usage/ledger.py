"""Writing events: for the authorization server in its transactions, for the resource server beside the audit record."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, insert, select, update

from auth.ports import StepEnd
from auth.store.rows import milliseconds
from gateway.audit.heads import STEPS
from gateway.audit.record import AuditRecord
from gateway.store.counts import usage_chain, usage_event
from gateway.usage.events import ACTING, UsageEvent, UseLabel, age_group, at_of, exchanged, mac_of
from gateway.usage.keys import KeyDestroyed, YearKeys, add_unless_there, pseudonym, year_of
from gateway.usage.settings import UsageSettings

PREFIX = STEPS


@dataclass
class Ledger:
    """Implements ``auth.ports.Journal``: one chain per run of a process.

    How far the chain is stands in a row, which each transaction locks as the last thing it does. So of transactions
    beside each other each gets the next number, and one that is rolled back leaves no gap.
    """

    key: bytes
    keys: YearKeys
    settings: UsageSettings = field(default_factory=UsageSettings)
    chain: str = field(default_factory=lambda: f"{PREFIX}{uuid.uuid4().hex}")

    def label(self, connection: Connection, step: StepEnd) -> str:
        """What the use of a token is counted under."""
        flow, person = self._pseudonyms(connection, step)
        born = step.person.birth_date if step.person else None
        return UseLabel(
            flow,
            milliseconds(step.started) if step.started else 0,
            person,
            age_group(born, step.at),
            ACTING.get(step.representation, ""),
            step.lasting,
            self._is_test(step),
            step.function,
        ).text()

    def write(self, connection: Connection, steps: Sequence[StepEnd]) -> None:
        """Count steps: the last statement of a transaction."""
        events = [self._event(connection, step) for step in steps]
        if not events:
            return
        sequence, mac = self._head(connection)
        rows = []
        for event in events:
            body, sequence = event.canonical(), sequence + 1
            mac = mac_of(self.key, mac, self.chain, sequence, body)
            place = {"chain": self.chain, "sequence": sequence, "at": at_of(event), "provider": event.provider}
            rows.append({**place, "event": body, "mac": mac})
        connection.execute(insert(usage_event), rows)
        head = update(usage_chain).where(usage_chain.c.chain == self.chain)
        connection.execute(head.values(sequence=sequence, mac=mac))

    def _head(self, connection: Connection) -> tuple[int, bytes]:
        which = select(usage_chain.c.sequence, usage_chain.c.mac).where(usage_chain.c.chain == self.chain)
        row = connection.execute(which.with_for_update()).first()
        if row is None:
            begun = {"chain": self.chain, "sequence": 0, "mac": start_of(self.chain)}
            add_unless_there(connection, usage_chain, begun)
            row = connection.execute(which.with_for_update()).one()
        return int(row.sequence), bytes(row.mac)

    def _event(self, connection: Connection, step: StepEnd) -> UsageEvent:
        flow, person = self._pseudonyms(connection, step)
        return UsageEvent(
            at=milliseconds(step.at),
            step=str(step.step),
            flow=flow,
            started=milliseconds(step.started) if step.started else 0,
            outcome=step.outcome,
            reason=str(step.reason),
            provider=step.provider,
            client=step.client,
            use=step.function,
            services=step.services,
            person=person,
            age=age_group(step.person.birth_date if step.person else None, step.at),
            acting=ACTING.get(step.representation, ""),
            lasting=step.lasting,
            test=self._is_test(step),
        )

    def _pseudonyms(self, connection: Connection, step: StepEnd) -> tuple[str, str]:
        """Of the visit and the person, under the key of the year in which the visit began."""
        year = year_of(step.started or step.at)
        try:
            key = self.keys.of(connection, step.provider, year)
        except KeyDestroyed:
            return hashlib.sha256(f"{uuid.uuid4()}".encode()).hexdigest()[:32], ""
        return pseudonym(key, "flow", step.flow), pseudonym(key, "person", step.person.pseudonym if step.person else "")

    def _is_test(self, step: StepEnd) -> bool:
        bsn = step.person.bsn if step.person else ""
        return self.settings.is_test(step.client, bsn)


@dataclass(frozen=True, slots=True)
class BesideTrail:
    """What is written beside an audit record: its chain and number are those of the record."""

    key: bytes

    def row(self, record: AuditRecord, label: str, took: int, chain: str, sequence: int) -> tuple[object, ...] | None:
        """The row of `usage_event`, or None when the request is not counted."""
        event = exchanged(record, label, took)
        if event is None:
            return None
        body = event.canonical()
        mac = mac_of(self.key, start_of(chain), chain, sequence, body)
        return chain, sequence, at_of(event), event.provider, body, mac


def start_of(chain: str) -> bytes:
    """What stands for the mac before the first event of a chain."""
    return hashlib.sha256(chain.encode()).digest()
