"""After the login: is this who was asked for, may this person do this, are there data (sections 10, 11, 19)."""

from datetime import date

from auth.events import EventType
from auth.flows.check import SourceDown, age_refuses, deliverable, same_birth_date
from auth.flows.session import Live, Session
from auth.flows.steps import Steps, VisitStopped
from auth.ports import AbsenceReason, Available, FlowStep, Representation, StepEnd


class Arrival(Steps):
    """From an identity to the consent page, or to a page that says why not."""

    async def arrived(self, live: Live, known: Session) -> Live:
        """Representation, age, availability or receivability, birth date of who is represented; then consent."""
        parts = self.parts
        logged = self.ended(FlowStep.AUTHENTICATED, known)
        if known.used_representation != known.representation:
            return await self._refused(live, known, "ERR-16", AbsenceReason.NO_MANDATE)
        provider = self.provider(known)
        asked = self._worth_asking(known)
        acting = Representation(known.representation) if known.representation else None
        birth_date = date.fromisoformat(known.birth_date) if known.birth_date else None
        if known.function == "subscribe" and known.days == 0:
            return await self.move(live, known.but(offered=known.asked), "consent", *logged, *self._passed(known))
        if birth_date is not None and age_refuses(parts, birth_date, acting):
            return await self._unavailable(live, known, "ERR-14", AbsenceReason.AGE)
        person = parts.person(known.bsn or "", birth_date=birth_date)
        actor = parts.person(known.actor_bsn) if known.actor_bsn else None
        self.note(EventType.SEND_AVAILABILITY_REQUEST, known)
        try:
            verdict = await deliverable(parts, provider, person, actor, asked, known.function, acting)
        except SourceDown as error:
            down = self.ended(FlowStep.AVAILABLE, known, "failed", AbsenceReason.SOURCE_DOWN)
            await self.move(live, live.content, "refused", *logged, *down)
            raise VisitStopped(known) from error
        self.note(EventType.RECEIVE_AVAILABILITY_RESPONSE, known)
        known = known.but(birth_date=verdict.birth_date.isoformat() if verdict.birth_date else known.birth_date)
        if acting is not None and not same_birth_date(known.asked_birth_date, verdict.birth_date):
            return await self._unavailable(live, known, "ERR-16", AbsenceReason.NO_MANDATE)
        if not verdict.services:
            return await self._unavailable(live, known, "ERR-14", verdict.reason or AbsenceReason.NO_RELATION)
        replaces = known.function == "collect" and await parts.has_lasting(
            person.pseudonym, provider.name, known.client, actor.pseudonym if actor else None
        )
        offered = tuple(service for service in known.asked if service in verdict.services)
        found = verdict.birth_date.isoformat() if verdict.birth_date else None
        told = known.but(offered=offered, replaces=replaces, birth_date=found, **_told(known, verdict.found))
        return await self.move(live, told, "consent", *logged, *self._passed(told))

    def _passed(self, known: Session) -> list[StepEnd]:
        return self.ended(FlowStep.AVAILABLE, known)

    def _worth_asking(self, known: Session) -> frozenset[str]:
        """Leave out what the client list rules out already; when that is everything, the token endpoint tells it."""
        asked = frozenset(known.asked)
        client = self.parts.lists.clients.find(known.client)
        if client is None or client.services is None:
            return asked
        return asked & client.services or asked

    async def _unavailable(self, live: Live, known: Session, row: str, reason: AbsenceReason) -> Live:
        self.note(EventType.SHOW_UNAVAILABLE_PAGE, live.content)
        return await self._refused(live, known, row, reason)

    async def _refused(self, live: Live, known: Session, row: str, reason: AbsenceReason) -> Live:
        """The person is known, and the visit ends here; what is known of them is counted and not kept."""
        logged = self.ended(FlowStep.AUTHENTICATED, known)
        refused = self.ended(FlowStep.AVAILABLE, known, "refused", reason)
        return await self.refuse(live, row, reason, *logged, *refused)


def _told(known: Session, found: Available | None) -> dict[str, object]:
    """What the consent page tells: the name, what is in each service, and why the others are not there."""
    if found is None:
        return {}
    absent = {id_: str(reason) for id_, reason in found.absent.items() if id_ in known.asked}
    return {"name": found.name, "contents": dict(found.contents), "absent": absent}
