"""Answers of live sources on their way into a person's record: normalised, with ids that are unique at the provider."""

import hashlib
from collections.abc import Iterable, Sequence

from adapters.port import Batch, Gap, Reason
from gateway.collect.held import Held
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion
from profiles.record.expect import Expectations
from profiles.record.neighbours import ONE_PERSON, Neighbours
from profiles.record.repair import Repair, fill_display, mask_bsn
from profiles.record.walk import nodes
from profiles.record.whose import is_shared

MOST = 64
"""Longest id that FHIR allows."""


def served_id(source: str, id_: str) -> str:
    """The id under which a source's resource is served when a provider has several sources."""
    made = f"{source}-{id_}"
    return made if len(made) <= MOST else f"{source[:23]}-{hashlib.sha256(id_.encode()).hexdigest()[:40]}"


def held_of(
    batch: Batch, version: FhirVersion, expected: Expectations, *, prefixed: bool, known: Iterable[str] = ()
) -> tuple[Sequence[Held], Sequence[tuple[str, Repair]]]:
    """A batch as resources ready to serve, and what was changed in each (``Type/id``, repair).

    The batch's own data are copied before they are changed: a kept batch may be used again.
    """
    copies: list[Resource] = [jsonio.load(jsonio.dump(resource)) for resource in batch.resources]
    by_key = {(str(one.get("resourceType")), str(one.get("id"))): one for one in copies}
    # The guard has let through one person's data and shared ones, so that there is one name to tell apart.
    owners = {key: "" if is_shared(one) else ONE_PERSON for key, one in by_key.items()}
    held = {key: (owners[key], one) for key, one in by_key.items()}
    notes: list[tuple[str, Repair]] = []
    for (type_, id_), resource in by_key.items():
        repairs = fill_display(resource, Neighbours(owners[type_, id_], held.get))
        repairs += mask_bsn(resource, known)
        repairs += expected.correct(resource, version)
        notes += [(f"{type_}/{id_}", repair) for repair in repairs]
    ready = []
    for (type_, id_), resource in by_key.items():
        chosen = served_id(batch.source, id_) if prefixed else id_
        _rename(resource, chosen, batch.source, by_key, prefixed=prefixed)
        patient = next(iter(batch.patients), "") if batch.patients else ""
        ready.append(Held(type_, chosen, version, source=batch.source, patient_id=patient, data=resource))
    return ready, notes


def servable(held: Sequence[Held]) -> tuple[Sequence[Held], Sequence[Gap]]:
    """Those that can be written in both formats, and a gap for each that cannot: one of them may not cost the rest."""
    kept, gaps = [], []
    for piece in held:
        try:
            piece.body(Format.XML)
        except FormatError:
            gaps.append(Gap(piece.type, Reason.INVALID_BLOCKED, "A part of the answer of a source is not FHIR."))
        else:
            kept.append(piece)
    return kept, gaps


def _rename(
    resource: Resource, chosen: str, source: str, by_key: dict[tuple[str, str], Resource], *, prefixed: bool
) -> None:
    """References inside the batch become relative; with ``prefixed`` they and the id get the source's prefix."""
    resource["id"] = chosen
    for _, node in nodes(resource):
        reference = node.get("reference")
        key = local_reference(reference) if isinstance(reference, str) else None
        if key is not None and key in by_key:
            node["reference"] = f"{key[0]}/{served_id(source, key[1]) if prefixed else key[1]}"
