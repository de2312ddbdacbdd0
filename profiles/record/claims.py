"""Which profiles a resource claims when it leaves, so that receivers know it.

Receivers pick their parser by ``meta.profile`` and compare addresses letter by letter: the national client drops a
resource whose claim it does not know, and loses a whole list over a claim in the wrong case. So a claim of ours is one
that the rows of the standards expect, in their spelling, and a derived profile claims its parent as well (claims.toml).
What a source claims beyond that stays, behind it. Nothing but ``meta.profile`` is touched.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.repair import Repair, claim_profile
from profiles.rows import read
from profiles.standards.load import short_names
from profiles.standards.names import full_profile

TABLE = Path(__file__).parent / "claims.toml"

Expected = Callable[[Resource, FhirVersion], Sequence[str]]
"""Which profiles a resource without a usable claim should claim (profiles.record.expect)."""


def correct(resource: Resource, version: FhirVersion, named: Mapping[str, str], expected: Expected) -> list[Repair]:
    """Make the claims of a resource ones that receivers know, in place; returns what was done.

    ``named`` are the profiles that the standards of this release name, by their address in lower case. A version suffix
    and wrong case are mended; where no claim is among ``named``, the expected profile is claimed before what is there.
    """
    meta = resource.get("meta")
    given = meta.get("profile") if isinstance(meta, dict) else None
    if not given:
        return claim_profile(resource, expected(resource, version))
    plain_list = isinstance(given, list) and all(isinstance(one, str) for one in given)
    if not isinstance(meta, dict) or not plain_list or "_profile" in meta:
        return []  # not FHIR: for validation to tell
    plain = [one.partition("|")[0] for one in given]
    spelt = [named.get(one.lower(), one) for one in plain]
    claimed = list(dict.fromkeys(spelt))
    if not any(named.get(one.lower()) == one for one in claimed):
        claimed = list(dict.fromkeys([*expected(resource, version), *claimed]))
    rules = {
        "profile-version-removed": plain != given,
        "profile-case-corrected": spelt != plain,
        "profile-claimed": set(claimed) > set(spelt),
    }
    return _claim(resource, claimed, [rule for rule, done in rules.items() if done])


def claim_parents(resource: Resource, version: FhirVersion, *, copied: bool = True) -> list[Repair]:
    """Let a resource of a derived profile claim its zib or nl-core parent as well, in place; ``copied``: also the
    profile that its own was copied from.

    Meant for after the verdict: a resource is judged by the profiles that its source and its row mean.
    """
    meta = resource.get("meta")
    given = meta.get("profile") if isinstance(meta, dict) else None
    if not isinstance(given, list):
        return []
    known = {**parents()[version], **(copies()[version] if copied else {})}
    missing = [known[one] for one in given if isinstance(one, str) and one in known and known[one] not in given]
    return _claim(resource, [*given, *dict.fromkeys(missing)], ["profile-parent-claimed"] if missing else [])


def judged_by(resource: Resource, version: FhirVersion) -> Resource:
    """A resource as it is judged: without the profiles that its own was copied from, in a Bundle without those of its
    entries. They are there for receivers, are no base of its own, and ask more of codes. A parent is judged: what
    conforms to the derived profile conforms to its base."""
    entries = resource.get("entry")
    if resource.get("resourceType") == "Bundle" and isinstance(entries, list):
        return {**resource, "entry": [_entry(one, version) for one in entries]}
    meta = resource.get("meta")
    given = meta.get("profile") if isinstance(meta, dict) else None
    if not isinstance(meta, dict) or not isinstance(given, list):
        return resource
    known = copies()[version]
    behind = {known[one] for one in given if isinstance(one, str) and one in known}
    kept = [one for one in given if one not in behind]
    return {**resource, "meta": {**meta, "profile": kept}} if behind.intersection(given) else resource


def _entry(entry: Any, version: FhirVersion) -> Any:
    held = entry.get("resource") if isinstance(entry, dict) else None
    return {**entry, "resource": judged_by(held, version)} if isinstance(held, dict) else entry


def _claim(resource: Resource, claimed: Sequence[str], rules: Sequence[str]) -> list[Repair]:
    if rules:
        resource["meta"] = {**resource["meta"], "profile": list(claimed)}
    return [Repair(rule, f"{resource.get('resourceType')}.meta.profile") for rule in rules]


@cache
def parents() -> Mapping[FhirVersion, Mapping[str, str]]:
    """The parent of each derived profile that receivers know, by release (claims.toml)."""
    return _pairs({name: rows for name, rows in _tables().items() if name != "copied"})


@cache
def copies() -> Mapping[FhirVersion, Mapping[str, str]]:
    """The profile that each copied profile was made from, by release (claims.toml)."""
    return _pairs(_tables()["copied"])


@cache
def _tables() -> Mapping[str, Any]:
    return read(TABLE, dict[str, dict[str, Any]])


def _pairs(table: Mapping[str, Any]) -> Mapping[FhirVersion, Mapping[str, str]]:
    names = short_names()
    return {
        version: {
            full_profile(one, names): full_profile(parent, names) for one, parent in table.get(version.name, {}).items()
        }
        for version in FhirVersion
    }
