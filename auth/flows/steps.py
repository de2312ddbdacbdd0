"""What every step of a visit works with: the session that only one request can move, events, and the two ways out."""

from datetime import date

from auth.errors import REFUSALS, told_as
from auth.events import EventType
from auth.flows import redirects
from auth.flows.session import Live, Session, moved
from auth.parts import Parts
from auth.ports import FlowStep, Person, Provider, StepEnd
from auth.store.rows import moment


class SessionLost(Exception):
    """No such session for this browser, or it expired, or another request was first (ERR-19)."""

    def __init__(self, known: Session | None = None) -> None:
        self.known = known
        super().__init__("the browser session is lost")


class VisitStopped(Exception):
    """A visit that cannot go on now; the person gets a page with a link (ERR-18)."""

    def __init__(self, content: Session) -> None:
        self.content = content
        super().__init__("the visit cannot go on")


class Steps:
    """Common ground of the steps."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def provider(self, content: Session) -> Provider:
        """The provider of a visit. Raises VisitStopped when the host dropped it meanwhile."""
        provider = self.parts.providers.find(content.provider or "")
        if provider is None:
            raise VisitStopped(content)
        return provider

    def note(self, event: EventType, content: Session, **fields: object) -> None:
        """Note an event of this visit."""
        self.parts.note(
            event,
            trace_id=content.correlation_id,
            session_id=content.id,
            request_id=content.request_id,
            client_id=content.client or None,
            provider_id=content.provider,
            service_id=content.asked[0] if len(content.asked) == 1 else None,
            initiated_by="person",
            **fields,
        )

    def ended(self, step: FlowStep, content: Session, outcome: str = "ok", reason: str = "") -> list[StepEnd]:
        """The end of a step of this visit, for who counts; nothing for a visit without a client."""
        if content.manage:
            return []
        return [
            StepEnd(
                step,
                self.parts.clock(),
                content.id,
                moment(content.started) if content.started else None,
                content.provider or "",
                content.client,
                content.function,
                content.offered or content.asked,
                outcome,
                reason,
                self._who(content),
                content.representation,
            )
        ]

    def _who(self, content: Session) -> Person | None:
        if not content.bsn:
            return None
        born = date.fromisoformat(content.birth_date) if content.birth_date else None
        return self.parts.person(content.bsn, birth_date=born)

    async def refuse(self, live: Live, row: str, reason: str | None, *steps: StepEnd) -> Live:
        """End the visit in a page that tells the person why (ERR-12 to ERR-16)."""
        content = live.content.but(refusal=row, reason=reason, login_kept={}, login_state=None, login_posted={})
        return await self.move(live, content, "refused", *steps)

    async def move(self, live: Live, content: Session, step: str, *steps: StepEnd) -> Live:
        """Bring the visit to a step, and count what ended. Raises SessionLost when another request was first."""
        parts = self.parts
        row = moved(live, content, parts.ring, parts.now(), parts.settings.session_seconds, step)
        if not await parts.run(parts.store.move_session, row, live.row.version, *steps):
            raise SessionLost
        return Live(row, content)

    def refusal_location(self, content: Session, row: str) -> str:
        """Where the browser goes with a refusal; the same for everything about the person (ERR-92)."""
        refusal = REFUSALS[row]
        numeric = self.parts.settings.quirks_of(content.client).numeric_error
        error = told_as(refusal.code or "server_error", numeric=numeric)
        return self.location(content, [("error", error), ("error_description", refusal.description or "")])

    def location(self, content: Session, fields: list[tuple[str, str]]) -> str:
        """The Location of an answer to the client, with `iss` by setting (RFC 9207)."""
        if self.parts.settings.issuer_parameter:
            fields = [*fields, ("iss", self.parts.settings.base_url)]
        return redirects.answer(content.redirect_uri, fields, content.raw_state)


def at(live: Live, *steps: str) -> None:
    """The visit must be at one of these steps. Raises SessionLost."""
    if live.step not in steps:
        raise SessionLost(live.content)
