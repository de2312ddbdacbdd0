"""From STU3 with zibs of 2017 to R4 with zibs of 2020: resources of one person in, resources and losses out.

A pure function: no clock but the day that is given, no network, no store; the same input gives the same output. What
the tables do not know goes along as far as R4 has it, without a claim, and is told.
"""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from profiles.conversion.beside import RecordAround, beside
from profiles.conversion.datatypes import translated
from profiles.conversion.fit import fitted
from profiles.conversion.losses import Loss, sentence, texts
from profiles.conversion.paths import holds, listed
from profiles.conversion.special import SPECIAL
from profiles.conversion.steps import run
from profiles.conversion.tables import ZibRow, by_profile, tables
from profiles.conversion.work import NICTIZ, Work, named, part_id
from profiles.fhir.basetypes import facts
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.walk import Key, key_of
from profiles.record.written import write

FIRST: Final = ("resourceType", "id", "meta", "implicitRules", "language", "text", "contained")


@dataclass(slots=True)
class Converted:
    """The resources of R4, those that were made last, and all that was lost or assumed."""

    resources: list[Resource] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


def convert(resources: Iterable[Resource], day: dt.date, *, language: str = "nl", told: bool = True) -> Converted:
    """Convert resources of STU3 to R4. The resources given stay as they are.

    ``day``: the day on which a state that ends by date is judged. ``told``: what was lost stands in the narrative too,
    in ``language`` (nl or en). A Bundle is converted entry by entry. What is no resource of STU3 is told as unmapped.
    """
    result = Converted()
    made: dict[Key, Resource] = {}
    given = [one for resource in resources for one in entries(resource)]
    record = beside(given)
    bases = Counter[str]()
    for source in given:
        base = base_of(source)
        bases[base] += 1
        if bases[base] > 1 and "id" not in source:
            base = part_id(base, str(bases[base]))
        work = converted(source, day, record, base)
        if work is None:
            result.losses.append(Loss("unmapped", "", name_of(source), str(source.get("resourceType", "?"))))
            continue
        for extra in work.made:
            finished = _finished(extra, work, language)
            made.setdefault(key_of(finished), finished)
        result.resources.append(_finished(work.resource, work, language, lost=work.losses if told else ()))
        result.losses += work.losses
    keys = {key_of(one) for one in result.resources if "id" in one}
    result.resources += [one for key, one in made.items() if key not in keys]
    return result


def entries(resource: Resource) -> list[Resource]:
    """The resources of a Bundle; any other resource is the only one."""
    if resource.get("resourceType") != "Bundle":
        return [resource]
    held = [one.get("resource") for one in listed(resource.get("entry")) if isinstance(one, dict)]
    return [one for one in held if isinstance(one, dict)]


def name_of(resource: Resource) -> str:
    """Type and id of a resource, for the list."""
    return "/".join(str(resource[key]) for key in ("resourceType", "id") if key in resource) or "?"


def base_of(resource: Resource) -> str:
    """What the ids of its parts begin with: its id, else a name made of all it says."""
    ident = resource.get("id")
    if isinstance(ident, str) and ident:
        return ident
    return named(hashlib.sha256(jsonio.canonical(resource)).hexdigest())


def converted(resource: Resource, day: dt.date, record: RecordAround, base: str) -> Work | None:
    """One resource of STU3, converted; None when it is none. ``base``: what the ids of its parts begin with."""
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or not facts(FhirVersion.STU3).is_resource(kind):
        return None
    zib = zib_of(resource)
    work = Work({}, day, name_of(resource), record, base=base)
    work.resource = translated(resource, kind, work, kind)
    _claim(work, zib)
    for step in [*(zib.steps if zib else ()), *tables().type.get(kind, ())]:
        run(work, step, SPECIAL)
    contained = _contained(work, record)
    work.resource.pop("contained", None)
    if contained:
        work.resource["contained"] = contained
    return work


def zib_of(resource: Resource) -> ZibRow | None:
    """The zib of a resource: by its claim, else by a coding that tells it, else by its type where that has one zib."""
    meta, kind = resource.get("meta"), str(resource.get("resourceType"))
    claims = listed(meta.get("profile")) if isinstance(meta, dict) else []
    for claim in claims:
        zib = by_profile().get(str(claim).partition("|")[0].rpartition("/")[2])
        if zib is not None:
            return zib
    if claims:
        return None
    for zib in tables().zib:
        for path, coding in zib.when.items():
            system, _, code = coding.partition("|")
            if tables().types.get(kind, kind) == zib.type and holds(resource.get(path), system, code):
                return zib
    return None


def _claim(work: Work, zib: ZibRow | None) -> None:
    """The claim of the zib, before all steps: those that split a resource copy it, or put another in its place."""
    meta = work.resource.get("meta")
    given = listed(meta.get("profile")) if isinstance(meta, dict) else []
    if isinstance(meta, dict):
        meta.pop("profile", None)
        meta.pop("versionId", None)
    if zib is not None and zib.target:
        work.resource["meta"] = {**(meta or {}), "profile": [NICTIZ + zib.target]}
    elif given and (zib is None or not zib.base):
        work.lose("unmapped", "", f"{work.kind}.meta.profile", given)
    if not work.resource.get("meta"):
        work.resource.pop("meta", None)


def _contained(work: Work, record: RecordAround) -> list[Resource]:
    kept = []
    for one in listed(work.resource.get("contained")):
        inner = converted(one, work.day, record, part_id(work.base, base_of(one))) if isinstance(one, dict) else None
        if inner is None:
            work.lose("unmapped", "", f"{work.kind}.contained", one)
            continue
        inner.resource.pop("meta", None)
        kept.append(fitted(inner.resource, inner.kind, inner, inner.kind))
        work.losses += inner.losses
        work.made += inner.made
    return kept


def _finished(resource: Resource, work: Work, language: str, lost: Sequence[Loss] = ()) -> Resource:
    kind = str(resource["resourceType"])
    contained = resource.pop("contained", None)
    narrative = resource.pop("text", None)
    made = fitted(resource, kind, work, kind)
    if contained:
        made["contained"] = contained
    if isinstance(narrative, dict) and narrative.get("status") == "additional":
        made["text"] = narrative
    else:
        write(made, FhirVersion.R4)
    tell(made, [one for one in lost if one.kind == "lost"], language)
    return {key: made[key] for key in (*FIRST, *made) if key in made}


def tell(resource: Resource, losses: Sequence[Loss], language: str) -> None:
    """Add what was lost to the narrative of a resource, in place."""
    text = resource.get("text")
    if not losses or not isinstance(text, dict) or not str(text.get("div", "")).endswith("</div>"):
        return
    heading = texts().heading.en if language == "en" else texts().heading.nl
    rows = "".join(f"<li>{escape(sentence(one, language))}</li>" for one in losses)
    text["div"] = f"{text['div'].removesuffix('</div>')}<p>{escape(heading)}</p><ul>{rows}</ul></div>"
