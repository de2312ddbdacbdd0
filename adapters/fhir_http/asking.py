"""One question to the EHR, in steps: search what it understands, fetch what is included, read by id."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapters.fhir_http.localise import localise
from adapters.fhir_http.pages import CollectedPages, collect
from adapters.fhir_http.settings import FhirSettings
from adapters.fhir_http.statement import Statement
from adapters.fhir_http.wire import BadRequest, Budget, NotThere, Wire
from adapters.guard import Guard, Whose
from adapters.port import AdapterError, AdapterGarbage
from profiles.fhir.search.search import Search
from profiles.fhir.tree import Resource
from profiles.record.whose import OWNERS, above

FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
FHIR_TYPE = re.compile(r"[A-Z][A-Za-z]{1,40}", re.ASCII)

PATIENT_PARAMETERS = {"Coverage": "beneficiary", "Person": "link"}
"""The search parameter that names the patient, for types that have no ``patient``."""

NAMES_PATIENT = frozenset({"patient", "subject", "beneficiary", "link"})
"""Parameters that are ours to set, whoever asks."""

INCLUDE_ROUNDS = 3
TOGETHER = 8
IDS_TOGETHER = 40

Target = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Asking:
    """What all steps of one question share. ``withheld`` are parameters that must not be left to the EHR."""

    wire: Wire
    settings: FhirSettings
    statement: Statement
    patients: frozenset[str]
    withheld: frozenset[str]
    budget: Budget
    into: CollectedPages

    async def search(self, kind: str, pairs: Sequence[tuple[str, str]]) -> None:
        """Search one type, with what the EHR understands of the question; the rest is matched by the gateway."""
        who = self._patient_pair(kind)
        size = ("_count", str(self.settings.page_size))
        more = tuple(self._passed_on(kind, pairs))
        try:
            await self._collect(kind, (who, *more, size))
        except BadRequest:
            if not more:
                raise
            await self._collect(kind, (who, size))

    async def search_below(self, kind: str, pairs: Sequence[tuple[str, str]], guard: Guard) -> None:
        """Find what names nobody itself by what it stands below (an Encounter by its EpisodeOfCare); a fault is a gap.

        Only for a question that asks for it, of an EHR that takes it. What it stands below comes along: the gateway
        looks for itself whose it is.
        """
        row = OWNERS.stands_below(kind)
        if row is None or row.parameter not in {name for name, _ in pairs}:
            return
        if not self.statement.takes(kind, row.parameter) or not self.statement.searches(row.target):
            return
        pages = CollectedPages(self.into.limit)
        try:
            await self._collect(row.target, (self._patient_pair(row.target),), pages)
            mine = {key: one for key, one in pages.held.items() if guard.whose(one) is Whose.OURS}
            ids = sorted(given for type_, given in mine if type_ == row.target and FHIR_ID.fullmatch(given))
            for start in range(0, len(ids), IDS_TOGETHER):
                pair = (row.parameter, ",".join(f"{row.target}/{one}" for one in ids[start : start + IDS_TOGETHER]))
                await self._collect(kind, (pair,), pages)
        except AdapterError as error:
            self.into.gaps.append(error.gap(kind))
            return
        self.into.trace += localise(list(pages.held.values()), self.settings.url)
        loose = [
            one for (type_, _), one in pages.held.items() if type_ == kind and not mine.keys().isdisjoint(above(one))
        ]
        beside = [mine[key] for key in {key for one in loose for key in above(one)} & mine.keys()]
        self.into.take({"resourceType": "Bundle", "entry": [{"resource": one} for one in (*loose, *beside)]}, kind)

    async def as_asked(self, kind: str, operation: str | None, pairs: Sequence[tuple[str, str]]) -> None:
        """Pass a question on as it is, for a source whose login says who the patient is."""
        path = f"{kind}/${operation}" if operation else kind
        await self._collect(path, [pair for pair in pairs if pair[0] not in NAMES_PATIENT])

    async def include(self, search: Search) -> None:
        """Fetch what ``_include`` reaches and the EHR did not send along; a fault here is a gap."""
        tried: set[Target] = set()
        for _ in range(INCLUDE_ROUNDS):
            wanted = {target for target in self._pointed_at(search) if target not in tried}
            if not wanted:
                return
            tried |= wanted
            try:
                await self._fetch_all(sorted(wanted))
            except AdapterError as error:
                self.into.gaps.append(error.gap(f"{search.type} included resources"))
                return

    async def include_pointing(self, search: Search) -> None:
        """Ask for what points at the matches (``_revinclude``), where the EHR takes the parameter; a fault is a gap."""
        ids = [f"{kind}/{given}" for kind, given in self.into.held if kind == search.type and FHIR_ID.fullmatch(given)]
        for include in search.revincludes:
            if not self.statement.takes(include.source, include.param.name):
                continue
            try:
                for start in range(0, len(ids), IDS_TOGETHER):
                    pair = (include.param.name, ",".join(ids[start : start + IDS_TOGETHER]))
                    await self._collect(include.source, (pair,))
            except AdapterError as error:
                self.into.gaps.append(error.gap(f"{search.type} included resources"))
                return

    async def read_each(self, wanted: Sequence[Target]) -> None:
        """Read by id, some at a time. What is not there is passed over; other faults are raised."""
        gate = asyncio.Semaphore(TOGETHER)

        async def one(kind: str, given: str) -> Resource | None:
            async with gate:
                try:
                    return await self.wire.fetch(f"{kind}/{given}", self.budget)
                except NotThere:
                    return None

        sane = [(kind, given) for kind, given in wanted if FHIR_TYPE.fullmatch(kind) and FHIR_ID.fullmatch(given)]
        tasks = [asyncio.ensure_future(one(kind, given)) for kind, given in sane]
        try:
            for target, resource in zip(sane, await asyncio.gather(*tasks), strict=True):
                if resource is None:
                    continue
                if (resource.get("resourceType"), resource.get("id")) != target:
                    raise AdapterGarbage("the source answered with another resource than was asked for")
                self.into.take({"resourceType": "Bundle", "entry": [{"resource": resource}]}, target[0])
        finally:
            for task in tasks:
                task.cancel()

    def _patient_pair(self, kind: str) -> tuple[str, str]:
        name = self.settings.patient_parameters.get(kind) or PATIENT_PARAMETERS.get(kind, "patient")
        if name == "patient" and not self.statement.takes(kind, name) and self.statement.takes(kind, "subject"):
            name = "subject"
        prefix = "" if name == "patient" else "Patient/"
        return name, ",".join(f"{prefix}{one}" for one in sorted(self.patients))

    def _passed_on(self, kind: str, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        for name, value in pairs:
            plain = name.split(":", 1)[0].split(".", 1)[0]
            if plain in NAMES_PATIENT:
                continue
            if (name == "_include" and self.statement.includes_named(kind, value)) or (
                not plain.startswith("_") and plain not in self.withheld and self.statement.takes(kind, name)
            ):
                yield name, value

    def _pointed_at(self, search: Search) -> Iterator[Target]:
        for include in search.includes:
            for resource in list(self.into.held.values()):
                for target in include.targets(resource):
                    other = target[0] == "Patient" and target[1] not in self.patients
                    if target not in self.into.held and not other:
                        yield target

    async def _fetch_all(self, wanted: Sequence[Target]) -> None:
        together = {kind for kind, _ in wanted if self.statement.takes(kind, "_id")}
        for kind in sorted(together):
            ids = [given for other, given in wanted if other == kind and FHIR_ID.fullmatch(given)]
            for start in range(0, len(ids), IDS_TOGETHER):
                await self._collect(kind, (("_id", ",".join(ids[start : start + IDS_TOGETHER])),))
        await self.read_each([target for target in wanted if target[0] not in together])

    async def _collect(self, kind: str, query: Sequence[tuple[str, str]], into: CollectedPages | None = None) -> None:
        await collect(self.wire, kind, query, self.budget, into or self.into, self.settings.limits.pages)
