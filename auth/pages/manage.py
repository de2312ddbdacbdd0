"""Mijn toestemmingen: what a person consented to, who collected what, and ending it (LTC-07)."""

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from auth.ages import ZONE
from auth.events import EventType
from auth.flows.session import Live, Session
from auth.flows.steps import SessionLost
from auth.flows.visit import Visits
from auth.pages.acting import Acting
from auth.pages.catalogue import choose_language
from auth.pages.contexts import AccessLine, ConsentLine, EndConsent, HistoryLine, Manage, ManageLanding, SentLine
from auth.pages.exit import Exit
from auth.pages.guard import PageGuard, Turn
from auth.pages.presenter import VISIT, Presenter
from auth.parts import Parts
from auth.ports import AccessEntry, SentEntry
from auth.store.rows import ConsentEntry, Family, moment

_ACCESSES, _HISTORY, _SENT = 300, 50, 100
_ROUND = timedelta(minutes=5)
"""A client asks for everything at once: what comes within this time is shown as one collection."""

_Access = tuple[AccessEntry, str | None]
"""One access, and who acted for whom in it."""


class ManageConsents(PageGuard):
    """The pages behind /consents. A visit without a client; login first."""

    def __init__(self, parts: Parts, visits: Visits, presenter: Presenter, leaving: Exit) -> None:
        super().__init__(parts, visits, presenter)
        self._exit = leaving

    async def open(self, request: Request) -> Response:
        """GET /consents[?provider=name]: the page before login."""
        return await self.guarded(self._open, request)

    async def _open(self, request: Request, turn: Turn) -> Response:
        name = request.query_params.get("provider")
        provider = self.parts.providers.find(name) if name else None
        language = choose_language(request.query_params.get("lang"), request.headers.get("accept-language"))
        live, secret = await self.visits.open_manage(provider.name if provider else None, language)
        turn.content = live.content
        page = ManageLanding(VISIT + live.content.id, live.content.csrf)
        answer = self.show.page(page, language=language, content=live.content)
        self.show.set_cookie(answer, live.content.id, secret)
        return answer

    async def end(self, request: Request) -> Response:
        """POST /oauth/visit/{id}/end: end one lasting consent, at once when the person is sure (LTC-09)."""
        return await self.guarded(self._end, request)

    async def _end(self, request: Request, turn: Turn) -> Response:
        live, form = await self.posted(request, turn)
        content, subject = live.content, self._subject(live)
        acting = await self._acting(content, subject)
        mine = {family.id: family for family in (*await self._families(content, subject), *acting.living)}
        family = mine.get(form.value("consent") or "")
        if family is None:
            return await self.overview(live, None)
        if form.value("sure") != "yes":
            page = EndConsent(VISIT + content.id, content.csrf, self._consent_line(family, acting))
            return self.show.page(page, language=content.language, content=content)
        parts = self.parts
        await parts.run(parts.store.end_family, family.id, parts.now(), "withdrawn", "manage-consents")
        self.visits.note(EventType.CONSENT_WITHDRAWN, content, consent_id=family.consent_id)
        return await self.overview(live, self._client_name(family.client))

    async def logout(self, request: Request) -> Response:
        """POST /oauth/visit/{id}/logout."""
        return await self.guarded(self._logout, request)

    async def _logout(self, request: Request, turn: Turn) -> Response:
        live, _ = await self.posted(request, turn)
        self._subject(live)
        return await self._exit.leave(live)

    async def overview(self, live: Live, ended: str | None) -> Response:
        """The page itself, after login."""
        content, subject = live.content, self._subject(live)
        acting = await self._acting(content, subject)
        lines, accesses = await self._record(content, acting)
        page = Manage(
            visit=VISIT + content.id,
            csrf=content.csrf,
            consents=tuple(self._consent_line(family, acting) for family in await self._families(content, subject)),
            others=tuple(self._consent_line(family, acting) for family in acting.living),
            accesses=self._access_lines(accesses),
            sent=await self._sent(content, subject),
            history=tuple(self._history_line(line, acting) for line in lines[:_HISTORY]),
            ended=ended,
        )
        return self.show.page(page, language=content.language, content=content)

    async def _sent(self, content: Session, subject: str) -> tuple[SentLine, ...]:
        """What the person sent: their own only, whoever sent it for them."""
        entries = await self.parts.host.sent(subject, _SENT)
        return tuple(self._sent_line(one) for one in entries if self._here(content, one.provider))

    def _sent_line(self, entry: SentEntry) -> SentLine:
        provider = self.parts.providers.find(entry.provider)
        return SentLine(
            time=_minute(entry.time),
            client=self._client_name(entry.client),
            provider=provider.display_name if provider else entry.provider,
            what=self.show.service_names(provider, (entry.service_id,))[0],
            states=tuple((f"manage.sent_{state}", count) for state, count in entry.states),
            reasons=entry.reasons,
        )

    async def _acting(self, content: Session, subject: str) -> Acting:
        """What the person did for others."""
        parts = self.parts
        found = await parts.run(parts.store.families_of_actor, subject)
        given = tuple(family for family in found if self._here(content, family.provider))
        return Acting(subject, given, parts.ring, self.show.texts(content.language, content))

    async def _record(self, content: Session, acting: Acting) -> tuple[list[ConsentEntry], list[_Access]]:
        """The choices and the collections that are the person's own, and those that they made for others."""
        parts, lines, accesses = self.parts, list[ConsentEntry](), list[_Access]()
        for person in (acting.me, *acting.others):
            own = person == acting.me
            register = await parts.run(parts.store.consents_of, person)
            log = await parts.host.access_log(person, _ACCESSES)
            lines += [line for line in register if own or line.actor == acting.me]
            accesses += [
                (entry, acting.of_access(person, entry, register))
                for entry in log
                # Of another person a reader sees what came from their own consent, and nothing else.
                if own or entry.represented_by == acting.me
            ]
        lines = [line for line in lines if self._here(content, line.provider)]
        accesses = [access for access in accesses if self._here(content, access[0].provider)]
        lines.sort(key=lambda line: line.moment, reverse=True)
        accesses.sort(key=lambda access: access[0].time, reverse=True)
        return lines, accesses[:_ACCESSES]

    def _subject(self, live: Live) -> str:
        if live.step != "manage" or live.content.own_record or live.content.bsn is None:
            raise SessionLost(None)
        return self.parts.pseudonyms.of(live.content.bsn)

    async def _families(self, content: Session, subject: str) -> list[Family]:
        found = await self.parts.run(self.parts.store.lasting_families, subject)
        return [family for family in found if self._here(content, family.provider)]

    def _here(self, content: Session, provider: str) -> bool:
        """A visit that names a provider shows that provider only: each is a controller of its own (ROLE-04)."""
        return content.provider is None or content.provider == provider

    def _consent_line(self, family: Family, acting: Acting) -> ConsentLine:
        provider = self.parts.providers.find(family.provider)
        return ConsentLine(
            family=family.id,
            client=self._client_name(family.client),
            provider=provider.display_name if provider else family.provider,
            services=self.show.service_names(provider, tuple(sorted(family.services))),
            given=_day(moment(family.created)),
            used=_day(moment(family.used)),
            whom=acting.of_family(family),
        )

    def _access_lines(self, accesses: list[_Access]) -> tuple[AccessLine, ...]:
        """One line per collection: what the same client asked for the same person within a few minutes."""
        rounds: list[list[_Access]] = []
        for access in accesses:
            if rounds and _together(rounds[-1][0], access):
                rounds[-1].append(access)
            else:
                rounds.append([access])
        return tuple(self._access_line([entry for entry, _ in one], one[0][1]) for one in rounds)

    def _access_line(self, entries: list[AccessEntry], whom: str | None) -> AccessLine:
        newest = entries[0]
        provider = self.parts.providers.find(newest.provider)
        what = (entry.what if entry.count is None else f"{entry.what} ({entry.count})" for entry in entries)
        return AccessLine(
            time=_minute(newest.time),
            client=self._client_name(newest.client),
            provider=provider.display_name if provider else newest.provider,
            what=tuple(sorted(dict.fromkeys(what))),
            whom=whom,
        )

    def _history_line(self, entry: ConsentEntry, acting: Acting) -> HistoryLine:
        provider = self.parts.providers.find(entry.provider)
        duration = "manage.lasting" if entry.lasting else "manage.once"
        return HistoryLine(
            time=_minute(moment(entry.moment)),
            client=entry.organisation,
            provider=provider.display_name if provider else entry.provider,
            outcome=f"manage.outcome_{entry.outcome}",
            duration=duration if entry.outcome == "given" else None,
            whom=acting.of_entry(entry),
        )

    def _client_name(self, hostname: str) -> str:
        client = self.parts.lists.clients.find(hostname)
        return client.organisation if client is not None else hostname


def _together(newest: _Access, other: _Access) -> bool:
    (first, whom), (entry, whose) = newest, other
    who = (first.client, first.provider, first.represented_by, whom)
    same = who == (entry.client, entry.provider, entry.represented_by, whose)
    return same and first.time - entry.time <= _ROUND


def _day(when: datetime) -> str:
    return when.astimezone(ZONE).strftime("%d-%m-%Y")


def _minute(when: datetime) -> str:
    return when.astimezone(ZONE).strftime("%d-%m-%Y %H:%M")
