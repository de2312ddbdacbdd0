"""Messages that were acknowledged as safe (CA) and are not carried out yet: sealed, in the table of the quarantine.

They stand there with a state of their own, so that no list shows them and no retention takes them, until they are
carried out. What a killed process left is carried out at the next start; carrying a message out twice changes nothing.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Engine, delete, insert, select

from auth.crypto import KeyRing
from gateway.intake.hl7v2.held import digest_of
from gateway.store.schema import quarantine
from profiles.fhir.version import FhirVersion

WAITING = "waiting"


class WaitingMessages:
    """Those of one source. Everything raises SQLAlchemyError when the store does not answer."""

    def __init__(self, engine: Engine, ring: KeyRing, provider: str, source: str, version: FhirVersion) -> None:
        self._engine = engine
        self._ring = ring
        self._provider = provider
        self._source = source
        self._version = version

    def keep(self, raw: bytes, kind: str) -> int:
        """Keep a message; durable when it returns. Its number."""
        values = {
            "provider": self._provider, "source": self._source, "fhir": self._version.value,
            "received": datetime.now(UTC), "what": f"HL7 v2 message {kind}", "findings": b"[]",
            "sealed": self._ring.seal("quarantine", raw), "state": WAITING,
            "digest": digest_of(self._provider, self._source, raw),
        }  # fmt: skip
        with self._engine.begin() as connection:
            return int(connection.execute(insert(quarantine).values(values).returning(quarantine.c.pk)).scalar_one())

    def left(self) -> Iterator[tuple[int, bytes]]:
        """What was kept and is not carried out, in the order in which it came."""
        mine = (
            select(quarantine.c.pk)
            .where(
                quarantine.c.state == WAITING,
                quarantine.c.provider == self._provider,
                quarantine.c.source == self._source,
            )
            .order_by(quarantine.c.pk)
        )
        with self._engine.connect() as connection:
            numbers = connection.execute(mine).scalars().all()
        for number in numbers:
            with self._engine.connect() as connection:
                sealed = connection.execute(
                    select(quarantine.c.sealed).where(quarantine.c.pk == number, quarantine.c.state == WAITING)
                ).scalar()
            if sealed is not None:
                yield int(number), self._ring.open("quarantine", bytes(sealed))

    def done(self, number: int) -> None:
        """A message was carried out, or is held for people now."""
        with self._engine.begin() as connection:
            connection.execute(delete(quarantine).where(quarantine.c.pk == number, quarantine.c.state == WAITING))
