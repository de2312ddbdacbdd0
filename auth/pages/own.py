"""The door to "Mijn gegevens": the host's pages where a person reads their own record, behind the same login."""

from dataclasses import dataclass, field, replace
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from auth.flows.check import ScopeVerdict, SourceDown, deliverable, same_birth_date
from auth.flows.session import Session
from auth.flows.steps import SessionLost
from auth.flows.visit import Visits
from auth.pages.catalogue import choose_language
from auth.pages.contexts import MissingPage
from auth.pages.exit import Exit
from auth.pages.guard import PageGuard, Turn
from auth.pages.presenter import Presenter
from auth.pages.stages import Stages
from auth.parts import Parts
from auth.ports import AbsenceReason, Function, Person, Provider, Representation

OWN_RECORD = "/mijn-gegevens"
"""Where the host shows the record; the visit's id follows."""


@dataclass(frozen=True, slots=True)
class OwnRecordReader:
    """Who reads their own record: logged in, at one provider, in this browser."""

    visit: str
    csrf: str = field(repr=False)
    provider: Provider
    person: Person
    services: frozenset[str]
    reason: AbsenceReason | None
    """Why there is nothing to read, when `services` is empty."""
    language: str = "nl"
    actor: Person | None = None
    """Who reads for the person; None: the person."""
    representation: Representation | None = None
    """The kind of that."""
    name: str | None = field(default=None, repr=False)
    """Name of the person, as the provider has it; known only where there is something to read."""


class OwnRecordPage(Protocol):
    """What the host shows to a reader."""

    async def __call__(self, request: Request, reader: OwnRecordReader, /) -> Response:
        """The page."""


class OwnRecordDoor(PageGuard):
    """Opens visits that lead to the own record, and says who comes in."""

    def __init__(self, parts: Parts, visits: Visits, presenter: Presenter, leaving: Exit) -> None:
        super().__init__(parts, visits, presenter)
        self._stages = Stages(visits, presenter)
        self._exit = leaving

    async def open(self, request: Request) -> Response:
        """GET /mijn-gegevens/{provider}: the page before login."""
        return await self.guarded(self._open, request)

    async def _open(self, request: Request, turn: Turn) -> Response:
        provider = self.parts.providers.find(request.path_params["provider"])
        if provider is None:
            language = choose_language(None, request.headers.get("accept-language"))
            return self.show.page(MissingPage(), language=language, status=404)
        language = choose_language(request.query_params.get("lang"), request.headers.get("accept-language"))
        live, secret = await self.visits.open_own_record(provider.name, language)
        turn.content = live.content
        answer = self._stages.landing(live)
        self.show.set_cookie(answer, live.content.id, secret)
        return answer

    async def shown(self, request: Request, page: OwnRecordPage) -> Response:
        """A page of the host for whoever logged in; for anybody else the page that says that this visit is over."""

        async def handler(request: Request, turn: Turn) -> Response:
            return await page(request, await self._reader(request, turn))

        return await self.guarded(handler, request)

    async def leave(self, request: Request) -> Response:
        """POST /mijn-gegevens/inzage/{visit}/uitloggen: the visit is over."""
        return await self.guarded(self._leave, request)

    async def _leave(self, request: Request, turn: Turn) -> Response:
        live, _ = await self.posted(request, turn)
        return await self._exit.leave(live)

    async def _reader(self, request: Request, turn: Turn) -> OwnRecordReader:
        live = await self.live(request, turn)
        wanted = request.query_params.get("lang")
        if wanted is not None and wanted != live.content.language:
            live = await self.visits.speak(live, choose_language(wanted, None))
        content = live.content
        if live.step != "manage" or not content.own_record or content.bsn is None:
            raise SessionLost(None)
        provider = self.visits.provider(content)
        offered = frozenset(id_ for id_, one in provider.services.items() if one.function is Function.COLLECT)
        acting = Representation(content.representation) if content.representation else None
        reader = OwnRecordReader(
            content.id,
            content.csrf,
            provider,
            self.parts.person(content.bsn),
            frozenset(),
            AbsenceReason.SOURCE_DOWN,
            content.language,
            self.parts.person(content.actor_bsn) if content.actor_bsn else None,
            acting,
        )
        try:
            # The same tests as for a PGO: whoever may not collect there may not read here.
            verdict = await deliverable(self.parts, provider, reader.person, reader.actor, offered, "collect", acting)
        except SourceDown:
            return reader
        if acting is not None and not self._may_act(content, verdict, acting):
            return replace(reader, reason=AbsenceReason.NO_MANDATE)
        reason = None if verdict.services else verdict.reason or AbsenceReason.NO_RELATION
        name = verdict.found.name if verdict.found else None
        return replace(reader, services=verdict.services, reason=reason, name=name)

    def _may_act(self, content: Session, verdict: ScopeVerdict, acting: Representation) -> bool:
        """Whether it is still on offer, and who acts knows when the person was born (REP-05, REP-07).

        Of a person who is not known here there is no birth date; that they are not known is what is told then.
        """
        known = not verdict.services or same_birth_date(content.asked_birth_date, verdict.birth_date)
        return known and acting in self.visits.acting_kinds(content)
