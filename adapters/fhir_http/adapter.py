"""The adapter for an EHR that speaks FHIR: from a request row to searches there, and back."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import httpx

from adapters.availability import answer
from adapters.fhir_http.asking import FHIR_ID, FHIR_TYPE, Asking
from adapters.fhir_http.content import open_binary
from adapters.fhir_http.localise import localise
from adapters.fhir_http.login import make_login, make_tls
from adapters.fhir_http.pages import CollectedPages
from adapters.fhir_http.patients import KnownPatient, Patients
from adapters.fhir_http.settings import FhirSettings
from adapters.fhir_http.statement import Statement, read_statement
from adapters.fhir_http.wire import BadRequest, Budget, NotThere, Wire
from adapters.guard import Guard, Whose
from adapters.port import (
    UNKNOWN_PERSON,
    AdapterGarbage,
    AdapterMisconfigured,
    AdapterQuery,
    Availability,
    AvailabilityQuery,
    Batch,
    Capabilities,
    Content,
    Coverage,
    CoverageLevel,
    Gap,
    LocalId,
    PatientKey,
    Reason,
)
from profiles.fhir.search.search import Search, SearchError, compile_search
from profiles.fhir.tree import Resource
from profiles.record.rules import Asked, Repairs, RulesError, load_repairs

LONGEST = 60
"""Seconds without a byte after which a call ends whatever its deadline; the deadline of a question is shorter."""

OPERATIONS = {"operation": "lastn"}
"""The operation of a row, by its interaction."""

NOBODY = PatientKey(local_ids=(LocalId(None, "-"),))


class FhirAdapter:
    """One EHR. ``transport`` is for tests: an ASGI application in place of the network."""

    def __init__(self, settings: FhirSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.name = settings.name
        self.settings = settings
        self.capabilities = Capabilities(otherwise=Coverage(CoverageLevel.PARTLY, "the source was not asked yet"))
        self.repairs = repairs_of(settings)
        pool = httpx.Limits(max_connections=settings.connections, max_keepalive_connections=settings.connections)
        secure = make_tls(settings.tls) if settings.url.startswith("https") else True
        self._http = httpx.AsyncClient(
            transport=transport, verify=secure, limits=pool, timeout=LONGEST, follow_redirects=False, trust_env=False
        )
        login = make_login(settings.login)
        self._wire = Wire(
            self._http,
            settings.url,
            settings.version,
            settings.format == "xml",
            login,
            settings.limits,
            settings.correlation_header,
        )
        self._patients = Patients(
            self._wire, self.name, settings.patient_system, settings.patient_lookup, settings.patient_seconds
        )
        self._statement: Statement | None = None
        self._statement_lock = asyncio.Lock()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def probe(self, deadline: float) -> Capabilities:
        """Fetch the CapabilityStatement anew and derive the coverage from it."""
        self._statement = None
        await self._known_statement(self._budget(AvailabilityQuery("", NOBODY, (), deadline)))
        return self.capabilities

    async def find(self, query: AdapterQuery) -> Batch:
        """See `adapters.port.Adapter.find`."""
        fetched = datetime.now(UTC)
        budget = self._budget(query)
        statement = await self._known_statement(budget)
        refused = self._refuses(query, statement)
        if refused is not None:
            return Batch(self.name, (), fetched, gaps=(refused,))
        known = await self._patients.find(query.patient, budget)
        if not known.ids:
            return Batch(self.name, (), fetched, gaps=(Gap(query.type, Reason.NO_RELATION, UNKNOWN_PERSON),))
        asking = self._asking(statement, known, budget)
        if self.settings.patient_lookup == "login":
            await asking.as_asked(query.type, OPERATIONS.get(query.interaction), query.search)
        elif query.type == "Patient":
            await asking.read_each([("Patient", one) for one in sorted(known.ids)])
        else:
            await asking.search(query.type, query.search)
        await asking.search_below(query.type, query.search, self._guard(query, known))
        search = compiled(query)
        if search is not None:
            await asking.include_pointing(search)
            await asking.include(search)
        return self._batch(query, known, asking.into, fetched, search)

    async def available(self, query: AvailabilityQuery) -> Availability:
        """See `adapters.port.Adapter.available`."""
        known = await self._patients.find(query.patient, self._budget(query))
        # Looking for data of each service would cost the EHR a visit before there is consent.
        services = self.settings.services
        return answer(query, known.ids, [known.birth_date], services, lambda _service: None, [known.name])

    async def read(self, query: AdapterQuery) -> Batch | Content:
        """See `adapters.port.Adapter.read`."""
        fetched = datetime.now(UTC)
        budget = self._budget(query)
        nothing = Batch(self.name, (), fetched)
        if query.version is not self.settings.version or not FHIR_TYPE.fullmatch(query.type):
            return nothing
        if query.id is None or not FHIR_ID.fullmatch(query.id):
            return nothing
        known = await self._patients.find(query.patient, budget)
        if not known.ids:
            return nothing
        guard = self._guard(query, known)
        statement = await self._known_statement(budget) if query.type == "Binary" else Statement()
        asking = self._asking(statement, known, budget)
        if query.type == "Binary":
            await asking.search("DocumentReference", ())
            documents, _ = guard.check(asking.into.resources("DocumentReference"))
            return await open_binary(self._wire, self.name, query.id, documents, budget, fetched) or nothing
        await asking.read_each([(query.type, query.id)])
        found = asking.into.resources(query.type)
        mine = [one for one in found if guard.whose(one) in (Whose.OURS, Whose.SHARED)]
        notes = [*localise(mine, self.settings.url), *self.repairs.apply(mine, Asked(query.type, query.profiles))]
        return Batch(self.name, mine, fetched, known.ids, tuple(asking.into.gaps), tuple(notes))

    # -- the steps -----------------------------------------------------------------------------------------------------

    def _budget(self, query: AdapterQuery | AvailabilityQuery) -> Budget:
        return Budget(query, self.settings.limits.total_bytes)

    def _asking(self, statement: Statement, known: KnownPatient, budget: Budget) -> Asking:
        into = CollectedPages(self.settings.limits.resources)
        return Asking(self._wire, self.settings, statement, known.ids, self.repairs.withheld, budget, into)

    def _guard(self, query: AdapterQuery, known: KnownPatient) -> Guard:
        return Guard(known.ids, query.patient.bsn, self.settings.url)

    def _refuses(self, query: AdapterQuery, statement: Statement) -> Gap | None:
        if query.version is not self.settings.version:
            return Gap(query.type, Reason.NOT_OFFERED, "the source speaks another FHIR version")
        if not FHIR_TYPE.fullmatch(query.type) or not statement.searches(query.type):
            return Gap(query.type, Reason.NOT_OFFERED, "the source does not offer this resource type")
        return None

    async def _known_statement(self, budget: Budget) -> Statement:
        if self.settings.statement == "ignored":
            return Statement()
        async with self._statement_lock:
            if self._statement is None:
                try:
                    statement = read_statement(await self._wire.fetch("metadata", budget), self.settings.version)
                except (NotThere, BadRequest, AdapterGarbage) as error:
                    if self.settings.statement == "required" or "version" in error.text:
                        raise
                    statement = Statement()
                self._statement = statement
                self.capabilities = statement.capabilities(self.settings.version)
        return self._statement

    def _batch(
        self, query: AdapterQuery, known: KnownPatient, into: CollectedPages, fetched: datetime, search: Search | None
    ) -> Batch:
        found = into.resources(query.type)
        notes = [*localise(found, self.settings.url)]
        resources, orphans = self._guard(query, known).check(found)
        notes += self.repairs.apply(resources, Asked(query.type, query.profiles, matcher(search, resources)))
        return Batch(self.name, resources, fetched, known.ids, (*into.gaps, *orphans), (*into.trace, *notes))


def repairs_of(settings: FhirSettings) -> Repairs:
    """The repair rules of a source. Raises `AdapterMisconfigured`."""
    try:
        return load_repairs(settings.repairs, settings.repairs_file)
    except RulesError as error:
        raise AdapterMisconfigured(str(error), cause=error) from error


def compiled(query: AdapterQuery) -> Search | None:
    """The gateway's own reading of the search, for includes and claims: as much of it as can be read.

    A chain needs what it goes over as an include does: the gateway follows it once more.
    """
    operation = OPERATIONS.get(query.interaction)
    readable = []
    over = [name.partition(".")[0] for name, _ in query.search if "." in name]
    for pair in (*query.search, *(("_include", f"{query.type}:{one}") for one in over)):
        try:
            compile_search(query.version, query.type, (pair,), operation)
        except SearchError:
            continue
        readable.append(pair)
    try:
        return compile_search(query.version, query.type, readable, operation)
    except SearchError:
        return None


def matcher(search: Search | None, resources: Sequence[Resource]) -> Callable[[Resource], bool]:
    """Whether a resource answers the question."""
    if search is None:
        return lambda _resource: True
    held = {(one.get("resourceType"), one.get("id")): one for one in resources}
    return lambda resource: search.matches(resource, lambda kind, given: held.get((kind, given)))
