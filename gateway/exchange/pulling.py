"""Collecting what was referred to us: the Task, its searches, its letters; with deadlines, and taken up where it broke.

Addresses come from the partner table, never from what was sent. Everything stays apart from the record: sealed, with a
verdict per resource, until somebody takes it over (RX-05). Each search has its state, so that a part is seen as a part.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from sqlalchemy import Engine, Row, delete, insert, select, update

from gateway.audit.record import AuditRecord
from gateway.audit.trail import Trail
from gateway.exchange.inputs import MOST, NoSearch, search_in
from gateway.exchange.partners import PartnerAnswer, call
from gateway.exchange.pulled import PulledStore
from gateway.exchange.settings import ExchangeSettings, PartnerSettings
from gateway.exchange.states import ENDED
from gateway.exchange.taking import SEAL, received
from gateway.exchange.tokens import HANDOFF_SCOPE
from gateway.exchange.trust import NOBODY, InstitutionTrust, PartnerFault, User
from gateway.exchange.workflow import BASE, inputs_of, references_of, searches_of, service_of, ura_of
from gateway.share.keep import Keys
from gateway.store.engine import reading
from gateway.store.exchanged import received_referral, received_search
from profiles.fhir.codec import jsonio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource

log = logging.getLogger("gateway.exchange")

FHIR_JSON = "application/fhir+json"
ATTEMPTS = 3
PAUSE_SECONDS = 1.0


class CannotPull(ValueError):
    """Something that cannot be done with a referral now; the text says why, for staff."""


@dataclass(frozen=True, slots=True)
class PullResult:
    """How far collecting came: searches by state, and whether the person is who we think."""

    states: dict[str, int]
    match: str

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return not set(self.states) - {"ok", "empty"}


@dataclass(frozen=True, slots=True)
class ReferralPull:
    """Collects. ``kept`` takes what came."""

    engine: Engine
    settings: ExchangeSettings
    keys: Keys
    trust: InstitutionTrust
    client: Callable[[], httpx.AsyncClient]
    trail: Trail
    kept: PulledStore
    pause: Callable[[float], Any] = asyncio.sleep

    async def read_task(self, id_: str, user: User = NOBODY) -> Resource:
        """Read the Task at the sender and keep it. Raises CannotPull and PartnerFault."""
        row = await asyncio.to_thread(self._row, id_)
        partner = self._partner(row)
        answered = await self._ask(row, f"Task/{row.task_id}", await self._task_token(row, user))
        task = _resource(answered, "Task")
        if task.get("id") != row.task_id or ura_of(task.get("owner")) != self.settings.parties[row.provider].ura:
            raise CannotPull("the Task at the sender is for another organisation")
        requester = task.get("requester")
        if ura_of(requester.get("onBehalfOf") if isinstance(requester, dict) else None) != partner.ura:
            raise CannotPull("the Task at the sender is of another organisation")
        await self._told(row, "task:read", 200, user)
        await asyncio.to_thread(self._keep_task, row, task, answered.headers.get("etag", ""))
        return task

    async def move(self, id_: str, status: str, user: User, reason: str = "") -> None:
        """Set the state of the Task at the sender, and here once it is there. Raises CannotPull and PartnerFault."""
        task = await self.read_task(id_, user)
        row = await asyncio.to_thread(self._row, id_)
        if task.get("status") == status:
            return
        changed = {name: value for name, value in task.items() if name != "text"} | {"status": status}
        if reason:
            changed["statusReason"] = {"text": reason}
        token = await self._task_token(row, user)
        headers = {"content-type": FHIR_JSON} | ({"if-match": row.etag} if row.etag else {})
        answered = await self._ask(row, f"Task/{row.task_id}", token, "PUT", jsonio.dump(changed), headers)
        await self._told(row, f"task:{status}", answered.status, user)
        await asyncio.to_thread(self._keep_task, row, _resource(answered, "Task"), answered.headers.get("etag", ""))
        await asyncio.to_thread(self._deed, id_, status, user.id)

    async def pull(self, id_: str, user: User) -> PullResult:
        """Collect what is not there yet. Raises CannotPull and PartnerFault; what came before that stays.

        Two at the same time do no harm: what comes twice is kept once.
        """
        if not user.known:
            raise CannotPull("data of a person are collected by a professional: who, and in which role")
        task = await self.read_task(id_, user)
        row = await asyncio.to_thread(self._row, id_)
        if row.status in ENDED:
            raise CannotPull(f"this referral is {row.status}")
        await asyncio.to_thread(self._plan, row, task)
        token = await self._data_token(row, task, user)
        done: set[int] = set()
        while (search := await asyncio.to_thread(self._next_search, id_, done)) is not None:
            done.add(search.number)
            token = await self._one(row, task, search, token, user)
            if await asyncio.to_thread(self._match, id_) == "differs":
                log.error("alarm: a referral is about somebody with another birth date than we know")
                raise CannotPull("the birth date of the patient differs from the one that is known here")
        return await asyncio.to_thread(self.result, id_)

    def result(self, id_: str) -> PullResult:
        """How far collecting came."""
        with reading(self.engine).connect() as store:
            rows = store.execute(select(received_search.c.state).where(received_search.c.received_id == id_))
            states = [str(state) for state in rows.scalars()]
            match = store.execute(select(received_referral.c.match).where(received_referral.c.id == id_)).scalar_one()
        return PullResult({state: states.count(state) for state in sorted(set(states))}, str(match))

    async def _one(self, row: Row[Any], task: Resource, search: Row[Any], token: str, user: User) -> str:
        """One search, or one document; gives the token that is good after it."""
        state, reason, kept = "failed", "", []
        for attempt in range(ATTEMPTS):
            try:
                answered = await self._ask(row, search.search, token)
                kept = list(_entries(answered, search.search))
                state, reason = ("ok" if kept else "empty"), ""
                break
            except PartnerFault as fault:
                reason = fault.text
                if fault.status == 401 and attempt == 0:
                    token = await self._data_token(row, task, user)
                elif not fault.later:
                    state = "refused"
                    break
                elif attempt + 1 < ATTEMPTS:
                    await self.pause(fault.seconds or PAUSE_SECONDS)
            except (FormatError, CannotPull) as fault:
                state, reason = "failed", str(fault)
                break
        counts = tuple(sorted({type_: 0 for type_, *_ in kept}.items()))
        counts = tuple((type_, sum(one[0] == type_ for one in kept)) for type_, _ in counts)
        await self._told(row, "data:pull", 200 if state in ("ok", "empty") else 502, user, counts, reason)
        await asyncio.to_thread(self._store, row, search, state, reason, kept)
        return token

    async def _ask(
        self, row: Row[Any], path: str, token: str, method: str = "GET", body: bytes | None = None,
        more: dict[str, str] | None = None,
    ) -> PartnerAnswer:  # fmt: skip
        accept = "application/pdf, */*;q=0.1" if path.startswith("Binary/") else FHIR_JSON
        headers = {"authorization": f"Bearer {token}", "accept": accept, **(more or {})}
        url = f"{self._partner(row).fhir_url}/{path}"
        async with self.client() as client:
            return await call(client, method, url, headers, body, seconds=self.settings.request_seconds + 5)

    async def _task_token(self, row: Row[Any], user: User) -> str:
        base = self.keys.ring.open(SEAL, bytes(row.sealed_base)).decode()
        scope = "bgz-sender" if base else HANDOFF_SCOPE
        return await self.trust.token(row.provider, row.partner, scope, base, user)

    async def _data_token(self, row: Row[Any], task: Resource, user: User) -> str:
        base = inputs_of(task).get(BASE, {}).get("valueString")
        handoff = not bytes(self.keys.ring.open(SEAL, bytes(row.sealed_base)))
        if not handoff and not isinstance(base, str):
            raise CannotPull("the Task says nothing that opens the data")
        scope, shown = (HANDOFF_SCOPE, "") if handoff else ("bgz-sender", str(base))
        return await self.trust.token(row.provider, row.partner, scope, shown, user)

    async def _told(
        self, row: Row[Any], deed: str, status: int, user: User, counts: tuple[tuple[str, int], ...] = (), why: str = ""
    ) -> None:
        record = AuditRecord(
            action=f"institution:{deed}",
            at=datetime.now(UTC),
            outcome=status,
            provider=row.provider,
            client=row.partner,
            person=row.person,
            actor=f"{user.id}/{user.role}" if user.known else "",
            basis=row.id,
            resources=counts,
            correlation_id=row.group_id,
            reason=why,
        )
        await self.trail.write(record)

    def _partner(self, row: Row[Any]) -> PartnerSettings:
        partner = self.settings.partners.get(row.partner)
        if partner is None or not partner.fhir_url or row.provider not in self.settings.parties:
            raise CannotPull("the sender of this referral is not in the partner table any more")
        if partner.paused:
            raise CannotPull("nothing is exchanged with this partner at the moment")
        return partner

    def _row(self, id_: str) -> Row[Any]:
        with reading(self.engine).connect() as store:
            row = store.execute(select(received_referral).where(received_referral.c.id == id_)).one_or_none()
        if row is None:
            raise CannotPull("there is no such referral")
        return row

    def _keep_task(self, row: Row[Any], task: Resource, etag: str) -> None:
        status = str(task.get("status"))
        services = self.settings.parties[row.provider].services
        named = service_of(task)
        values: dict[str, Any] = {
            "sealed_task": self.keys.ring.seal(SEAL, jsonio.dump(task)),
            "etag": etag[:80],
            "status": status[:12],
            "inbox": named if named in services else "",
        }
        if status in ENDED and row.ended is None:
            values["ended"] = datetime.now(UTC)
        with self.engine.begin() as store:
            store.execute(update(received_referral).where(received_referral.c.id == row.id).values(**values))

    def _deed(self, id_: str, deed: str, by: str) -> None:
        with self.engine.begin() as store:
            received(store, id_, datetime.now(UTC), deed, by, "")

    def _plan(self, row: Row[Any], task: Resource) -> None:
        """A row for each input, once; after a later notification what was empty or there is asked again."""
        base, now = self._partner(row).fhir_url, datetime.now(UTC)
        named: list[tuple[str, object]] = [("search", one) for one in searches_of(task)]
        named += [("document", text) for _, text in references_of(task)]
        with self.engine.begin() as store:
            known = received_search.c.received_id == row.id
            if row.changed is not None:
                store.execute(delete(received_search).where(known, received_search.c.at < row.changed))
            have = set(store.execute(select(received_search.c.number).where(known)).scalars())
            for number, (kind, text) in enumerate(named[: MOST + 1]):
                if number in have:
                    continue
                values: dict[str, Any] = {"search": "", "state": "pending", "reason": ""}
                try:
                    if number >= MOST:
                        raise NoSearch(f"a Task names at most {MOST} searches")
                    values["search"] = search_in(text, base) if kind == "search" else _composition(text)
                except NoSearch as fault:
                    values |= {"state": "refused", "reason": str(fault)}
                store.execute(
                    insert(received_search).values(
                        received_id=row.id, number=number, count=0, attempts=0, at=now, **values
                    )
                )

    def _next_search(self, id_: str, done: set[int]) -> Row[Any] | None:
        """What is to be done next: a letter that was found adds its document."""
        mine = (received_search.c.received_id == id_, received_search.c.state.in_(["pending", "failed"]))
        with reading(self.engine).connect() as store:
            rows = store.execute(select(received_search).where(*mine).order_by(received_search.c.number))
            return next((row for row in rows if row.number not in done), None)

    def _match(self, id_: str) -> str:
        with reading(self.engine).connect() as store:
            wanted = select(received_referral.c.match).where(received_referral.c.id == id_)
            return str(store.execute(wanted).scalar_one())

    def _store(
        self, row: Row[Any], search: Row[Any], state: str, reason: str, kept: list[tuple[str, str, bytes]]
    ) -> None:
        now = datetime.now(UTC)
        with self.engine.begin() as store:
            for type_, id_, body in kept:
                self.kept.keep(store, row, search.number, type_, id_, body, now)
            values = {"state": state, "reason": reason, "count": len(kept), "attempts": search.attempts + 1, "at": now}
            mine = (received_search.c.received_id == row.id, received_search.c.number == search.number)
            store.execute(update(received_search).where(*mine).values(**values))


def _composition(text: object) -> str:
    type_, _, id_ = str(text).partition("/")
    if type_ != "Composition" or not id_ or len(id_) > 64 or not id_.replace("-", "").replace(".", "").isalnum():
        raise NoSearch("it is no Composition of the sender")
    return f"{text}/$document"


def _resource(answered: PartnerAnswer, wanted: str) -> Resource:
    resource = jsonio.parse(answered.body)
    if resource.get("resourceType") != wanted:
        raise CannotPull(f"the sender does not answer with type {wanted}")
    return resource


def _entries(answered: PartnerAnswer, search: str) -> Iterator[tuple[str, str, bytes]]:
    """Type, id and bytes of what came. A page that follows is not fetched: the sender gives the whole set at once.

    Raises FormatError or CannotPull for an answer that is not one, or not the whole.
    """
    if search.startswith("Binary/"):
        yield "Binary", search.removeprefix("Binary/"), answered.body
        return
    bundle = _resource(answered, "Bundle")
    if any(isinstance(one, dict) and one.get("relation") == "next" for one in bundle.get("link", ())):
        raise CannotPull("the answer is only a first page, and pages that follow are not fetched")
    for entry in bundle.get("entry", ()):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict) or resource.get("resourceType") == "OperationOutcome":
            continue
        type_, id_ = resource.get("resourceType"), resource.get("id")
        if isinstance(type_, str) and isinstance(id_, str) and 0 < len(id_) <= 64:
            yield type_, id_, jsonio.dump(resource)
