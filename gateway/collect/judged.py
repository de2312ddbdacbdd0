"""Validation of what live sources deliver: beside the request when it is only observed, before the answer otherwise."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.port import Batch, Gap, Reason
from gateway.collect.held import Held
from gateway.collect.ids import served_id
from gateway.collect.twice import told_by_several
from gateway.quality.numbers import wrong_numbers
from gateway.quality.recorder import Delivery, Recorder, SaidTwice
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.validation import Finding

Key = tuple[str, str]

HELD_BACK = "This part did not meet the rules for these data and could not be delivered."


@dataclass(frozen=True, slots=True)
class PullGate:
    """Judges batches by the policies of a provider."""

    recorder: Recorder
    _observed: dict[str, bool] = field(default_factory=dict)

    async def check(
        self, provider: str, version: FhirVersion, batch: Batch, held: Sequence[Held]
    ) -> tuple[Sequence[Held], Sequence[Gap]]:
        """What may be delivered of a batch, and what is missing because it was held back."""
        if provider not in self._observed:
            self._observed[provider] = self.recorder.gate.observes(provider)
        # The source's own ids: a steward looks a resource up there.
        own = {(type_, served_id(batch.source, id_)): id_ for type_, id_ in map(_key, batch.resources)}
        more = {_key(one): found for one in batch.resources if (found := list(wrong_numbers(one)))}
        if self._observed[provider]:
            resources = [{**one.data, "id": own.get((one.type, one.id), one.id)} for one in held]
            self.recorder.put(Delivery(provider, batch.source, version, resources, more))
            return held, ()
        return await asyncio.to_thread(self._judged, provider, version, batch.source, held, own, more)

    def told(self, provider: str, version: FhirVersion, found: Sequence[Held]) -> None:
        """Have counted, later, what two sources tell the same in an answer."""
        if len({held.source for held in found}) > 1:
            self.recorder.put(SaidTwice(provider, version, lambda: told_by_several(found)))

    def _judged(
        self,
        provider: str,
        version: FhirVersion,
        source: str,
        held: Sequence[Held],
        own: Mapping[Key, str],
        more: Mapping[Key, Sequence[Finding]],
    ) -> tuple[Sequence[Held], Sequence[Gap]]:
        kept: list[Held] = []
        missing: dict[str, Gap] = {}
        for piece in held:
            served, key = piece.data["id"], (piece.type, own.get((piece.type, piece.id), piece.id))
            piece.data["id"] = key[1]
            try:
                decision = self.recorder.gate.judge(provider, source, version, piece.data, more.get(key, ()))
            finally:
                piece.data["id"] = served
            if decision.blocked:
                missing[piece.type] = Gap(piece.type, Reason.INVALID_BLOCKED, HELD_BACK)
            else:
                kept.append(piece)
        self.recorder.start()
        return kept, tuple(missing.values())


def _key(resource: Resource) -> Key:
    return str(resource.get("resourceType")), str(resource.get("id"))
