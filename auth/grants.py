"""What a valid access token stands for."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """A valid access token, looked up. Holds no token: only its digest."""

    digest: bytes = field(repr=False)
    client: str
    """Host name of the client to whom the token was issued."""
    provider: str
    services: frozenset[str]
    subject: str
    """Pseudonym of the person whose data may be collected."""
    sealed_bsn: bytes | None = field(repr=False)
    """For `KeyRing.open("bsn", ...)`, where a flow needs the number; None for tokens by patient id."""
    patient: str | None = field(repr=False)
    """Logical patient id, only in static tokens of test mode."""
    actor: str | None
    """Pseudonym of the representative, when somebody acts for the person."""
    issued: datetime
    expires: datetime
    correlation_id: str | None
    consent_id: str | None
    function: str
    """collect, share or subscribe."""
    days: int | None = None
    """Granted length of a subscription; None for the other functions."""

    def covers(self, provider: str, service: str, *, subscribe: bool = False) -> bool:
        """True when the grant is for this provider and holds this service (RES-05).

        Collect or share follows from the service. A token to subscribe opens the subscription interface only, although
        its service is one to collect.
        """
        fits = (self.function == "subscribe") == subscribe
        return fits and provider == self.provider and service in self.services
