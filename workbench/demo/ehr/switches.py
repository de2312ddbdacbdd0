"""A switch per simulated source: what is wrong with it at the moment. Made once per process, thrown by the page."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from adapters.port import (
    Adapter,
    AdapterDown,
    AdapterGarbage,
    AdapterQuery,
    Availability,
    AvailabilityQuery,
    Batch,
    Capabilities,
    Closes,
    Content,
    Gap,
    Probes,
    Reason,
)
from adapters.testing.fake_ehr import FakeEhr
from adapters.testing.faults import Fault
from profiles.fhir.tree import Resource

SLOW_SECONDS = 8.0
"""Longer than the gateway waits."""


class Switch(StrEnum):
    """What can be wrong with a source, in the words of the page's addresses and the command line."""

    NORMAL = "normal"
    SLOW = "slow"
    DOWN = "down"
    GARBAGE = "garbage"
    WRONG_PATIENT = "wrong-patient"
    HALF = "half"


FAULTS: Mapping[Switch, Fault] = {
    Switch.NORMAL: Fault.NONE,
    Switch.SLOW: Fault.SLOW,
    Switch.DOWN: Fault.DOWN,
    Switch.GARBAGE: Fault.GARBAGE,
    Switch.WRONG_PATIENT: Fault.WRONG_PATIENT,
    Switch.HALF: Fault.HALF,
}


@dataclass(slots=True)
class Switches:
    """The switches by source name. ``servers`` are the sources that are FHIR servers: they go wrong by themselves."""

    servers: Mapping[str, FakeEhr]
    _set: dict[str, Switch] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, server in self.servers.items():
            server.slow = SLOW_SECONDS
            self._set[name] = Switch.NORMAL

    def around(self, adapter: Adapter) -> Adapter:
        """The adapter with a switch of its own; a FHIR server has one already."""
        if adapter.name in self.servers:
            return adapter
        self._set[adapter.name] = Switch.NORMAL
        return Switched(adapter, self)

    @property
    def names(self) -> Iterable[str]:
        """The sources that have a switch."""
        return tuple(self._set)

    def of(self, name: str) -> Switch:
        """How a source is set. Raises KeyError for a source that there is not."""
        return self._set[name]

    def throw(self, name: str, to: Switch) -> None:
        """Set a source. Raises KeyError for a source that there is not."""
        if name not in self._set:
            raise KeyError(name)
        self._set[name] = to
        if name in self.servers:
            self.servers[name].fault = FAULTS[to]


class Switched:
    """An adapter whose source can be made to fail. Whether a person is known is always answered, so that a visit gets
    as far as collecting; FakeEhr does the same."""

    def __init__(self, adapter: Adapter, switches: Switches) -> None:
        self.name = adapter.name
        self._adapter = adapter
        self._switches = switches

    @property
    def capabilities(self) -> Capabilities:
        """Those of the adapter."""
        return self._adapter.capabilities

    @capabilities.setter
    def capabilities(self, given: Capabilities) -> None:
        self._adapter.capabilities = given

    async def find(self, query: AdapterQuery) -> Batch:
        """See `adapters.port.Adapter.find`."""
        switch = await self._before()
        return spoilt(switch, await self._adapter.find(query))

    async def available(self, query: AvailabilityQuery) -> Availability:
        """See `adapters.port.Adapter.available`."""
        return await self._adapter.available(query)

    async def read(self, query: AdapterQuery) -> Batch | Content:
        """See `adapters.port.Adapter.read`."""
        switch = await self._before()
        found = await self._adapter.read(query)
        return spoilt(switch, found) if isinstance(found, Batch) else found

    async def probe(self, deadline: float) -> Capabilities:
        """See `adapters.port.Probes.probe`."""
        return await self._adapter.probe(deadline) if isinstance(self._adapter, Probes) else self.capabilities

    async def aclose(self) -> None:
        """See `adapters.port.Closes.aclose`."""
        if isinstance(self._adapter, Closes):
            await self._adapter.aclose()

    async def _before(self) -> Switch:
        switch = self._switches.of(self.name)
        if switch is Switch.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        elif switch is Switch.DOWN:
            raise AdapterDown("the source does not answer", retry_after=30)
        elif switch is Switch.GARBAGE:
            raise AdapterGarbage("the source answered something that cannot be read")
        return switch


def spoilt(switch: Switch, batch: Batch) -> Batch:
    """The batch as a source that goes wrong half-way would give it."""
    if switch is Switch.WRONG_PATIENT and batch.patients:
        return replace(batch, resources=[*batch.resources, STRANGER])
    if switch is Switch.HALF and len(batch.resources) > 1:
        kind = str(batch.resources[0].get("resourceType"))
        gap = Gap(kind, Reason.SOURCE_DOWN, "the source broke off; a part is missing", retry_after=30)
        return replace(batch, resources=batch.resources[: len(batch.resources) // 2], gaps=(*batch.gaps, gap))
    return batch


STRANGER: Resource = {
    "resourceType": "Condition",
    "id": "van-een-ander",
    "clinicalStatus": "active",
    "subject": {"reference": "Patient/een-ander", "display": "Een Ander"},
    "code": {"text": "Dit mag niemand zien"},
}
"""What a source that mixes people up sends along."""
