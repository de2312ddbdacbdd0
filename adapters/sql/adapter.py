"""The adapter for a relational EHR: the sections of its mapping, run over the rows of one patient."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from adapters.availability import GENERAL, answer, types_of
from adapters.content import decode, pieces
from adapters.guard import Guard
from adapters.mapping.compiled import PATIENT_COLUMN, CompiledSection, UnmappedTally, load_mapping
from adapters.mapping.coverage import ElementCoverage, measure
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
    Gap,
    Reason,
    ServiceKey,
)
from adapters.sql.changed import COLUMN, UnchangedAnswers
from adapters.sql.database import Conversation, Database
from adapters.sql.packs import mapping_file
from adapters.sql.people import People, children_of, people
from adapters.sql.settings import SqlSettings
from profiles.fhir.tree import Resource, local_reference
from profiles.record.walk import references


class SqlAdapter:
    """One database with one mapping."""

    def __init__(self, settings: SqlSettings) -> None:
        self.name = settings.name
        self.settings = settings
        self.mapping = load_mapping(mapping_file(settings.mapping))
        self.capabilities: Capabilities = self.mapping.capabilities()
        self._unchanged = UnchangedAnswers(self.mapping.changed_query)
        url = settings.url.get_secret_value()
        self._database = Database(url, settings.connections, settings.limits, snapshot=settings.snapshot)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._database.close()

    async def probe(self, deadline: float) -> Capabilities:
        """Ask every query for its columns. Raises `AdapterMisconfigured` naming a section that cannot work."""
        await self._database.run(deadline, self._check_columns)
        return self.capabilities

    async def find(self, query: AdapterQuery) -> Batch:
        """See `adapters.port.Adapter.find`."""
        fetched = datetime.now(UTC)
        sections = self.mapping.answering(query.standard, query.rule, query.type)
        if query.version is not self.mapping.version or not sections:
            gap = Gap(query.type, Reason.NOT_OFFERED, "the source does not offer this")
            return Batch(self.name, (), fetched, gaps=(gap,))
        return await self._database.run(query.deadline, lambda talk: self._find(talk, query, sections, fetched))

    async def available(self, query: AvailabilityQuery) -> Availability:
        """See `adapters.port.Adapter.available`."""
        return await self._database.run(query.deadline, lambda talk: self._available(talk, query))

    async def read(self, query: AdapterQuery) -> Batch | Content:
        """See `adapters.port.Adapter.read`."""
        fetched = datetime.now(UTC)
        sections = self.mapping.of_type(query.type)
        if query.version is not self.mapping.version or not sections or query.id is None:
            return Batch(self.name, (), fetched)
        found = await self._database.run(query.deadline, lambda talk: self._read(talk, query, sections))
        resources, patients = found
        if query.type == "Binary" and resources:
            return self._content(resources[0], fetched)
        return Batch(self.name, resources, fetched, patients)

    async def coverage(self, query: AdapterQuery | None = None) -> list[ElementCoverage]:
        """Mapping coverage per zib element; with a query, also how often its sections fill each element."""
        held: dict[str, list[Resource]] = {}
        if query is not None:
            sections = self.mapping.answering(query.standard, query.rule, query.type)
            batch = await self.find(query)
            held = {one.name: [r for r in batch.resources if r["resourceType"] == one.type] for one in sections}
        return [
            element
            for section in self.mapping.sections
            if section.zib is not None and (query is None or section.name in held)
            for element in measure(
                section.name,
                section.zib.name,
                section.zib.elements,
                section.zib.missing,
                held.get(section.name, ()),
                section.profile,
            )
        ]

    # -- in the thread -------------------------------------------------------------------------------------------------

    def _available(self, talk: Conversation, query: AvailabilityQuery) -> Availability:
        known = people(talk, self.mapping, self.name, query.patient)

        def missing(service: ServiceKey) -> Reason | None:
            sections = self._sections_of(service)
            if not sections:
                return Reason.NOT_OFFERED
            made = (next(self._made(talk, section, known, UnmappedTally()), None) for section in sections)
            return None if any(one is not None for one in made) else Reason.EMPTY

        born, names = (one.birth_date for one in known.values()), (one.name for one in known.values())
        asked = self._unchanged.over(talk, known, missing)
        return answer(query, known, born, self.settings.services, asked, names)

    def _sections_of(self, service: ServiceKey) -> Sequence[CompiledSection]:
        """The sections whose records count as data of a service: by the rows that they name, else by their type."""
        named = [one for one in self.mapping.sections if any(standard == service.standard for standard, _ in one.rows)]
        if not named and not self.capabilities.rows:
            types = types_of(service)
            named = [one for one in self.mapping.sections if types is None or one.type in types]
        return [one for one in named if one.type not in GENERAL and not one.shared]

    def _find(
        self, talk: Conversation, query: AdapterQuery, sections: Sequence[CompiledSection], fetched: datetime
    ) -> Batch:
        known = people(talk, self.mapping, self.name, query.patient)
        if not known:
            gap = Gap(query.type, Reason.NO_RELATION, UNKNOWN_PERSON)
            return Batch(self.name, (), fetched, gaps=(gap,))
        gaps: list[Gap] = []
        resources: list[Resource] = []
        for section in sections:
            self._collect(talk, section, known, resources, gaps)
        if query.follows:
            self._include(talk, known, resources, gaps)
        kept, orphans = Guard(frozenset(known), query.patient.bsn).check(_once(resources, gaps))
        return Batch(self.name, kept, fetched, frozenset(known), (*gaps, *orphans))

    def _include(self, talk: Conversation, known: People, resources: list[Resource], gaps: list[Gap]) -> None:
        """Add what the resources refer to and is not there yet."""
        held = {(one["resourceType"], one["id"]) for one in resources}
        wanted = {local for node in references(resources) if (local := local_reference(node["reference"]))} - held
        for kind in sorted({kind for kind, _ in wanted}):
            for section in self.mapping.of_type(kind):
                more: list[Resource] = []
                self._collect(talk, section, known, more, gaps)
                resources += [one for one in more if (kind, one["id"]) in wanted]

    def _collect(
        self,
        talk: Conversation,
        section: CompiledSection,
        known: People,
        into: list[Resource],
        gaps: list[Gap],
        only: str | None = None,
    ) -> None:
        tally = UnmappedTally()
        into.extend(self._made(talk, section, known, tally, only))
        gaps += tally.gaps(section)

    def _made(
        self,
        talk: Conversation,
        section: CompiledSection,
        known: People,
        tally: UnmappedTally,
        only: str | None = None,
    ) -> Iterator[Resource]:
        """The resources of a section, as its rows stream in."""
        for patient in sorted(known):
            parameters = {"patient": known[patient].key}
            children = children_of(talk, section, patient, parameters)
            at_once = 1 if section.type == "Binary" else 500
            rows = talk.rows(section.query, parameters, at_once)
            yield from section.run(rows, patient, children, tally, only)

    def _read(
        self, talk: Conversation, query: AdapterQuery, sections: Sequence[CompiledSection]
    ) -> tuple[list[Resource], frozenset[str]]:
        known = people(talk, self.mapping, self.name, query.patient)
        found: list[Resource] = []
        for section in sections if known else ():
            self._collect(talk, section, known, found, [], query.id)
        kept, _ = Guard(frozenset(known), query.patient.bsn).check(found, vouched=True)
        return _once(kept, []), frozenset(known)

    def _check_columns(self, talk: Conversation) -> None:
        if PATIENT_COLUMN not in talk.columns(self.mapping.patient_query, "bsn"):
            raise AdapterMisconfigured(f"mapping {self.mapping.name}: patient: the query gives no {PATIENT_COLUMN}")
        changed = self.mapping.changed_query
        if changed is not None and COLUMN not in talk.columns(changed, "patient"):
            raise AdapterMisconfigured(f"mapping {self.mapping.name}: patient.changed: the query gives no {COLUMN}")
        for section in self.mapping.sections:
            held = set(talk.columns(section.query, "patient"))
            needed = set() if section.shared else {PATIENT_COLUMN}
            needed |= {child.by for child in section.children.values()}
            for child in section.children.values():
                held_by_child = set(talk.columns(child.query, "patient"))
                missing = {PATIENT_COLUMN, child.by} - held_by_child
                held |= held_by_child
                _complain(self.mapping.name, section.name, missing)
            _complain(self.mapping.name, section.name, (needed | section.columns) - held)

    def _content(self, binary: Resource, fetched: datetime) -> Content:
        data = decode(binary)
        if len(data) > self.settings.limits.content_bytes:
            raise AdapterGarbage("the source sends more data than the limit allows")
        kind = str(binary.get("contentType", "application/octet-stream"))
        return Content(self.name, binary["id"], kind, pieces(data), fetched, len(data))


def _once(resources: Sequence[Resource], gaps: list[Gap]) -> list[Resource]:
    """Each type and id once; two different ones under one id are both left out, with a gap."""
    held: dict[tuple[str, str], Resource] = {}
    torn: set[tuple[str, str]] = set()
    for resource in resources:
        key = (resource["resourceType"], resource["id"])
        if held.setdefault(key, resource) != resource:
            torn.add(key)
    for kind, given in sorted(torn):
        text = "the source has two different records under one id; neither is delivered"
        gaps.append(Gap(f"{kind}/{given}", Reason.INVALID_BLOCKED, text))
    return [resource for key, resource in held.items() if key not in torn]


def _complain(mapping: str, section: str, missing: set[str]) -> None:
    if missing:
        raise AdapterMisconfigured(f"mapping {mapping}: {section}: the query gives no {', '.join(sorted(missing))}")
