# ruff: noqa: S101 - these are tests, for whoever subclasses them
"""The contract of `adapters.port` as a test suite: subclass it, say how to make your adapter, run pytest.

    class TestAcme(AdapterContract):
        known = PatientKey(Bsn("999911120"))
        unknown = PatientKey(Bsn("999990019"))
        rows = (Row("bgz-3", "problem", "Condition"),)

        def make(self) -> Adapter:
            return AcmeAdapter(AcmeSettings(name="acme", ...))

Every test makes its own adapter and closes it. The data behind it must hold something of ``known`` for every row in
``rows``, nothing of ``unknown``, and something of ``other`` when that is set.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from adapters.guard import Guard, Whose
from adapters.port import (
    Adapter,
    AdapterDown,
    AdapterError,
    AdapterQuery,
    AvailabilityQuery,
    Batch,
    Capabilities,
    Closes,
    Content,
    CoverageLevel,
    PatientKey,
    Reason,
    ServiceKey,
)
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that a question may take in these tests when the deadline is not what is tested."""


@dataclass(frozen=True, slots=True)
class ContractRow:
    """A request row of which the source holds something."""

    standard: str
    rule: str
    type: str
    search: tuple[tuple[str, str], ...] = ()
    interaction: str = "search-type"
    profiles: Mapping[str, Sequence[str]] = field(default_factory=dict)


class AdapterContract:
    """Subclass this; the attributes and `make` are what differs between adapters."""

    known: PatientKey
    """A person of whom the source holds data."""

    unknown: PatientKey
    """A person whom the source does not know."""

    other: PatientKey | None = None
    """A second person with data for the same rows, when the source can hold two."""

    version: FhirVersion = FhirVersion.STU3
    """The FHIR version of ``rows``."""

    rows: Sequence[ContractRow] = ()
    """Request rows for which the source holds something of ``known``; at least one."""

    services: Sequence[ServiceKey] = (ServiceKey("48", "bgz-3"),)
    """Data services that the source makes available for ``known``."""

    def make(self) -> Adapter:
        """A fresh adapter over the test data."""
        raise NotImplementedError

    # -- helpers -------------------------------------------------------------------------------------------------------

    def use(self, story: Callable[[Adapter], Awaitable[T]]) -> T:
        """Make an adapter, tell the story, close the adapter."""

        async def whole() -> T:
            adapter = self.make()
            try:
                return await asyncio.wait_for(story(adapter), 3 * PATIENCE)
            finally:
                if isinstance(adapter, Closes):
                    await adapter.aclose()

        return asyncio.run(whole())

    def query(self, row: ContractRow, patient: PatientKey | None = None, **changes: Any) -> AdapterQuery:
        """The query of a row."""
        fields: dict[str, Any] = {
            "provider": "test",
            "patient": patient or self.known,
            "standard": row.standard,
            "rule": row.rule,
            "interaction": row.interaction,
            "type": row.type,
            "search": row.search,
            "profiles": row.profiles,
            "version": self.version,
            "deadline": time.monotonic() + PATIENCE,
            "correlation": "c0ffee00-0000-4000-8000-000000000001",
            "request": "c0ffee00-0000-4000-8000-000000000002",
        }
        return AdapterQuery(**(fields | changes))

    def find(self, row: ContractRow, patient: PatientKey | None = None, **changes: Any) -> Batch:
        """Ask once."""
        return self.use(lambda adapter: adapter.find(self.query(row, patient, **changes)))

    def find_all(self) -> list[tuple[ContractRow, Batch]]:
        """Ask every row once, of one adapter."""

        async def story(adapter: Adapter) -> list[tuple[ContractRow, Batch]]:
            return [(row, await adapter.find(self.query(row))) for row in self.rows]

        return self.use(story)

    # -- what an adapter is --------------------------------------------------------------------------------------------

    def test_it_has_a_name_and_says_what_it_can_deliver(self) -> None:
        """``gateway adapters probe`` needs both before anything was asked."""

        async def look(adapter: Adapter) -> tuple[str, Capabilities]:
            return adapter.name, adapter.capabilities

        name, capabilities = self.use(look)
        assert name
        assert isinstance(capabilities, Capabilities)
        for row in self.rows:
            assert capabilities.of(row.standard, row.rule, self.version, row.type).level is not CoverageLevel.NO, row

    # -- find ----------------------------------------------------------------------------------------------------------

    def test_each_row_brings_data_of_the_patient_and_of_nobody_else(self) -> None:
        """One patient: the guard of the gateway lets everything through."""
        assert self.rows
        for row, batch in self.find_all():
            assert [one for one in batch.resources if one["resourceType"] == row.type], row
            assert batch.patients
            guard = Guard(batch.patients, self.known.bsn)
            assert {guard.whose(one) for one in batch.resources} <= {Whose.OURS, Whose.SHARED}

    def test_resources_are_plain_data_that_survive_the_wire(self) -> None:
        """Decimals keep their digits; there are no floats, models or dates in disguise."""
        for _, batch in self.find_all():
            for resource in batch.resources:
                assert isinstance(resource.get("id"), str)
                assert _plain(resource), resource["resourceType"]
                assert jsonio.parse(jsonio.dump(resource)) == resource

    def test_nothing_comes_twice(self) -> None:
        """Type and id are the key of a resource within a source."""
        for row, batch in self.find_all():
            keys = [(one["resourceType"], one["id"]) for one in batch.resources]
            assert len(keys) == len(set(keys)), row

    def test_ids_are_stable(self) -> None:
        """The same question brings the same ids again: clients keep them."""
        row = self.rows[0]
        first, second = self.find(row), self.find(row)
        assert _keys(first) == _keys(second)

    def test_a_stranger_is_answered_with_a_gap(self) -> None:
        """An unknown person is no error, and not the same as an empty record."""
        batch = self.find(self.rows[0], self.unknown)
        assert list(batch.resources) == []
        assert [gap.reason for gap in batch.gaps] == [Reason.NO_RELATION]

    def test_two_people_at_once_are_not_mixed(self) -> None:
        """The adapter holds no state per request."""
        if self.other is None:
            return
        other, row = self.other, self.rows[0]

        async def both(adapter: Adapter) -> list[Batch]:
            people = [self.known, other] * 4
            return await asyncio.gather(*(adapter.find(self.query(row, one)) for one in people))

        batches = self.use(both)
        mine, theirs = batches[0], batches[1]
        assert mine.patients.isdisjoint(theirs.patients)
        owned = Guard(mine.patients)
        assert not [one for one in theirs.resources if owned.whose(one) is Whose.OURS]
        for index, batch in enumerate(batches):
            assert _keys(batch) == _keys(batches[index % 2])

    def test_a_parameter_nobody_knows_leaves_no_data_out(self) -> None:
        """More is allowed, less is not: the gateway matches afterwards."""
        row = self.rows[0]
        whole = _keys(self.find(row))
        assert whole <= _keys(self.find(row, search=(*row.search, ("nonsense-of-nobody", "1"))))

    def test_another_fhir_version_is_not_offered(self) -> None:
        """A source answers in the version that was asked, or not at all."""
        other = FhirVersion.R4 if self.version is FhirVersion.STU3 else FhirVersion.STU3

        async def ask(adapter: Adapter) -> Batch | None:
            for row in self.rows:
                if adapter.capabilities.of(row.standard, row.rule, other, row.type).level is CoverageLevel.NO:
                    return await adapter.find(self.query(row, version=other))
            return None

        batch = self.use(ask)
        if batch is not None:
            assert (list(batch.resources), [gap.reason for gap in batch.gaps]) == ([], [Reason.NOT_OFFERED])

    def test_a_deadline_that_has_passed_is_kept(self) -> None:
        """No answer, or a gap; at once. Making and closing the adapter is outside the clock."""

        async def ask(adapter: Adapter) -> float:
            started = time.monotonic()
            try:
                batch = await adapter.find(self.query(self.rows[0], deadline=started - 1))
                assert batch.gaps
            except AdapterDown:
                pass
            return time.monotonic() - started

        assert self.use(ask) < 2

    def test_a_cancelled_question_stops(self) -> None:
        """Cancellation passes through; the adapter is usable afterwards."""
        row = self.rows[0]

        async def story(adapter: Adapter) -> Batch:
            task = asyncio.ensure_future(adapter.find(self.query(row)))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return await adapter.find(self.query(row))

        assert self.use(story).resources

    def test_nothing_shows_the_bsn(self) -> None:
        """Not the query, not the batch, not an error."""
        if self.known.bsn is None:
            return
        digits = self.known.bsn.reveal()
        query = self.query(self.rows[0])
        assert digits not in repr(query)
        assert digits not in str(query.patient)
        assert digits not in repr(self.find(self.rows[0]))

    # -- available -----------------------------------------------------------------------------------------------------

    def test_a_known_person_has_a_relation(self) -> None:
        """AVL-01: relation, services, and the birth date for the age rules."""
        question = AvailabilityQuery("test", self.known, tuple(self.services), time.monotonic() + PATIENCE)
        answer = self.use(lambda adapter: adapter.available(question))
        assert answer.relation
        assert answer.services == {one.id for one in self.services}

    def test_an_unknown_person_has_none(self) -> None:
        """AVL-01: not known is an answer, with a reason for each service."""
        question = AvailabilityQuery("test", self.unknown, tuple(self.services), time.monotonic() + PATIENCE)
        answer = self.use(lambda adapter: adapter.available(question))
        assert not answer.relation
        assert not answer.services
        assert answer.reasons == {one.id: Reason.NO_RELATION for one in self.services}

    # -- read ----------------------------------------------------------------------------------------------------------

    def test_what_was_found_can_be_read_by_its_id(self) -> None:
        """A PGO follows references."""

        async def story(adapter: Adapter) -> None:
            for row in self.rows:
                found = (await adapter.find(self.query(row))).resources
                mine = next(one for one in found if one["resourceType"] == row.type)
                read = await adapter.read(self.query(row, interaction="read", search=(), id=mine["id"]))
                assert isinstance(read, Batch)
                keys = [(one["resourceType"], one["id"]) for one in read.resources]
                assert (row.type, mine["id"]) in keys

        self.use(story)

    def test_what_is_not_there_and_what_is_of_another_are_the_same(self) -> None:
        """Nobody learns that a record exists."""

        async def story(adapter: Adapter) -> None:
            row = self.rows[0]
            found = (await adapter.find(self.query(row))).resources
            mine = next(one for one in found if one["resourceType"] == row.type)
            for patient, given in ((self.known, "is-not-there"), (self.other or self.unknown, mine["id"])):
                read = await adapter.read(self.query(row, patient, interaction="read", search=(), id=given))
                assert isinstance(read, Batch)
                assert list(read.resources) == []

        self.use(story)

    def test_a_binary_is_read_only_by_whose_document_points_at_it(self) -> None:
        """Documents: the bytes for the patient, nothing for anyone else."""
        row = next((one for one in self.rows if one.type == "DocumentReference"), None)
        if row is None:
            return

        async def story(adapter: Adapter) -> None:
            found = (await adapter.find(self.query(row))).resources
            attachments = [part["attachment"] for one in found for part in one.get("content", ())]
            given = next(one["url"] for one in attachments if "Binary/" in one.get("url", "")).rpartition("/")[2]
            binary = self.query(row, type="Binary", interaction="read", search=(), id=given)
            content = await adapter.read(binary)
            assert isinstance(content, Content)
            data = b"".join([chunk async for chunk in content.chunks])
            assert data
            assert content.length in (None, len(data))
            stranger = self.query(row, self.other or self.unknown, type="Binary", interaction="read", id=given)
            refused = await adapter.read(stranger)
            assert isinstance(refused, Batch)
            assert not refused.resources

        self.use(story)


def fails(adapter: Adapter, query: AdapterQuery) -> AdapterError:
    """The error that a question ends in; for tests of faults. AssertionError when there is none."""

    async def whole() -> AdapterError:
        try:
            with pytest.raises(AdapterError) as caught:
                await adapter.find(query)
            return caught.value
        finally:
            if isinstance(adapter, Closes):
                await adapter.aclose()

    return asyncio.run(whole())


def _keys(batch: Batch) -> set[tuple[str, str]]:
    return {(one["resourceType"], one["id"]) for one in batch.resources}


def _plain(node: Resource | Any) -> bool:
    if isinstance(node, dict):
        return bool(node) and all(isinstance(key, str) and _plain(value) for key, value in node.items())
    if isinstance(node, list):
        return bool(node) and all(value is None or _plain(value) for value in node)
    return type(node) in (str, bool, int, Decimal) and node != ""
