"""Answers of live sources on their way into a person's record: normalised, with ids that are unique at the provider."""

from collections.abc import Iterable, Sequence

from adapters.port import Batch, Gap, Reason
from gateway.collect.held import Held
from gateway.collect.ids import rename
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.expect import Expectations
from profiles.record.neighbours import ONE_PERSON, Neighbours
from profiles.record.repair import Repair, fill_display, mask_bsn
from profiles.record.whose import is_shared


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
    for (type_, _), resource in by_key.items():
        rename(resource, batch.source, by_key.keys(), prefixed=prefixed)
        patient = next(iter(batch.patients), "") if batch.patients else ""
        ready.append(Held(type_, resource["id"], version, source=batch.source, patient_id=patient, data=resource))
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
