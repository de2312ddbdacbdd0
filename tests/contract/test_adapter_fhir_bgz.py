"""The official BgZ test data behind FHIR servers that are not ours: each row answers as the data themselves do."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest
from contract.foreign import node, snake
from shared import shared
from timing import LONG

from adapters.fhir_http.adapter import FhirAdapter
from adapters.fhir_http.settings import FhirSettings
from adapters.guard import Guard
from adapters.port import AdapterQuery, Batch, LocalId, PatientKey
from profiles.fhir.codec import xmlio
from profiles.fhir.search.execute import run
from profiles.fhir.search.search import compile_search
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue
from profiles.standards.model import RequestRule

PATIENT = "medmij-bgz-test-patA"
RULES = [rule for rule in catalogue().standards["bgz-3"].rules if rule.method == "GET"]
NOT_IN_NODE = {"AllergyIntolerance", "ProcedureRequest", "DeviceRequest"}
"""STU3 types that node-fhir-server-core has no routes for."""


@dataclass(frozen=True, slots=True)
class Held:
    type: str
    id: str
    data: Resource


@pytest.fixture(scope="module")
def data() -> list[Resource]:
    """What patient A's record consists of: her resources and the shared ones they need."""
    folder = shared("qualification", "STU3", "BgZ-3-0", "MedMij", "Test", "_reference", "resources")
    every = [xmlio.parse(path.read_bytes(), FhirVersion.STU3) for path in sorted(folder.glob("*.xml"))]
    guard = Guard(frozenset({PATIENT}))
    own = [one for one in every if guard.whose(one).value != "foreign"]
    return guard.check(own)[0]


@pytest.fixture(scope="module")
def snake_url(data: list[Resource], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with snake(data, tmp_path_factory.mktemp("snake")) as url:
        yield url


@pytest.fixture(scope="module")
def node_url(data: list[Resource], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with node(data, tmp_path_factory.mktemp("node")) as url:
        yield url


def fixed(rule: RequestRule) -> tuple[tuple[str, str], ...]:
    return tuple((one.name, one.value) for one in rule.required if not one.is_open)


def answer(rule: RequestRule, resources: Iterable[Resource]) -> tuple[list[str], set[str]]:
    """Matches in order and included resources, as the gateway works them out."""
    search = compile_search(FhirVersion.STU3, str(rule.type), fixed(rule), rule.operation)
    held = [Held(one["resourceType"], one["id"], one) for one in resources]
    keyed = {(one.type, one.id): one for one in held}
    found = run(search, held, lambda kind, given: keyed.get((kind, given)))
    return [one.id for one in found.matches], {f"{one.type}/{one.id}" for one in found.included}


def collect(settings: FhirSettings) -> dict[str, Batch]:
    """All 28 rows at once, as a client asks them."""

    async def whole() -> dict[str, Batch]:
        adapter = FhirAdapter(settings)
        key = PatientKey(local_ids=(LocalId(None, PATIENT),))
        deadline = time.monotonic() + LONG
        queries = {
            rule.id: AdapterQuery(
                "p",
                key,
                "bgz-3",
                rule.id,
                rule.interaction,
                str(rule.type),
                FhirVersion.STU3,
                deadline,
                fixed(rule),
            )
            for rule in RULES
        }
        try:
            batches = await asyncio.gather(*(adapter.find(query) for query in queries.values()))
        finally:
            await adapter.aclose()
        return dict(zip(queries, batches, strict=True))

    return asyncio.run(whole())


def compare(data: list[Resource], batches: dict[str, Batch], without: set[str]) -> int:
    same = 0
    for rule in RULES:
        if rule.type in without:
            continue
        batch = batches[rule.id]
        assert [gap.text for gap in batch.gaps] == [], rule.id
        wanted, got = answer(rule, data), answer(rule, batch.resources)
        assert got == wanted, rule.id
        same += bool(wanted[0])
    return same


def test_all_28_rows_from_fhirsnake(data: list[Resource], snake_url: str) -> None:
    settings = FhirSettings(name="snake", url=snake_url, version=FhirVersion.STU3, statement="optional")
    assert len(RULES) == 28
    assert compare(data, collect(settings), set()) >= 26


def test_the_rows_that_node_fhir_server_core_can_hold(data: list[Resource], node_url: str) -> None:
    batches = collect(FhirSettings(name="node", url=node_url, version=FhirVersion.STU3))
    assert compare(data, batches, NOT_IN_NODE) >= 23
    for rule in RULES:
        if rule.type in NOT_IN_NODE:
            assert [gap.reason.value for gap in batches[rule.id].gaps] == ["not-offered"]
