"""From R4 with zibs of 2020 back to STU3 with zibs of 2017, by the same tables read in reverse.

A pure function, as `profiles.conversion.convert` is. What conversion to R4 split off is put together again when it came
along: roles and locations that were made, the type of home, results of a panel.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from profiles.conversion.back.around import Around, BackWork, around, stands_for
from profiles.conversion.back.datatypes import returned, shaped
from profiles.conversion.back.inverse import choices, zib_of
from profiles.conversion.back.special import UNDONE
from profiles.conversion.back.steps import undo
from profiles.conversion.convert import FIRST, Converted, base_of, entries, name_of, tell
from profiles.conversion.losses import TURNING, Loss
from profiles.conversion.paths import listed
from profiles.conversion.tables import ZibRow, tables
from profiles.conversion.work import NICTIZ
from profiles.fhir.basetypes import facts
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.walk import Key, links
from profiles.record.written import write

NL_CORE = "http://fhir.nl/fhir/StructureDefinition/"


def convert_back(resources: Iterable[Resource], day: dt.date, *, language: str = "nl", told: bool = True) -> Converted:
    """Convert resources of R4 to STU3. The resources given stay as they are.

    ``told``: what was lost stands in the narrative too, in ``language`` (nl or en). A Bundle is converted entry by
    entry. What is no resource of R4 is told as unmapped. ``day`` is not asked for: no state goes back by date.
    """
    result = Converted()
    given = [one for resource in resources for one in entries(resource)]
    record = around(given)
    gone = _put_back(record)
    for source in given:
        if _key(source) not in gone:
            _add(result, source, day, record, language, told=told)
    # A location that was made may still be pointed at, where STU3 has a location too.
    aimed = {key for one in result.resources for key in links(one)}
    for key in sorted(gone & aimed):
        _add(result, record.resources[key], day, record, language, told=told)
    return result


def _add(result: Converted, source: Resource, day: dt.date, record: Around, language: str, *, told: bool) -> None:
    element, name, kind = _turning(source), name_of(source), str(source.get("resourceType", "?"))
    work = None if element else returned_whole(source, day, record)
    turning = f"{kind}.{element}" if element else _modifier_lost(work)
    if turning:
        result.losses.append(Loss("lost", TURNING, name, turning))
    elif work is None:
        result.losses.append(Loss("unmapped", "", name, kind))
    else:
        result.resources.append(_finished(work, language, work.losses if told else ()))
        result.losses += work.losses


def _modifier_lost(work: BackWork | None) -> str:
    """The path of a modifierExtension that found no place; empty when there is none."""
    paths = [loss.path for loss in work.losses if loss.kind == "lost"] if work is not None else []
    return next((path for path in paths if path.endswith(".modifierExtension")), "")


def _key(resource: Resource) -> Key:
    return str(resource.get("resourceType")), str(resource.get("id", ""))


def _put_back(record: Around) -> frozenset[Key]:
    """What goes back as a part of another resource, or as a reference to what it was made for."""
    made = frozenset(key for key, held in record.resources.items() if stands_for(held) is not None)
    return made.union(*record.parts.values())


def _turning(resource: Resource) -> str:
    """An element that turns the meaning of a resource and that STU3 has no place for; empty when there is none."""
    names = choices().refused.get(str(resource.get("resourceType")), ())
    # The provision of a directive has a place: the zib of 2017 tells the same in its own elements.
    known = {"provision"} if zib_of(resource) is not None else set()
    return next((name for name in names if name not in known and resource.get(name) not in (None, False)), "")


def returned_whole(resource: Resource, day: dt.date, record: Around) -> BackWork | None:
    """One resource of R4, in the shape of STU3; None when it is none of R4 or of a type that STU3 does not have."""
    kind = resource.get("resourceType")
    there = _type(str(kind))
    if not isinstance(kind, str) or not facts(FhirVersion.R4).is_resource(kind) or there is None:
        return None
    zib = zib_of(resource)
    work = BackWork({}, day, name_of(resource), base=base_of(resource), around=record)
    work.resource = shaped(resource, kind, work, kind)
    _claim(work, zib)
    for step in reversed([*(zib.steps if zib else ()), *tables().type.get(there, ())]):
        undo(work, step, UNDONE)
    contained = listed(work.resource.pop("contained", None))
    work.resource.pop("text", None)
    name = str(work.resource["resourceType"])
    work.resource = returned(work.resource, name, work, record, name)
    held = [one for one in (_contained(row, work, day, record) for row in contained) if one is not None]
    if held:
        work.resource["contained"] = held
    return work


def _type(kind: str) -> str | None:
    """The type of STU3 for one of R4; None when it has none."""
    there = next((old for old, new in tables().types.items() if new == kind), kind)
    return there if facts(FhirVersion.STU3).is_resource(there) else None


def _claim(work: BackWork, zib: ZibRow | None) -> None:
    meta = work.resource.get("meta")
    if isinstance(meta, dict):
        given = meta.pop("profile", None)
        meta.pop("versionId", None)
        if given and zib is None:
            work.lose("unmapped", "LB-11", f"{work.kind}.meta.profile", given)
    if zib is not None:
        name = zib.source[0]
        work.resource["meta"] = {
            **(meta or {}),
            "profile": [(NL_CORE if name.startswith("nl-core-") else NICTIZ) + name],
        }
    elif not meta:
        work.resource.pop("meta", None)


def _contained(row: object, work: BackWork, day: dt.date, record: Around) -> Resource | None:
    turning = isinstance(row, dict) and _turning(row)
    inner = returned_whole(row, day, record) if isinstance(row, dict) and not turning else None
    if inner is None:
        work.lose("lost", "LB-01", f"{work.kind}.contained", row)
        return None
    inner.resource.pop("meta", None)
    work.losses += inner.losses
    return inner.resource


def _finished(work: BackWork, language: str, lost: Sequence[Loss]) -> Resource:
    made = work.resource
    write(made, FhirVersion.STU3)
    tell(made, [one for one in lost if one.kind == "lost"], language)
    return {key: made[key] for key in (*FIRST, *made) if key in made}
